// The works of this session on the wall, newest first, also those that are being painted.
import { listJobs, previewUrl, thumbnailUrl } from "./api.js";
import { button, cautious, fill, find, make } from "./dom.js";
import { deleteJob, repeat, useSettings } from "./jobs.js";
import { change, isFinal, now, watch } from "./store.js";
import { attempt } from "./toasts.js";
import { describeJob, nameStyles, spellPlace } from "./words.js";

const PAGE = 50;
const cards = new Map();

/** Hang them, and ask for older ones when told to. */
export function showWorks() {
  watch(["jobs", "showing", "styles", "older"], render);
  find("#older").addEventListener("click", readOlder);
}

async function readOlder() {
  const before = now().jobs.at(-1)?.id;
  const more = await attempt(() => listJobs(before, PAGE));
  if (more) change({ jobs: [...now().jobs, ...more], older: more.length === PAGE });
}

function render({ jobs, older }) {
  find(".works").hidden = jobs.length === 0;
  find(".works .count").textContent = jobs.length === 1 ? "one" : String(jobs.length);
  find("#older").hidden = !older;
  const host = find("#works");
  for (const id of cards.keys()) if (!jobs.some((job) => job.id === id)) cards.delete(id);
  const wanted = jobs.map(keepCard);
  if (wanted.some((card, index) => host.children[index] !== card) || host.children.length !== wanted.length) {
    fill(host, wanted);
  }
}

function keepCard(job) {
  const card = cards.get(job.id) ?? makeCard(job);
  cards.set(job.id, card);
  refresh(card, job);
  return card;
}

function makeCard(job) {
  const show = make("button", { type: "button", class: "framed", data: { key: job.id }, on: { click: () => showJob(job.id) } },
    make("img", { alt: "", loading: "lazy" }), make("span", { class: "veil" }));
  return make("li", { data: { job: job.id } }, show,
    make("p", { class: "title" }), make("p", { class: "line" }), make("div", { class: "row" }));
}

function refresh(card, job) {
  const name = nameStyles(job.styles);
  const shown = now().showing === job.id;
  const signature = [job.state, job.preview, job.position, job.progress?.done, shown, name, Boolean(job.result)].join();
  if (card.dataset.signature === signature) return;
  card.dataset.signature = signature;
  if (card.dataset.state !== job.state) renderRow(card, job);
  card.dataset.state = job.state;
  find(".framed", card).setAttribute("aria-label", `${name}, ${job.state}`);
  if (shown) find(".framed", card).setAttribute("aria-current", "true");
  else find(".framed", card).removeAttribute("aria-current");
  find(".title", card).textContent = name;
  find(".line", card).textContent = tellState(job);
  find(".veil", card).textContent = tellVeil(job);
  hang(find("img", card), job);
}

function tellState(job) {
  if (job.state === "queued") return spellPlace(job.position ?? 1);
  if (job.state === "failed") return job.error ?? "It failed";
  return describeJob(job);
}

function tellVeil(job) {
  if (job.state === "running") return `${Math.floor((job.progress?.done ?? 0) * 100)} %`;
  if (job.state === "queued") return "Waiting";
  return job.result ? "" : "No picture";
}

function hang(image, job) {
  const url = job.result && isFinal(job) ? thumbnailUrl(job) : job.preview ? previewUrl(job) : null;
  image.hidden = !url;
  if (url && image.src !== url) image.src = url;
}

function renderRow(card, job) {
  const more = { quiet: true, class: "plain small" };
  const current = () => now().jobs.find((one) => one.id === job.id) ?? job;
  find(".row", card).replaceChildren(
    button("use", "Use settings", () => { useSettings(current()); scrollUp(); }, more),
    ...(isFinal(job) ? [button("again", "Again", () => { repeat(current()); scrollUp(); }, more)] : []),
    cautious("delete", "Delete", "Delete?", () => deleteJob(current()), more));
}

function showJob(id) {
  change({ showing: id, brushing: false });
  scrollUp();
}

const scrollUp = () => find("#atelier").scrollIntoView({ block: "start" });
