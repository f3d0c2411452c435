// The mask brush: which style goes where, and what is left alone.
import { button, fill, find, make, paintVars } from "./dom.js";
import { addFound, openStrokes, PROTECT, touchStrokes } from "./masks.js";
import { change, now, watch } from "./store.js";
import { attempt } from "./toasts.js";
import { nameStyle, spellName } from "./words.js";

// Pigments: ultramarine, vermilion, viridian, ochre, violet, rose; protected is white.
const PIGMENTS = ["#3f5be8", "#e2502f", "#1f9a78", "#d39a1e", "#8c4fc4", "#d64a86"];
const PAPER = "#ffffff";
const STEP = 0.02;
const SMALLEST = 0.01; // of the long side
const LARGEST = 0.3;
// They depend on other masks, or need a number.
const UNFOUND = new Set(["rest", "cluster"]);
const brush = { target: PROTECT, size: 0.08, erase: false, x: 0.5, y: 0.5, down: false, keys: false };
let strokes = null;

/** Offer the brush beside the photograph, and listen to hand and keys. */
export function offerBrush() {
  watch(["brushing", "picks", "styles", "photo", "kind", "regions", "showing"], render);
  const canvas = find(".tint");
  canvas.addEventListener("pointerdown", press);
  canvas.addEventListener("pointermove", move);
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, lift);
  canvas.addEventListener("keydown", useKeys);
}

function render(state) {
  const possible = Boolean(state.photo) && state.kind !== "texture";
  if (state.brushing && (!possible || state.showing)) return change({ brushing: false });
  renderDoor(state, possible);
  find("#brushes").hidden = !state.brushing;
  find(".tint").hidden = !state.brushing;
  find("#hang").dataset.brushing = String(state.brushing);
  return state.brushing ? open(state) : null;
}

function renderDoor({ regions, brushing }, possible) {
  const names = Object.keys(regions);
  const label = names.length ? `Regions · ${names.length}` : "Regions";
  const door = button("brush", label, () => change({ brushing: !now().brushing, showing: null }), {
    class: "plain", "aria-pressed": brushing, title: "Say with a brush which style goes where, and what is left alone", data: { key: "regions" },
  });
  fill(find("#regions-door"), possible ? [door] : []);
}

async function open({ picks }) {
  const targets = [...picks.map((pick) => pick.id), PROTECT];
  if (!targets.includes(brush.target) || (brush.target === PROTECT && !strokes)) brush.target = targets[0];
  strokes = await openStrokes();
  renderBar(targets);
  tint();
}

function renderBar(targets) {
  const chips = targets.map((target, index) => make("button", {
    type: "button", class: "chip", "aria-pressed": target === brush.target, data: { key: target },
    vars: { pigment: pigment(target, index) }, text: target === PROTECT ? "Leave alone" : nameStyle(target),
    on: { click: () => { brush.target = target; brush.erase = false; renderBar(targets); } },
  }));
  const size = make("input", {
    type: "range", min: SMALLEST, max: LARGEST, step: 0.005, value: brush.size, "aria-label": "Size of the brush",
    data: { key: "size" }, on: { input: (event) => { brush.size = Number(event.target.value); showSize(); } },
  });
  const quiet = { quiet: true, class: "plain" };
  const eraser = button("eraser", "Eraser", () => { brush.erase = !brush.erase; renderBar(targets); },
    { ...quiet, "aria-pressed": brush.erase, data: { key: "eraser" } });
  const undo = button("undo", "Undo", takeBack, { ...quiet, data: { key: "undo" } });
  const clear = button("delete", "Clear all regions", clearAll, { ...quiet, data: { key: "clear" } });
  const done = button("check", "Done", leave, { class: "primary", data: { key: "done" } });
  fill(find("#brushes"), make("span", { class: "chips" }, chips),
    make("label", { class: "size" }, make("span", { class: "dot" }), size), renderFinder(), eraser, undo, clear, done);
  showSize();
}

