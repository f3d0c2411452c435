// What can be done with a job: begin it, stop it, do it again, take its settings, delete it.
import { cancelJob, removeJob, repeatJob, startJob } from "./api.js";
import { button, find, make } from "./dom.js";
import { collectMasks } from "./masks.js";
import { listShares } from "./mix.js";
import { change, dropJob, findNetwork, findPhoto, findStyle, now, putJob } from "./store.js";
import { attempt, say } from "./toasts.js";
import { describeJob, nameStyles, spellName, spellValue } from "./words.js";

const MOST_SEED = 2 ** 31;

/** Begin what the draft describes, and show it. */
export async function begin() {
  change({ busy: true });
  const job = await attempt(async () => startJob(await describeDraft(now())));
  change({ busy: false });
  if (job) showNew(job);
}

async function describeDraft(state) {
  const { kind, photo, picks, settings } = state;
  const textured = kind === "texture";
  const shares = listShares(picks);
  const masks = textured ? { masks: [], protect: null } : await collectMasks(picks);
  const mixed = shares && masks.masks.length === 0 ? { style_shares: shares } : {};
  return {
    kind, photo: textured ? null : photo, styles: picks.map((pick) => pick.id), ...masks,
    settings: { ...settings[kind], ...mixed },
    network: kind === "fast" ? (findNetwork()?.name ?? null) : null,
  };
}

function showNew(job) {
  putJob(job);
  change({ showing: job.id, brushing: false });
  if (matchMedia("(max-width: 60rem)").matches) find("#atelier").scrollIntoView({ block: "start" });
}

/** Stop a job; the picture so far is its result. */
export async function stopJob(job) {
  const stopped = job && (await attempt(() => cancelJob(job.id)));
  if (stopped) putJob(stopped);
}

/** Paint once more; what was finished, with another seed. */
export async function repeat(job) {
  const seed = Math.floor(Math.random() * MOST_SEED);
  const again = await attempt(() => repeatJob(job.id, job.state === "done" ? { seed } : {}));
  if (again) showNew(again);
}

/** Make a job's photograph, styles and settings the draft. */
export function useSettings(job) {
  const { style_shares: shares, ...settings } = job.settings;
  const picks = job.styles.map((id, index) => ({ id: findHung(id), share: shares?.[index] ?? 1 }))
    .filter(({ id }) => findStyle(id) || id.startsWith("network:"));
  const masks = job.masks.filter(({ picture }) => picture).map(({ picture, style }) => [job.styles[style], picture]);
  const regions = Object.fromEntries(job.protect ? [...masks, ["protect", job.protect]] : masks);
  const photo = findPhoto(job.photo) ? job.photo : now().photo;
  change({
    kind: job.kind, photo, picks, showing: null, brushing: false, network: job.network ?? now().network,
    settings: { ...now().settings, [job.kind]: settings }, regions: photo === job.photo ? regions : {},
  });
  say("Its photograph, styles and settings are on the easel.");
}

// A style that a network holds hangs on the wall if the gallery has it.
function findHung(id) {
  const ours = id.replace(/^network:/, "gallery:");
  return findStyle(ours) ? ours : id;
}

/** Delete a job for good. */
export async function deleteJob(job) {
  if (await attempt(() => removeJob(job.id))) dropJob(job.id);
}

/** Show all that decided what a work looks like. */
export function describeSettings(job) {
  const dialog = find("#details");
  const rows = Object.entries(job.settings).flatMap(([name, value]) => [
    make("dt", { text: spellName(name) }), make("dd", { text: spellValue(value) }),
  ]);
  const nothing = make("p", { class: "hint", text: "Everything else as it comes." });
  const close = () => dialog.close();
  dialog.replaceChildren(
    make("header", {}, make("h2", { text: nameStyles(job.styles) }), button("clear", "Close", close, { quiet: true, class: "plain" })),
    make("p", { class: "line", text: describeJob(job) }), make("dl", {}, rows), nothing);
  dialog.showModal();
}
