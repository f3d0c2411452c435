// Two pictures of one size, one over the other, with a line between them that can be moved.
import { find, paintVars } from "./dom.js";

const viewer = () => find("#viewer");
const hang = () => find("#hang");
// `turn` counts how often a side was cleared: what was asked for before that is not shown any more.
const slots = { before: { turn: 0 }, after: { turn: 0 } };

/**
 * Show pictures: addresses or null. A new one appears only when it is decoded, without a flicker.
 */
export function showPictures({ before, after, width, height, fresh }) {
  paintVars(hang(), { ratio: (width / height).toFixed(4), natural: `${width / devicePixelRatio}px` });
  place("before", before, fresh);
  place("after", after, fresh);
  hang().dataset.both = String(Boolean(before && after));
}

async function place(side, url, fresh) {
  const slot = slots[side];
  if (slot.wanted === url && !fresh) return;
  slot.wanted = url;
  const image = find(`.${side}`, hang());
  image.hidden = !url;
  if (!url || fresh) clear(slot, image);
  if (url && !slot.busy) await load(slot, image);
}

function clear(slot, image) {
  image.removeAttribute("src");
  slot.turn += 1;
  slot.loaded = null;
}

// One at a time: where previews come faster than they are decoded, those between are left out.
async function load(slot, image) {
  slot.busy = true;
  while (slot.wanted && slot.wanted !== slot.loaded) {
    const { turn, wanted } = slot;
    const decoded = await decode(wanted);
    if (turn !== slot.turn) continue;
    slot.loaded = wanted;
    if (decoded) image.src = wanted;
  }
  slot.busy = false;
}

function decode(url) {
  const picture = new Image();
  picture.src = url;
  return picture.decode().then(() => true, () => false);
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
