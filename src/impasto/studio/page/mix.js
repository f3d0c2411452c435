// The shares of several styles.
import { styleUrl } from "./api.js";
import { button, find, make, paintVars } from "./dom.js";
import { change, findStyle, now, togglePick, watch } from "./store.js";
import { nameStyle } from "./words.js";

/** Show a slider for each style as soon as there are two. */
export function showMix() {
  let shown = "";
  watch(["picks", "styles"], ({ picks }) => {
    const ids = picks.map((pick) => pick.id).join(" ");
    if (ids !== shown) build(picks);
    shown = ids;
    refresh(picks);
  });
}

function build(picks) {
  const host = find("#mix");
  host.hidden = picks.length < 2;
  host.replaceChildren(...(host.hidden ? [] : picks.map(renderPick)));
}

function renderPick({ id, share }) {
  const picture = findStyle(id) ? make("img", { src: styleUrl(id, 256), alt: "" }) : make("span");
  const slider = make("input", {
    type: "range", min: 0, max: 1, step: 0.01, value: share, "aria-label": `Share of ${nameStyle(id)}`,
    on: { input: (event) => setShare(id, Number(event.target.value)) },
  });
  const remove = button("clear", `Without ${nameStyle(id)}`, () => togglePick(id), { quiet: true, class: "plain small" });
  return make("div", { class: "part", data: { style: id } }, picture,
    make("div", { class: "share" }, make("span", { class: "name", text: nameStyle(id) }), make("output"), slider), remove);
}

function setShare(id, share) {
  change({ picks: now().picks.map((pick) => (pick.id === id ? { id, share } : pick)), showing: null });
}

function refresh(picks) {
  const percents = sharePercents(picks);
  for (const part of find("#mix").children) {
    const index = picks.findIndex((pick) => pick.id === part.dataset.style);
    if (index < 0) continue;
    find("output", part).textContent = `${percents[index]} %`;
    paintVars(find("input", part), { filled: `${picks[index].share * 100}%` });
  }
}

/** Shares in whole per cent; all zero means equal. */
function sharePercents(picks) {
  const total = picks.reduce((sum, pick) => sum + pick.share, 0);
  return picks.map((pick) => Math.round((total ? pick.share / total : 1 / picks.length) * 100));
}

/** The shares as the server takes them, or null where there is nothing to share. */
export function listShares(picks) {
  if (picks.length < 2) return null;
  return picks.some((pick) => pick.share > 0) ? picks.map((pick) => pick.share) : null;
}
