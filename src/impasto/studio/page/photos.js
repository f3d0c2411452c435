// The photographs that were brought, newest first; one of them is on the easel.
import { pictureUrl, removePicture } from "./api.js";
import { cautious, fill, find, make } from "./dom.js";
import { change, now, watch } from "./store.js";
import { attempt } from "./toasts.js";

/** Show them, and let one be chosen. */
export function showPhotos() {
  watch(["photos", "photo", "busy"], render);
}

function render({ photos, photo, busy }) {
  const waiting = busy ? [make("li", { class: "waiting", "aria-label": "Being sent" })] : [];
  fill(find("#photos"), waiting, photos.map((one) => renderPhoto(one, one.id === photo)));
}

function renderPhoto(photo, chosen) {
  const picture = make("img", {
    src: pictureUrl(photo.id, 256), alt: "", loading: "lazy", width: photo.width, height: photo.height,
  });
  const choose = make("button", {
    type: "button", class: "thumb", "aria-pressed": chosen, "aria-label": photo.name, title: photo.name,
    data: { key: photo.id }, on: { click: () => choosePhoto(photo.id) },
  }, picture);
  const remove = cautious("clear", `Delete ${photo.name}`, "Delete?", () => removePhoto(photo.id), {
    quiet: true, class: "remove",
  });
  return make("li", {}, choose, remove);
}

/** Put another photograph on the easel; regions belong to the one they were drawn on. */
export function choosePhoto(id) {
  const same = id === now().photo;
  change(same ? { showing: null } : { photo: id, regions: {}, showing: null, brushing: false });
}

async function removePhoto(id) {
  if (!(await attempt(() => removePicture(id)))) return;
  const photos = now().photos.filter((photo) => photo.id !== id);
  change({ photos });
  if (now().photo === id) change({ photo: photos[0]?.id ?? null, regions: {}, brushing: false });
}
