// Whether the studio answers; when it does again, everything is read afresh.
import { readHealth } from "./api.js";
import { find } from "./dom.js";
import { change, now, watch } from "./store.js";

const FIRST = 800; // milliseconds
const LONGEST = 6000;
const returned = [];

/** Call `action` each time the connection is back. */
export const onReturn = (action) => returned.push(action);

/** Tell that something did not answer; asks again until it does. */
export function loseConnection() {
  if (!now().connected) return;
  change({ connected: false });
  setTimeout(knock, FIRST, FIRST);
}

async function knock(pause) {
  try {
    await readHealth();
  } catch {
    setTimeout(knock, pause, Math.min(pause * 1.5, LONGEST));
    return;
  }
  change({ connected: true });
  for (const action of returned) action();
}

/** Show the state in the masthead; without a network there is no need to try. */
export function showConnection() {
  watch(["connected"], ({ connected }) => { find("#connection").hidden = connected; });
  window.addEventListener("offline", loseConnection);
}
