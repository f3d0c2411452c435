// Two pictures of one size, one over the other, with a line between them that can be moved.
import { find, paintVars } from "./dom.js";

const viewer = () => find("#viewer");
const hang = () => find("#hang");
const shown = { before: null, after: null };
let wanted = { before: null, after: null };

/**
 * Show pictures: addresses or null. A new one appears only when it is decoded, without a flicker.
 */
export function showPictures({ before, after, width, height, fresh }) {
  paintVars(hang(), { ratio: (width / height).toFixed(4), natural: `${width / devicePixelRatio}px` });
  if (fresh) shown.before = shown.after = null;
  wanted = { before, after };
  place("before", before, fresh);
  place("after", after, fresh);
  hang().dataset.both = String(Boolean(before && after));
}

async function place(side, url, fresh) {
  const image = find(`.${side}`, hang());
  if (shown[side] === url && url) return;
  if (!url || fresh) image.removeAttribute("src");
  image.hidden = !url;
  shown[side] = url;
  if (!url) return;
  const next = new Image();
  next.src = url;
  await next.decode().catch(() => null);
  // A newer one may have been asked for meanwhile.
  if (wanted[side] === url && next.naturalWidth) image.src = url;
}

/** Describe both for those who do not see them. */
export function describePictures(before, after) {
  find(".before", hang()).alt = before;
  find(".after", hang()).alt = after;
}

/** Compare from now on, or show the upper picture alone. */
export function compare(on) {
  hang().dataset.compare = String(on);
  moveSplit(on ? 50 : 0);
}

/** Put the line at a part of the width in per cent; left of it is the photograph. */
export function moveSplit(percent) {
  const split = find(".split", hang());
  split.value = percent;
  split.setAttribute("aria-valuetext", `${split.value} % photograph`);
  paintVars(hang(), { split: `${split.value}%` });
}

/** Fit the picture into the easel, or show each of its pixels. */
export function zoom(on) {
  viewer().dataset.zoom = on ? "full" : "fit";
  if (!on) return;
  const { scrollWidth, clientWidth, scrollHeight, clientHeight } = viewer();
  viewer().scrollTo((scrollWidth - clientWidth) / 2, (scrollHeight - clientHeight) / 2);
}

/** A line of words in the corner of the picture, or none. */
export function writeCorner(text) {
  const corner = find(".corner", hang());
  corner.hidden = !text;
  corner.textContent = text ?? "";
}

/** Let the line be moved by mouse, finger and keyboard, and a large picture be dragged. */
export function listenToViewer() {
  find(".split", hang()).addEventListener("input", (event) => moveSplit(event.target.value));
  hang().addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || hang().dataset.brushing === "true") return;
    const grip = event.target.closest(".divider");
    const compared = hang().dataset.compare === "true" && hang().dataset.both === "true";
    if (compared && (grip || viewer().dataset.zoom === "fit")) drag(event, slide);
    else if (viewer().dataset.zoom === "full" && event.pointerType === "mouse") drag(event, makePan(event));
  });
}

function drag(event, move) {
  event.preventDefault();
  hang().setPointerCapture(event.pointerId);
  const stop = new AbortController();
  hang().addEventListener("pointermove", move, { signal: stop.signal });
  for (const end of ["pointerup", "pointercancel"]) {
    hang().addEventListener(end, () => stop.abort(), { signal: stop.signal });
  }
  move(event);
  find(".split", hang()).focus({ preventScroll: true });
}

function slide(event) {
  const { left, width } = hang().getBoundingClientRect();
  moveSplit(Math.min(100, Math.max(0, ((event.clientX - left) / width) * 100)));
}

function makePan(start) {
  const { scrollLeft, scrollTop } = viewer();
  return (event) => viewer().scrollTo(
    scrollLeft + start.clientX - event.clientX, scrollTop + start.clientY - event.clientY);
}
