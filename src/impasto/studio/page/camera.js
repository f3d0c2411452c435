// A photograph taken here and now.
import { button, find, make } from "./dom.js";
import { take } from "./intake.js";
import { say } from "./toasts.js";

const WANTED = { video: { width: { ideal: 1920 }, facingMode: "environment" }, audio: false };

/** Let the buttons marked with data-camera open it. */
export function offerCamera() {
  const offered = Boolean(navigator.mediaDevices?.getUserMedia);
  for (const door of document.querySelectorAll("[data-camera]")) {
    door.hidden = !offered;
    door.addEventListener("click", openCamera);
  }
}

async function openCamera() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(WANTED);
  } catch (error) {
    const refused = error.name === "NotAllowedError";
    say(refused ? "The browser was not allowed to use the camera." : "No camera was found.", "error");
    return;
  }
  const dialog = find("#camera");
  const video = make("video", { autoplay: true, muted: true, playsInline: true });
  video.srcObject = stream;
  const leave = () => dialog.close();
  const shoot = async () => { const file = await photograph(video); leave(); take(file, "photo", "camera"); };
  const shutter = button(null, "Take the photograph", shoot, { quiet: true, class: "shutter" });
  dialog.replaceChildren(video, make("div", { class: "row" }, button(null, "Not now", leave), shutter));
  dialog.addEventListener("close", () => stop(stream), { once: true });
  dialog.showModal();
  shutter.focus();
}

function photograph(video) {
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.95); });
}

const stop = (stream) => stream.getTracks().forEach((track) => track.stop());
