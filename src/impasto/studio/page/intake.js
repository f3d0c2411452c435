// How pictures come in: dropped, pasted, or picked from a folder.
import { listStyles, sendPicture } from "./api.js";
import { find, make } from "./dom.js";
import { change, now, togglePick } from "./store.js";
import { attempt, say } from "./toasts.js";

const MEGABYTE = 1e6;

/** Listen for pictures everywhere on the page. */
export function listenForPictures() {
  for (const door of document.querySelectorAll("[data-pick]")) {
    door.addEventListener("click", () => pick(door.dataset.pick));
  }
  document.addEventListener("paste", paste);
  listenForDrops();
}

/** Ask for files, and take them as photographs or styles. */
export function pick(role) {
  const input = make("input", { type: "file", accept: "image/*,.tif,.tiff", multiple: true, hidden: true });
  input.addEventListener("change", () => { takeAll(input.files, role); input.remove(); });
  input.addEventListener("cancel", () => input.remove());
  document.body.append(input);
  input.click();
}

function paste(event) {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length === 0) return;
  event.preventDefault();
  const inManner = find("#manner").contains(document.activeElement);
  takeAll(files, inManner ? "style" : "photo");
}

function listenForDrops() {
  const veil = find("#dropping");
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const lift = () => { veil.hidden = true; };
  window.addEventListener("dragenter", (event) => { if (hasFiles(event)) veil.hidden = false; });
  window.addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  window.addEventListener("dragleave", (event) => { if (!event.relatedTarget) lift(); });
  window.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    lift();
    takeAll(event.dataTransfer.files, event.target.closest?.("[data-drop]")?.dataset.drop ?? "photo");
  });
}

async function takeAll(files, role) {
  for (const file of files) await take(file, role, file.name || "pasted");
}

/** Send one picture, and put it to use. */
export async function take(file, role, name) {
  const limit = now().options?.limits.bytes;
  if (limit && file.size > limit) {
    const size = (file.size / MEGABYTE).toFixed(0);
    say(`${name} has ${size} MB; at most ${(limit / MEGABYTE).toFixed(0)} MB are taken.`, "error");
    return null;
  }
  change({ busy: true });
  const picture = await attempt(() => sendPicture(file, role, name));
  change({ busy: false });
  if (picture) await (role === "style" ? useStyle(picture) : usePhoto(picture));
  return picture;
}

function usePhoto(picture) {
  change({ photos: [picture, ...now().photos], photo: picture.id, regions: {}, showing: null, brushing: false });
}

async function useStyle(picture) {
  const styles = await attempt(listStyles);
  if (styles) change({ styles });
  togglePick(picture.id);
}
