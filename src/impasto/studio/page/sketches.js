// Sketches by a fast network, while a choice is being made: the newest wins, and is small at first.
import { readSketch } from "./api.js";
import { later } from "./dom.js";
import { listShares } from "./mix.js";
import { change, findNetwork, now, watch } from "./store.js";

const PAUSE = 120; // milliseconds
const REST = 500; // milliseconds until the newest one is drawn sharper
const SIZES = [256, 512];
const MOST_STRENGTH = 2;
const INPUTS = ["photo", "picks", "settings", "network", "kind", "sketching", "options"];
let running = null;
let drawn = "";

/** Sketch after every change of what a sketch depends on. */
export function offerSketches() {
  watch([...INPUTS, "showing"], () => { if (!now().showing) sketchSoon(); });
}

const sketchSoon = later(PAUSE, sketch);

async function sketch() {
  const request = describe(now());
  const key = JSON.stringify(request);
  if (key === drawn) return;
  running?.abort();
  drawn = key;
  if (!request) replace(null);
  else if (await draw(request, SIZES[0])) sharpenSoon(key);
}

const sharpenSoon = later(REST, async (key) => {
  if (key === drawn && !now().showing) await draw(JSON.parse(key), SIZES[1], true);
});

// Whether it came. One that was overtaken is no matter; without a first one the photograph is left.
async function draw(request, size, sharper = false) {
  const { signal } = (running = new AbortController());
  try {
    const blob = await readSketch({ ...request, size }, signal);
    if (!signal.aborted) replace(blob, request.network);
    return !signal.aborted;
  } catch (error) {
    if (error.name === "AbortError" || error.status === 409 || signal.aborted || sharper) return false;
    drawn = "";
    replace(null);
    return false;
  }
}

function replace(blob, network) {
  const old = now().sketch?.url;
  const sketch = blob ? { url: URL.createObjectURL(blob), label: network ? `Sketch by ${network}` : "Sketch" } : null;
  change({ sketch });
  // The old one may be on the easel until the new one is decoded.
  if (old) setTimeout(() => URL.revokeObjectURL(old), 2000);
}

function describe({ photo, picks, settings, kind, sketching, options }) {
  const network = findSketcher(options, kind, picks);
  if (!sketching || !photo || picks.length === 0 || kind === "texture" || !network) return null;
  const strength = Math.min(MOST_STRENGTH, settings[kind].strength ?? 1);
  return { photo, styles: picks.map((pick) => pick.id), shares: listShares(picks), network: network.name, strength };
}

// The chosen network for a fast painting; else one that holds these very styles, or takes any.
function findSketcher(options, kind, picks) {
  const networks = options?.networks ?? [];
  const holds = (network) =>
    network.holds_styles && picks.every(({ id }) => network.styles.includes(id.replace(/^gallery:/, "")));
  const fitting = networks.find(holds) ?? networks.find((network) => !network.holds_styles) ?? null;
  return kind === "fast" ? (findNetwork() ?? fitting) : fitting;
}
