// The tools under the picture: compare, zoom, and what can be done with a work.
import { resultUrl } from "./api.js";
import { button, cautious, fill, find, icon, make } from "./dom.js";
import { deleteJob, describeSettings, repeat, useSettings } from "./jobs.js";
import { change, isFinal, now } from "./store.js";
import { compare, zoom } from "./viewer.js";

const FORMATS = { png: "PNG, exact", jpeg: "JPEG, small", tiff: "TIFF, for print" };

/** How the picture is looked at; kept while works change. */
export const view = { compared: false, zoomed: false };

/** Show the tools that fit what is on the easel. */
export function renderTools(job, state) {
  const both = find("#hang").dataset.both === "true";
  const host = find("#tools");
  const signature = JSON.stringify([job?.id, job?.state, Boolean(job?.result), both, state.brushing, state.sketching,
    Boolean(state.options?.networks.length), view]);
  if (host.dataset.signature === signature) return;
  host.dataset.signature = signature;
  fill(host, state.brushing ? [] : [
    both ? toggle("compare", "Compare", view.compared, toggleCompare) : null,
    toggle("zoom", "1 : 1", view.zoomed, toggleZoom),
    ...(job ? listJobTools(job) : [sketchSwitch(state)]),
  ]);
}

function toggle(symbol, label, pressed, onClick) {
  return button(symbol, label, onClick, { "aria-pressed": pressed, data: { key: label }, class: "plain" });
}

function listJobTools(job) {
  const quiet = { quiet: true, class: "plain" };
  return [
    job.result && isFinal(job) ? downloadMenu(job) : null,
    isFinal(job) ? button("again", "Again", () => repeat(job), { class: "plain", data: { key: "again" } }) : null,
    button("use", "Use settings", () => useSettings(job), { class: "plain", data: { key: "use" } }),
    button("settings", "All its settings", () => describeSettings(job), quiet),
    cautious("delete", "Delete", "Delete?", () => deleteJob(job), quiet),
  ];
}

function downloadMenu(job) {
  const links = Object.entries(FORMATS).map(([format, text]) =>
    make("a", { href: resultUrl(job, format, 1), download: "", text, data: { format } }));
  const menu = make("details", { class: "menu" },
    make("summary", { data: { key: "download" } }, icon("download"), make("span", { text: "Download" })), make("div", {}, links));
  menu.addEventListener("click", (event) => { if (event.target.closest("a")) menu.open = false; });
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") { menu.open = false; menu.firstChild.focus(); } });
  menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false; });
  return menu;
}

function sketchSwitch(state) {
  if (!state.options?.networks.length || state.kind === "texture") return null;
  return toggle("brush", "Sketch at once", state.sketching, () => change({ sketching: !now().sketching }));
}

/** Compare, or stop comparing. */
export function toggleCompare() {
  view.compared = !view.compared;
  compare(view.compared);
  touch();
}

/** Each pixel, or the whole. */
export function toggleZoom() {
  view.zoomed = !view.zoomed;
  zoom(view.zoomed);
  touch();
}

const touch = () => change({ zoomed: { ...view } });
