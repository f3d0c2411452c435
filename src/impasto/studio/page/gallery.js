// The wall of styles: ours, and those that were brought. Several can be chosen.
import { listStyles, removePicture, styleSources } from "./api.js";
import { cautious, fill, find, icon, make } from "./dom.js";
import { pick } from "./intake.js";
import { change, findNetwork, findStyle, now, togglePick, watch } from "./store.js";
import { attempt } from "./toasts.js";
import { nameStyle, nameStyles, spellName } from "./words.js";

// How wide pictures hang, for the choice of a copy.
const WALL = "(max-width: 30rem) 50vw, 22vw";
const STACK = "(max-width: 30rem) 40vw, 18rem";
// What leans against the wall before a choice is made.
const LEANING = ["gallery:swirling-night", "gallery:woodblock-wave", "gallery:impressionist-garden"];

/** Hang the pictures. */
export function showGallery() {
  watch(["styles", "picks", "network", "kind", "options"], (state) => {
    lean(state);
    const hung = listHung(state);
    fill(find("#wall"), hung.map(renderStyle), hung === state.styles ? renderDoor() : null);
    dropUnknown(state, hung);
    caption(null);
  });
  for (const event of ["pointerover", "focusin", "pointerleave", "focusout"]) {
    find("#wall").addEventListener(event, ({ target }) => caption(target.closest?.(".framed")));
  }
}

// What a network does not hold cannot be chosen any more.
function dropUnknown({ picks, options }, hung) {
  const kept = picks.filter((pick) => hung.some((style) => style.id === pick.id));
  if (options && hung.length && kept.length < picks.length) change({ picks: kept });
}

// In the small grid names would hide the pictures; they are told below it.
function caption(framed) {
  const ids = framed ? [framed.dataset.key] : now().picks.map((pick) => pick.id);
  const style = ids.length === 1 ? findStyle(ids[0]) : null;
  const title = style && !style.own ? [make("span", { text: ` · ${style.title}` })] : [];
  find("#caption").replaceChildren(nameStyles(ids), ...title);
}

/** The styles that can be chosen: a network that holds styles knows no others. */
function listHung({ styles, kind }) {
  const network = kind === "fast" ? findNetwork() : null;
  if (!network?.holds_styles) return styles;
  return network.styles.map((name) => findStyle(`gallery:${name}`) ?? { id: `network:${name}`, name, title: name, bare: true });
}

function renderStyle(style) {
  const place = now().picks.findIndex((pick) => pick.id === style.id);
  const name = style.bare ? spellName(style.name) : nameStyle(style.id);
  const ratio = style.bare ? 1 : style.width / style.height;
  const picture = style.bare
    ? make("span", { class: "bare", "aria-hidden": "true", text: name.charAt(0) })
    : make("img", { ...styleSources(style.id, WALL), alt: "", loading: "lazy", width: style.width, height: style.height });
  const choose = make("button", {
    type: "button", class: "framed", "aria-pressed": place >= 0, title: style.own ? style.name : style.title,
    data: { key: style.id }, on: { click: () => togglePick(style.id) },
  }, picture, make("span", { class: "name", text: name }), make("span", { class: "tick" }, icon("check")));
  const remove = style.own
    ? cautious("clear", `Delete ${name}`, "Delete?", () => removeStyle(style.id), { quiet: true, class: "remove" })
    : null;
  return make("li", { vars: { ratio: ratio.toFixed(3) } }, choose, remove);
}

// The last place on the wall is free, and as wide as the row leaves it.
function renderDoor() {
  const open = make("button", { type: "button", data: { key: "own" }, on: { click: () => pick("style") } },
    icon("plus"), make("span", { text: "Hang one of your own" }));
  return make("li", { class: "free" }, open);
}

async function removeStyle(id) {
  if (!(await attempt(() => removePicture(id)))) return;
  change({ picks: now().picks.filter((pick) => pick.id !== id) });
  const styles = await attempt(listStyles);
  if (styles) change({ styles });
}

// Behind the empty canvas lean three pictures; those that were chosen come to the front.
function lean({ styles, picks }) {
  const chosen = picks.map((pick) => pick.id).filter((id) => findStyle(id)).reverse();
  const order = [...new Set([...chosen, ...LEANING])].filter((id) => styles.some((style) => style.id === id));
  document.querySelectorAll(".leaning").forEach((place, index) => {
    const id = order[index];
    if (!id || place.dataset.style === id) return;
    place.dataset.style = id;
    const { width, height } = findStyle(id);
    place.replaceChildren(make("img", { ...styleSources(id, STACK), alt: "", width, height }));
  });
}
