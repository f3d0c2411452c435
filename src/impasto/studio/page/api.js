// The HTTP API of the studio: one function a resource, and errors that can be shown as they are.

const BASE = new URL("api/v1/", document.baseURI);

/** What the server refused, with its own one-line message. */
export class ApiError extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The server could not be reached at all. */
export class Unreachable extends Error {
  constructor() {
    super("The studio does not answer. Is it still running?");
  }
}

/** Address below the API; values of `query` that are null are left out. */
export function address(path, query = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url.href;
}

async function call(method, path, { query, json, body, signal } = {}) {
  const headers = json === undefined ? {} : { "Content-Type": "application/json" };
  const content = json === undefined ? body : JSON.stringify(json);
  const request = { method, headers, body: content, signal, credentials: "same-origin" };
  let answer;
  try {
    answer = await fetch(address(path, query), request);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable();
  }
  if (!answer.ok) throw await readError(answer);
  return answer;
}

async function readError(answer) {
  const { error } = await answer.json().catch(() => ({}));
  const message = error?.message ?? `The studio answered ${answer.status}. Try it again.`;
  return new ApiError(message, answer.status, error?.code ?? "unknown");
}

const read = async (...request) => (await call(...request)).json();
const one = (resource, id) => `${resource}/${encodeURIComponent(id)}`;

export const readHealth = () => read("GET", "health");
export const readOptions = () => read("GET", "options");
export const listStyles = () => read("GET", "styles");
export const listPictures = (role) => read("GET", "pictures", { query: { role } });
export const removePicture = (id) => call("DELETE", one("pictures", id));
export const searchPicture = (id, name) => read("POST", `${one("pictures", id)}/masks`, { json: { find: name } });
export const listJobs = (before, limit = 50) => read("GET", "jobs", { query: { limit, before } });
export const readJob = (id) => read("GET", one("jobs", id));
export const startJob = (json) => read("POST", "jobs", { json });
export const cancelJob = (id) => read("POST", `${one("jobs", id)}/cancel`);
export const removeJob = (id) => call("DELETE", one("jobs", id));
export const repeatJob = (id, settings) =>
  read("POST", `${one("jobs", id)}/again`, { json: { settings } });

/** Send a file as it is; the server looks at its content, not at its name. */
export function sendPicture(file, role, name) {
  return read("POST", "pictures", { query: { role, name }, body: file });
}

/** A sketch by a fast network, as a blob. */
export async function readSketch(json, signal) {
  return (await call("POST", "sketches", { json, signal })).blob();
}

/** Where a picture of one's own can be seen; without a size, the whole. */
export const pictureUrl = (id, size) => address(`${one("pictures", id)}/content`, { size });
export const previewUrl = (job) => address(`${one("jobs", job.id)}/preview`, { v: job.preview });
export const thumbnailUrl = (job) =>
  address(`${one("jobs", job.id)}/thumbnail`, { v: job.state + job.preview });
export const resultUrl = (job, format = "png", download = null) =>
  address(`${one("jobs", job.id)}/result`, { format, download });
export const eventsUrl = (id) => address(`${one("jobs", id)}/events`);

/** Where a style can be seen, ours or one's own. */
export function styleUrl(id, size) {
  if (!id.includes(":")) return pictureUrl(id, size);
  return address(`styles/${id}/picture`, { size });
}

/** Both copies of a style that the server makes; the browser takes what the place needs. */
export function styleSources(id, sizes) {
  const [small, large] = [256, 1024].map((size) => styleUrl(id, size));
  return { srcset: `${small} 256w, ${large} 1024w`, sizes, src: small };
}