// What the server can find by itself: it is added to the region in hand.
function renderFinder() {
  const names = (now().options?.masks ?? []).filter((mask) => mask.ready && !UNFOUND.has(mask.name));
  if (names.length === 0) return null;
  const choices = names.map(({ name, help }) => make("option", { value: name, title: help, text: spellName(name) }));
  return make("select", { class: "finder", "aria-label": "Find in the photograph", data: { key: "finder" },
    on: { change: (event) => addNamed(event.target) } }, [make("option", { value: "", text: "Find" }), ...choices]);
}

async function addNamed(select) {
  select.disabled = true;
  await attempt(() => addFound(brush.target, select.value));
  select.disabled = false;
  select.value = "";
  tint();
}

function leave() {
  change({ brushing: false });
  find("[data-key=regions]").focus();
}

function showSize() {
  paintVars(find("#brushes .dot"), { dot: brush.size });
  paintVars(find("#brushes .size input"), { filled: `${((brush.size - SMALLEST) / (LARGEST - SMALLEST)) * 100}%` });
}

const pigment = (target, index) => (target === PROTECT ? PAPER : PIGMENTS[index % PIGMENTS.length]);

function tintNow() {
  brush.waiting = 0;
  tint();
}

// All regions in their pigments, over the photograph.
function tint() {
  const canvas = find(".tint");
  canvas.width = strokes.width;
  canvas.height = strokes.height;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Regions: arrow keys move the brush, space paints, Ctrl+Z takes back");
  const context = canvas.getContext("2d");
  const order = now().picks.map((pick) => pick.id);
  for (const [target, layer] of strokes.layers) {
    context.drawImage(dye(layer, pigment(target, Math.max(0, order.indexOf(target)))), 0, 0);
  }
  if (brush.keys) drawCursor(context, canvas);
}

function dye(layer, color) {
  const copy = strokes.makeCanvas();
  const context = copy.getContext("2d");
  context.drawImage(layer, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = color;
  context.fillRect(0, 0, copy.width, copy.height);
  return copy;
}

function drawCursor(context, { width, height }) {
  for (const [color, line] of [["#000", 4], ["#fff", 2]]) {
    context.strokeStyle = color;
    context.lineWidth = line;
    context.beginPath();
    context.arc(brush.x * width, brush.y * height, (brush.size * Math.max(width, height)) / 2, 0, 7);
    context.stroke();
  }
}

function press(event) {
  if (event.button !== 0) return;
  event.target.setPointerCapture(event.pointerId);
  [brush.down, brush.keys] = [true, false];
  strokes.begin(brush.target, brush.size, brush.erase, locate(event));
  tint();
}

function move(event) {
  if (!brush.down) return;
  strokes.extend(locate(event));
  if (!brush.waiting) brush.waiting = requestAnimationFrame(tintNow);
}

function lift() {
  if (!brush.down) return;
  brush.down = false;
  touchStrokes();
}

function locate(event) {
  const { left, top, width, height } = event.target.getBoundingClientRect();
  [brush.x, brush.y] = [(event.clientX - left) / width, (event.clientY - top) / height];
  return [brush.x, brush.y];
}

function useKeys(event) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const sizes = { "[": 1 / 1.2, "]": 1.2 };
  const [x, y] = moves[event.key] ?? [0, 0];
  if (x || y) [brush.x, brush.y] = [clamp(brush.x + x * STEP), clamp(brush.y + y * STEP)];
  else if (sizes[event.key]) brush.size = Math.min(LARGEST, Math.max(SMALLEST, brush.size * sizes[event.key]));
  else if (event.key === " ") dab();
  else if (event.key === "z" && (event.ctrlKey || event.metaKey)) takeBack();
  else if (event.key === "Escape") change({ brushing: false });
  else return;
  event.preventDefault();
  brush.keys = true;
  if (now().brushing) tint();
}

const clamp = (part) => Math.min(1, Math.max(0, part));

function dab() {
  strokes.begin(brush.target, brush.size, brush.erase, [brush.x, brush.y]);
  touchStrokes();
}

function takeBack() {
  if (strokes.undo()) touchStrokes();
  tint();
}

function clearAll() {
  strokes.clear();
  touchStrokes();
  tint();
}
