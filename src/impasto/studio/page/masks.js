// Regions of the photograph on the easel, kept on the server as masks so that a reload finds them.
import { pictureUrl, removePicture, searchPicture, sendPicture } from "./api.js";
import { later } from "./dom.js";
import { change, findPhoto, now } from "./store.js";
import { Strokes } from "./strokes.js";
import { sayError } from "./toasts.js";

export const PROTECT = "protect";
const QUIET = 700; // milliseconds after a stroke until it is sent
let strokes = null;
let drawnOn = null;
let loaded = {};
let saving = Promise.resolve();
let dirty = false;

/** The regions of the photograph on the easel; those that the server keeps are read first. */
export async function openStrokes() {
  const { photo, regions } = now();
  if (drawnOn === photo && loaded === regions && strokes) return strokes;
  const { width, height } = findPhoto(photo);
  const opened = new Strokes(width, height);
  await Promise.all(Object.entries(regions).map(([target, id]) => readBase(opened, target, id)));
  [strokes, drawnOn, loaded, dirty] = [opened, photo, regions, false];
  return opened;
}

async function readBase(opened, target, id) {
  const picture = new Image();
  picture.src = pictureUrl(id);
  // A mask that is gone costs only itself.
  if (await picture.decode().then(() => true, () => false)) opened.setBase(target, picture);
}

/** Add to a region what the server finds in the photograph, such as the sky. */
export async function addFound(target, name) {
  const { photo } = now();
  const found = await searchPicture(photo, name);
  const opened = await openStrokes();
  if (now().photo === photo) await readBase(opened, target, found.id);
  removePicture(found.id).catch(() => null);
  touchStrokes();
}

/** Tell that something was drawn; it is sent when the hand rests. */
export function touchStrokes() {
  dirty = true;
  saveSoon();
}

const saveSoon = later(QUIET, () => saveMasks().catch(sayError));

/** Send what was drawn since the last time; waits for an earlier sending. */
export function saveMasks() {
  saving = saving.catch(() => null).then(save);
  return saving;
}

async function save() {
  if (!dirty || drawnOn !== now().photo) return;
  dirty = false;
  const old = Object.values(now().regions);
  const regions = {};
  for (const target of strokes.layers.keys()) {
    if (!strokes.isEmpty(target)) regions[target] = await send(await strokes.write([target]), target);
  }
  loaded = regions;
  change({ regions });
  for (const id of old) if (!isUsed(id)) removePicture(id).catch(() => null);
}

const isUsed = (id) =>
  now().jobs.some((job) => job.protect === id || job.masks.some((mask) => mask.picture === id));

async function send(blob, target) {
  return (await sendPicture(blob, "mask", target === PROTECT ? "protected" : "region")).id;
}

/**
 * The masks of a job: one for each style, as soon as one has a region. Styles without one paint
 * what the others leave; a single style only its region.
 */
export async function collectMasks(picks) {
  await saveMasks();
  const { regions } = now();
  const protect = regions[PROTECT] ?? null;
  const drawn = picks.filter((pick) => regions[pick.id]);
  if (drawn.length === 0) return { masks: [], protect };
  const rest = drawn.length < picks.length ? await sendRest(drawn.map((pick) => pick.id)) : null;
  const masks = picks.map((pick, style) => ({ picture: regions[pick.id] ?? rest, style }));
  return { masks, protect };
}

async function sendRest(targets) {
  const opened = await openStrokes();
  return send(await opened.write(targets, true), "rest");
}
