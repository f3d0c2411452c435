// All that the page knows, in one place. Parts of the page watch the names they show.

const DRAFT = "impasto.draft";
const REMEMBERED = ["kind", "photo", "picks", "settings", "network", "regions", "showing"];

/** State: what the server has, what is being composed, and what the easel shows. */
const state = {
  options: null,
  styles: [],
  photos: [],
  jobs: [],
  older: false,
  // The draft.
  kind: "paint",
  photo: null, // id of a picture
  picks: [], // [{id, share}]
  settings: { paint: {}, fast: {}, texture: {} },
  network: null,
  regions: {}, // style id or "protect" -> id of a mask
  // The page.
  showing: null, // id of a job, or null for the draft
  brushing: false,
  sketch: null, // {url, label}
  sketching: true,
  connected: true,
  busy: false,
};

const watchers = [];
let changed = new Set();

/** What is known now; change it only by `change`. */
export const now = () => state;

/** Call `action(state)` after any of `names` has changed; once for many changes at a time. */
export function watch(names, action) {
  watchers.push({ names: new Set(names), action });
}

/** Change some of the state, and tell those who watch, before the next frame. */
export function change(values) {
  for (const [name, value] of Object.entries(values)) {
    if (state[name] === value) continue;
    state[name] = value;
    if (changed.size === 0) queueMicrotask(tell);
    changed.add(name);
  }
}

function tell() {
  const names = changed;
  changed = new Set();
  if (REMEMBERED.some((name) => names.has(name))) remember();
  for (const watcher of watchers) {
    if ([...names].some((name) => watcher.names.has(name))) watcher.action(state);
  }
}

function remember() {
  const draft = Object.fromEntries(REMEMBERED.map((name) => [name, state[name]]));
  try {
    localStorage.setItem(DRAFT, JSON.stringify(draft));
  } catch {
    // A full or forbidden storage costs only the draft.
  }
}

/** The draft of an earlier visit, or nothing. */
export function recall() {
  try {
    return JSON.parse(localStorage.getItem(DRAFT)) ?? {};
  } catch {
    return {};
  }
}

export const isFinal = (job) => ["done", "cancelled", "failed"].includes(job.state);
export const findJob = (id) => state.jobs.find((job) => job.id === id) ?? null;
export const shownJob = () => (state.showing ? findJob(state.showing) : null);
export const findStyle = (id) => state.styles.find((style) => style.id === id) ?? null;
export const findPhoto = (id) => state.photos.find((photo) => photo.id === id) ?? null;
export const findNetwork = () =>
  state.options?.networks.find((network) => network.name === state.network) ?? null;

/** Put a job in its place: newest first, known ones renewed. */
export function putJob(job) {
  const known = state.jobs.some((one) => one.id === job.id);
  const jobs = known
    ? state.jobs.map((one) => (one.id === job.id ? job : one))
    : [job, ...state.jobs];
  change({ jobs });
}

/** Forget a job that is gone. */
export function dropJob(id) {
  change({ jobs: state.jobs.filter((job) => job.id !== id) });
  if (state.showing === id) change({ showing: null });
}

/** Choose a style, or let it go. */
export function togglePick(id) {
  const chosen = state.picks.some((pick) => pick.id === id);
  const rest = state.picks.filter((pick) => pick.id !== id);
  change({ picks: chosen ? rest : [...state.picks, { id, share: 1 }], showing: null });
}

/** Change one setting of the draft; undefined gives the default back. */
export function changeSetting(name, value) {
  const { [name]: _, ...rest } = state.settings[state.kind];
  const kept = value === undefined ? rest : { ...rest, [name]: value };
  change({ settings: { ...state.settings, [state.kind]: kept }, showing: null });
}
