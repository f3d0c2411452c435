// What the easel shows: the invitation, the draft with its sketch, or a work and how it goes.
import { pictureUrl, previewUrl, resultUrl } from "./api.js";
import { drawCurve } from "./curve.js";
import { find, make } from "./dom.js";
import { findPhoto, isFinal, shownJob, watch } from "./store.js";
import { stopJob } from "./jobs.js";
import { renderTools, view } from "./tools.js";
import { describePictures, showPictures, writeCorner } from "./viewer.js";
import { describeJob, nameStyles, spellLoss, spellPlace, spellSeconds } from "./words.js";

const SHOWN = ["photo", "photos", "jobs", "showing", "sketch", "sketching", "kind", "brushing", "picks", "styles", "zoomed"];
const FIT = 1024;
let subject = null;
let spoken = "";

/** Keep the easel up to date. */
export function showEasel() {
  watch(SHOWN, render);
  find("#watch .cancel").addEventListener("click", () => stopJob(shownJob()));
}

function render(state) {
  const job = shownJob();
  const textured = state.kind === "texture";
  const photo = findPhoto(job ? job.photo : textured ? null : state.photo);
  const place = job ? "job" : photo || textured ? "draft" : "start";
  find("#atelier").dataset.view = place;
  find(".palette .photos").hidden = textured;
  find("#invitation").hidden = place !== "start";
  find("#stage").hidden = place === "start";
  if (place === "start") return rename(null);
  if (job) renderJob(job, photo);
  else renderDraft(state, photo);
  renderWatch(job);
  renderTools(job, state);
  return rename(job);
}

function renderJob(job, photo) {
  const size = job.result ?? photo ?? { width: 1, height: 1 };
  show(job.id, photo, after(job), size);
  describePictures(`Photograph: ${photo?.name ?? ""}`, `In the manner of ${nameStyles(job.styles)}`);
  writeCorner(null);
  writePlacard(nameStyles(job.styles), describeJob(job), job.error);
}

// A finished work is shown as a JPEG, which is there sooner; each of its pixels as it is.
function after(job) {
  if (job.result && isFinal(job)) return resultUrl(job, view.zoomed ? "png" : "jpeg");
  return job.preview ? previewUrl(job) : null;
}

function renderDraft(state, photo) {
  const styles = nameStyles(state.picks.map((pick) => pick.id));
  const sketch = state.brushing ? null : state.sketch;
  show(`draft ${photo?.id}`, photo, sketch?.url ?? null, photo ?? { width: 4, height: 3 });
  describePictures(photo?.name ?? "", sketch ? `A sketch in the manner of ${styles}` : "");
  writeCorner(sketch?.label);
  find("#hang").dataset.empty = String(!photo);
  if (photo) writePlacard(nameFile(photo.name), styles ? `to be painted in the manner of ${styles}` : "Choose a style on the wall");
  else writePlacard("A texture", styles ? `of ${styles}` : "Choose a style on the wall");
}

function show(name, photo, upper, { width, height }) {
  const before = photo ? pictureUrl(photo.id, view.zoomed ? null : FIT) : null;
  find("#hang").dataset.empty = String(!before && !upper);
  showPictures({ before, after: upper, width, height, fresh: name !== subject });
  subject = name;
}

const nameFile = (name) => name.replace(/\.[a-z0-9]{2,5}$/i, "");

function writePlacard(title, line, error = null) {
  const wrong = error ? [make("p", { class: "wrong", text: error })] : [];
  find("#placard").replaceChildren(
    make("p", { class: "title", text: title }), make("p", { class: "line", text: line }), ...wrong);
}

function renderWatch(job) {
  const host = find("#watch");
  host.hidden = !job || isFinal(job);
  if (host.hidden) return;
  const { headline, details } = tell(job);
  find(".headline", host).textContent = headline;
  find(".details", host).textContent = details;
  find(".cancel span", host).textContent = job.state === "queued" ? "Leave the queue" : "Stop here";
  find("progress", host).value = job.progress?.done ?? 0;
  drawCurve(find(".curve", host), job.losses);
}

function tell(job) {
  if (job.state === "queued") {
    const wait = job.wait_seconds ? `about ${spellSeconds(job.wait_seconds)}` : "";
    return { headline: "Waiting", details: [spellPlace(job.position ?? 1), wait].filter(Boolean).join(" · ") };
  }
  if (!job.progress) return { headline: "Beginning", details: "Looking at the pictures" };
  const { done, step, steps, scale, scales, loss, seconds_left: left } = job.progress;
  const details = [
    left === null || left === undefined ? null : `about ${spellSeconds(left)} left`,
    scales > 1 ? `size ${scale + 1} of ${scales}` : null,
    steps ? `step ${step} of ${steps}` : null,
    loss ? `loss ${spellLoss(loss)}` : null,
  ];
  return { headline: `${Math.floor(done * 100)} %`, details: details.filter(Boolean).join(" · ") };
}

// The tab's title goes along; those who listen hear each state once.
function rename(job) {
  const done = job?.state === "running" && job.progress ? `${Math.floor(job.progress.done * 100)} % · ` : "";
  document.title = `${done}impasto studio`;
  const words = job ? `${nameStyles(job.styles)}: ${job.state}` : "";
  if (words !== spoken) find("#spoken").textContent = words;
  spoken = words;
}
