// The studio's page: each part watches what it shows; here they are brought together and begun.
import { listJobs, listPictures, listStyles, readHealth, readOptions } from "./api.js";
import { offerBrush } from "./brush.js";
import { offerCamera } from "./camera.js";
import { loseConnection, onReturn, showConnection } from "./connection.js";
import { find } from "./dom.js";
import { showEasel } from "./easel.js";
import { followJobs } from "./events.js";
import { showForm } from "./form.js";
import { showGallery } from "./gallery.js";
import { showGo } from "./go.js";
import { listenForPictures } from "./intake.js";
import { showMix } from "./mix.js";
import { showPhotos } from "./photos.js";
import { offerSketches } from "./sketches.js";
import { change, isFinal, now, recall } from "./store.js";
import { offerTheme } from "./theme.js";
import { sayError } from "./toasts.js";
import { toggleCompare, toggleZoom } from "./tools.js";
import { listenToViewer } from "./viewer.js";
import { showWorks } from "./works.js";

const PAGE = 50;

function open() {
  offerTheme();
  for (const show of [showConnection, showGallery, showMix, showPhotos, showForm, showEasel, showWorks, showGo]) show();
  for (const offer of [listenForPictures, offerCamera, offerBrush, offerSketches, listenToViewer]) offer();
  listenToKeys();
  find("#texture-only").addEventListener("click", () => change({ kind: "texture" }));
  // A token in the address has done its work; it should not stay in the history.
  if (location.search) history.replaceState(null, "", location.pathname);
  load();
}

async function load() {
  try {
    const [options, styles, photos, jobs, health] = await Promise.all(
      [readOptions(), listStyles(), listPictures("photo"), listJobs(null, PAGE), readHealth()]);
    change({ options, styles, photos, jobs, older: jobs.length === PAGE });
    change(restore(now(), recall()));
    nameHouse(health);
    followJobs();
  } catch (error) {
    sayError(error);
    if (error.status) return;
    onReturn(() => location.reload());
    loseConnection();
  }
}

// Where it paints is known as soon as somebody does; until then there is only the version.
async function nameHouse({ version, device, ready }) {
  find("#house").textContent = ready ? `${version} · ${device}` : version;
  if (ready) return;
  await new Promise((go) => setTimeout(go, 2000));
  readHealth().then(nameHouse, () => null);
}

// The draft of an earlier visit as far as the server still knows it; else what was painted last.
function restore({ options, styles, photos, jobs, settings }, draft) {
  const last = jobs[0] ?? {};
  const known = (id) => styles.some((style) => style.id === id);
  const seen = (id) => photos.some((photo) => photo.id === id);
  const picks = draft.picks ?? (last.styles ?? []).map((id) => ({ id, share: 1 }));
  const active = jobs.find((job) => !isFinal(job)) ?? null;
  const showing = "showing" in draft ? draft.showing : (active?.id ?? null);
  const photo = [draft.photo, last.photo, photos[0]?.id].find((id) => id && seen(id)) ?? null;
  const names = options.networks.map((network) => network.name);
  return {
    kind: options.kinds[draft.kind] ? draft.kind : (last.kind ?? "paint"),
    photo,
    picks: picks.filter((pick) => known(pick.id) || names.length > 0 && draft.kind === "fast"),
    settings: { ...settings, ...(draft.settings ?? (last.kind ? { [last.kind]: last.settings } : {})) },
    network: names.includes(draft.network) ? draft.network : null,
    regions: photo === draft.photo ? (draft.regions ?? {}) : {},
    showing: jobs.some((job) => job.id === showing) ? showing : null,
  };
}

// Single keys work where nobody is typing.
function listenToKeys() {
  const actions = { c: toggleCompare, z: toggleZoom, n: () => change({ showing: null }), Escape: () => change({ brushing: false }) };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, dialog, canvas");
    if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey) actions[event.key]?.();
  });
}

open();
