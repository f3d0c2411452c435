// How it is painted: presets first, the painter's settings, and one door to all the others.
import { button, fill, find, make } from "./dom.js";
import { makeField } from "./fields.js";
import { change, changeSetting, now, watch } from "./store.js";
import { spellName } from "./words.js";

const KINDS = { paint: "Paint", fast: "In one pass", texture: "Texture" };
const MEANINGS = {
  paint: "Stroke by stroke, nearest to the style.",
  fast: "A trained network answers at once.",
  texture: "Only the manner, without a photograph.",
};
// These have a place of their own on the page.
const ELSEWHERE = new Set(["preset", "style_shares"]);
// The first things a painter asks for; the rest of what is not expert is behind the door, too.
const AT_HAND = ["size", "width", "height", "strength", "stroke_size", "keep_colors", "network_size", "refine"];
let controls = new Map();

/** Build the form for each kind, and keep it in step with the draft. */
export function showForm() {
  watch(["options", "kind"], build);
  watch(["settings", "kind", "network"], refresh);
}

function build({ options, kind }) {
  if (!options) return;
  controls = new Map();
  renderKinds(options, kind);
  const form = options.kinds[kind];
  const fields = form.groups.flatMap((group) => group.fields).filter((field) => !ELSEWHERE.has(field.name) || !form.presets.length && field.name === "preset");
  const near = AT_HAND.map((name) => fields.find((field) => field.name === name)).filter(Boolean);
  const shown = near.length ? near : fields.slice(0, 4);
  const door = button("settings", "All settings", openDoor, { class: "door", data: { key: "door" } });
  fill(find("#form"), kind === "fast" ? renderNetworks(options.networks) : null, renderPresets(form.presets),
    shown.map(keepField), door);
  buildDoor(form, new Set(shown.map((field) => field.name)));
  refresh(now());
}

function renderKinds({ kinds }, kind) {
  const radios = Object.keys(kinds).map((name) => make("label", {},
    make("input", { type: "radio", name: "kind", value: name, checked: name === kind, data: { key: `kind-${name}` },
      title: MEANINGS[name] ?? "", on: { change: () => change({ kind: name, showing: null, brushing: false }) } }),
    make("span", { text: KINDS[name] ?? spellName(name) })));
  fill(find("#kinds"), make("div", { class: "segments", role: "radiogroup", "aria-label": "Kind" }, radios));
}

function renderNetworks(networks) {
  if (networks.length === 0) return make("p", { class: "hint", text: "No trained network is installed; see impasto weights list." });
  const chosen = now().network ?? "";
  const usual = make("option", { value: "", text: "what suits the styles", selected: chosen === "" });
  const options = networks.map(({ name, kind }) => make("option", { value: name, text: kind && kind !== name ? `${name} (${kind})` : name, selected: name === chosen }));
  return make("div", { class: "field" }, make("div", { class: "head" }, make("label", { class: "label", for: "network", text: "Network" })),
    make("select", { id: "network", on: { change: (event) => change({ network: event.target.value || null, showing: null }) } }, [usual, ...options]));
}

function renderPresets(presets) {
  if (!presets.length) return null;
  const cards = presets.map(({ name, help }) => make("label", { class: "preset" },
    make("input", { type: "radio", name: "preset", value: name, on: { change: () => changeSetting("preset", name) } }),
    make("span", { class: "card" }, make("b", { text: spellName(name) }), make("small", { text: help }))));
  return make("div", { class: "presets", role: "radiogroup", "aria-label": "Preset" }, cards);
}

function keepField(field) {
  const control = makeField(field, (value) => changeSetting(field.name, value));
  controls.set(field.name, control);
  return control.element;
}

function refresh({ settings, kind, options }) {
  if (!options) return;
  const values = settings[kind];
  for (const [name, control] of controls) control.show(values[name]);
  const preset = values.preset ?? findDefault(options.kinds[kind], "preset");
  for (const radio of document.querySelectorAll("input[name=preset]")) radio.checked = radio.value === preset;
  tellChanged(values);
}

function findDefault(form, name) {
  const field = form.groups.flatMap((group) => group.fields).find((one) => one.name === name);
  return field?.default ?? form.presets.find((preset) => preset.name === "standard")?.name ?? form.presets[0]?.name;
}

function tellChanged(values) {
  const changed = Object.keys(values).filter((name) => !ELSEWHERE.has(name) && controls.has(name));
  const label = find("[data-key=door] span");
  if (label) label.textContent = changed.length ? `All settings · ${changed.length} changed` : "All settings";
  const reset = find("#expert .everything");
  if (reset) reset.hidden = Object.keys(values).length === 0;
}

function buildDoor(form, shown) {
  const dialog = find("#expert");
  const groups = form.groups.map((group) => renderGroup(group, shown)).filter(Boolean);
  const search = make("input", { type: "search", placeholder: "Find a setting", "aria-label": "Find a setting",
    on: { input: () => filter(groups, search.value) } });
  const reset = button("undo", "All as they come", () => change({ settings: { ...now().settings, [now().kind]: {} } }), { class: "plain everything" });
  dialog.replaceChildren(
    make("header", {}, make("h2", { id: "h-expert", text: "All settings" }),
      button("clear", "Close", () => dialog.close(), { quiet: true, class: "plain" }), search),
    make("div", { class: "groups" }, groups, make("p", { class: "nothing hint", text: "No setting is called that.", hidden: true })),
    make("footer", {}, reset, button(null, "Done", () => dialog.close(), { class: "primary" })));
}

function renderGroup({ title, expert, fields }, shown) {
  const rest = fields.filter((field) => !ELSEWHERE.has(field.name) && !shown.has(field.name));
  if (rest.length === 0) return null;
  const name = title.replace(/^Expert: /, "");
  return make("details", { class: "group", open: !expert },
    make("summary", {}, make("h3", { text: name.charAt(0).toUpperCase() + name.slice(1) }), make("span", { class: "count", text: rest.length })),
    rest.map(keepField));
}

function filter(groups, text) {
  const word = text.trim().toLowerCase();
  let found = 0;
  for (const group of groups) {
    const fields = [...group.querySelectorAll(".field")];
    for (const field of fields) field.hidden = !field.textContent.toLowerCase().includes(word);
    group.hidden = fields.every((field) => field.hidden);
    found += group.hidden ? 0 : 1;
    if (word) group.open = true;
  }
  find("#expert .nothing").hidden = found > 0;
}

function openDoor() {
  find("#expert").showModal();
}

