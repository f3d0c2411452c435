// The button that begins, and why it does not yet.
import { button, fill, find, make } from "./dom.js";
import { pick } from "./intake.js";
import { begin } from "./jobs.js";
import { change, isFinal, now, watch } from "./store.js";
import { nameStyles } from "./words.js";

const VERBS = { paint: "Paint", fast: "Paint at once", texture: "Make the texture" };

/** Keep the footer of the palette up to date; Ctrl+Enter begins from anywhere. */
export function showGo() {
  watch(["photo", "picks", "kind", "busy", "jobs", "styles", "options"], render);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !findMissing(now())) begin();
  });
}

function findMissing({ photo, picks, kind, options, jobs, busy }) {
  const waiting = jobs.filter((job) => job.state === "queued").length;
  if (busy) return "One moment";
  if (kind !== "texture" && !photo) return "photo";
  if (kind === "fast" && options && !options.networks.length) return "No trained network is installed";
  if (picks.length === 0) return "Choose a style on the wall";
  if (options?.limits.queued && waiting >= options.limits.queued) return "The queue is full; let one finish";
  return null;
}

function render(state) {
  const missing = findMissing(state);
  const open = state.jobs.filter((job) => !isFinal(job));
  const words = missing && missing !== "photo" ? missing : nameStyles(state.picks.map((one) => one.id));
  const main = missing === "photo"
    ? button("picture", "Choose a photograph", () => pick("photo"), { class: "primary", data: { key: "begin" } })
    : button("brush", VERBS[state.kind] ?? "Begin", begin, { class: "primary", disabled: Boolean(missing), data: { key: "begin" } });
  const count = `${open.length} ${open.length === 1 ? "painting" : "paintings"} under way`;
  const watching = open.length
    ? [" · ", button(null, count, () => change({ showing: open.at(-1).id }), { class: "link", data: { key: "watching" } })]
    : [];
  fill(find("#go"), make("p", { class: "summary" }, make("em", { text: words }), watching), main);
}
