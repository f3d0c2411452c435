// What the server tells of jobs as they go on: a stream for each, few at a time.
import { eventsUrl, listJobs, readJob } from "./api.js";
import { loseConnection, onReturn } from "./connection.js";
import { change, findJob, isFinal, now, putJob, watch } from "./store.js";

// A browser opens six connections to a host; pictures need some of them.
const MOST_STREAMS = 3;
const POLL = 4000;
const streams = new Map();

/** Follow every job that is not finished, from now on. */
export function followJobs() {
  watch(["jobs", "showing"], follow);
  onReturn(refreshJobs);
  setInterval(pollOthers, POLL);
  follow(now());
}

/** Read the newest jobs again; those that were deleted elsewhere go. */
export async function refreshJobs() {
  const fresh = await listJobs();
  const oldest = fresh.at(-1);
  const known = new Set(fresh.map((job) => job.id));
  const rest = now().older ? now().jobs.filter((job) => !known.has(job.id) && isOlder(job, oldest)) : [];
  change({ jobs: [...fresh, ...rest] });
}

const isOlder = (job, other) => Boolean(other) && job.created < other.created;

function follow({ jobs, showing }) {
  const open = jobs.filter((job) => !isFinal(job));
  const urgency = (job) => (job.id === showing ? 0 : job.state === "running" ? 1 : 2);
  open.sort((a, b) => urgency(a) - urgency(b));
  const wanted = new Set(open.slice(0, MOST_STREAMS).map((job) => job.id));
  for (const id of streams.keys()) if (!wanted.has(id)) close(id);
  for (const id of wanted) if (!streams.has(id)) openStream(id);
}

function openStream(id) {
  const source = new EventSource(eventsUrl(id));
  streams.set(id, source);
  source.addEventListener("job", (event) => putJob(JSON.parse(event.data)));
  source.addEventListener("progress", (event) => advance(id, JSON.parse(event.data)));
  source.addEventListener("error", () => recover(id, source));
}

function close(id) {
  streams.get(id)?.close();
  streams.delete(id);
}

// The browser reconnects by itself where it can; where it gave up, the job is asked for.
async function recover(id, source) {
  if (streams.get(id) !== source) return;
  if (source.readyState !== EventSource.CLOSED) return loseIfSilent();
  close(id);
  try {
    putJob(await readJob(id));
  } catch (error) {
    if (error.status === 404) change({ jobs: now().jobs.filter((job) => job.id !== id) });
    else loseConnection();
  }
}

async function loseIfSilent() {
  try {
    await refreshJobs();
  } catch {
    loseConnection();
  }
}

function advance(id, { progress, loss, preview }) {
  const job = findJob(id);
  if (!job) return;
  const losses = loss && loss[0] !== job.losses.at(-1)?.[0] ? [...job.losses, loss] : job.losses;
  putJob({ ...job, progress, losses, preview: preview ?? job.preview });
}

// Jobs without a stream, as when a dozen wait.
async function pollOthers() {
  const others = now().jobs.filter((job) => !isFinal(job) && !streams.has(job.id));
  if (others.length && now().connected) await loseIfSilent();
}
