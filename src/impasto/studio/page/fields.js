// One control for each kind of setting; all follow from what the server says of it.
import { icon, make, paintVars } from "./dom.js";
import { spellName, spellValue } from "./words.js";

const FEW = 4; // choices that stand side by side
const SLIDABLE = 4096; // the largest number that a slider makes sense for
const NOTCHES = 200;
const WIDE = 40; // a range of more than that is walked in equal factors
const SIDES = ["256", "512", "768", "1024"];
const SUGGESTED = { size: ["384", "512", "768", "1024", "photo"], width: SIDES, height: SIDES };
let count = 0;

/**
 * A control for a field.
 *
 * `onChange(value)` gets undefined for the default. The answer holds the element and `show(value)`.
 */
export function makeField(field, onChange) {
  const id = `field-${++count}`;
  const control = choose(field)(field, id, onChange);
  const reset = make("button", {
    type: "button", class: "reset", "aria-label": `${field.label}: back to ${spellValue(field.default)}`,
    title: `Back to ${spellValue(field.default)}`, on: { click: () => onChange(undefined) },
  }, icon("undo"));
  const label = make(control.grouped ? "span" : "label", { class: "label", id: `${id}-label`, text: field.label });
  if (!control.grouped) label.htmlFor = id;
  const help = make("p", { class: "help", id: `${id}-help`, text: readHelp(field.help) });
  const element = make("div", { class: `field ${control.grouped ? "grouped" : field.type}`, data: { field: field.name } },
    make("div", { class: "head" }, label, control.output, reset), control.element, help);
  const show = (value) => {
    element.dataset.changed = String(value !== undefined && !equal(value, field.default));
    control.show(value === undefined ? field.default : value);
  };
  return { element, show };
}

const equal = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** "--keep-colors" in a help text is called "Keep colors" here. */
const readHelp = (help) => (help ?? "").replace(/--([a-z][a-z-]*)/g, (_, name) => `“${spellName(name)}”`);

function choose({ type, name, choices, minimum, maximum }) {
  if (type === "boolean") return makeSwitch;
  if (type === "choice") return choices.length <= FEW ? makeSegments : makeSelect;
  const number = type === "number" || type === "integer";
  const bounded = Number.isFinite(minimum) && Number.isFinite(maximum) && maximum <= SLIDABLE;
  return number && bounded && !SUGGESTED[name] ? makeSlider : makeText;
}

function makeSwitch(field, id, onChange) {
  const element = make("input", {
    type: "checkbox", id, class: "switch", role: "switch", "aria-describedby": `${id}-help`,
    on: { change: () => onChange(element.checked) },
  });
  return { element, show: (value) => { element.checked = Boolean(value); } };
}

function makeSegments(field, id, onChange) {
  const options = field.choices.map((choice) => make("label", {},
    make("input", { type: "radio", name: id, value: choice, on: { change: () => onChange(choice) } }),
    make("span", { text: spellName(String(choice)) })));
  const element = make("div", { class: "segments", role: "radiogroup", "aria-labelledby": `${id}-label`, "aria-describedby": `${id}-help` }, options);
  const show = (value) => {
    for (const input of element.querySelectorAll("input")) input.checked = input.value === String(value);
  };
  return { element, show, grouped: true };
}

function makeSelect(field, id, onChange) {
  const automatic = field.default === null ? [make("option", { value: "", text: "automatic" })] : [];
  const options = field.choices.map((choice) => make("option", { value: choice, text: spellName(String(choice)) }));
  const element = make("select", {
    id, "aria-describedby": `${id}-help`, on: { change: () => onChange(element.value || undefined) },
  }, automatic, options);
  return { element, show: (value) => { element.value = value ?? ""; } };
}

function makeSlider(field, id, onChange) {
  const scale = makeScale(field);
  const output = make("output", { for: id });
  const element = make("input", {
    type: "range", id, min: 0, max: scale.notches, step: 1, "aria-describedby": `${id}-help`,
    on: { input: () => onChange(scale.value(Number(element.value))) },
  });
  const show = (value) => {
    const number = typeof value === "number" ? value : Number(Array.isArray(value) ? value[0] : value);
    const known = value !== null && Number.isFinite(number);
    const notch = known ? scale.notch(number) : scale.notches / 2;
    if (scale.value(Number(element.value)) !== number) element.value = notch;
    output.textContent = spellValue(value);
    element.setAttribute("aria-valuetext", spellValue(value));
    paintVars(element, { filled: `${(notch / scale.notches) * 100}%` });
  };
  return { element, output, show };
}

/** Notches of a slider: equal steps, or equal factors where the range is wide. */
function makeScale({ type, minimum, maximum }) {
  const whole = type === "integer";
  if (minimum > 0 && maximum / minimum > WIDE) {
    const factor = Math.log(maximum / minimum);
    const round = (number) => (whole ? Math.round(number) : Number(number.toPrecision(2)));
    return {
      notches: NOTCHES,
      value: (notch) => round(minimum * Math.exp((factor * notch) / NOTCHES)),
      notch: (value) => Math.round((Math.log(value / minimum) / factor) * NOTCHES),
    };
  }
  const span = maximum - minimum;
  const step = whole ? Math.max(1, Math.round(span / NOTCHES)) : span / (span <= 1 ? 100 : NOTCHES);
  return {
    notches: Math.round(span / step),
    value: (notch) => Number(Math.min(maximum, minimum + notch * step).toFixed(4)),
    notch: (value) => Math.round((value - minimum) / step),
  };
}

function makeText(field, id, onChange) {
  const numeric = field.type === "number" || field.type === "integer";
  const element = make("input", {
    type: "text", id, inputMode: numeric ? "decimal" : "text", placeholder: spellValue(field.default),
    autocomplete: "off", spellcheck: false, "aria-describedby": `${id}-help`,
    on: { change: () => onChange(readText(field, element.value)) },
  });
  const show = (value) => {
    const text = value === null || equal(value, field.default) && field.type === "list" ? "" : spellText(value);
    if (document.activeElement !== element || element.value === "") element.value = text;
    for (const chip of host.querySelectorAll("[data-value]")) {
      chip.setAttribute("aria-pressed", String(chip.dataset.value === String(value)));
    }
  };
  const chips = (SUGGESTED[field.name] ?? []).map((text) => make("button", {
    type: "button", data: { value: text }, "aria-pressed": "false", text: spellName(text),
    on: { click: () => { element.value = text; onChange(readText(field, text)); } },
  }));
  const host = chips.length ? make("div", { class: "suggested" }, element, make("div", { class: "chips" }, chips)) : element;
  return { element: host, show };
}

const spellText = (value) => (Array.isArray(value) ? value.join(", ") : String(value));

/** What was typed, as the setting's type wants it; nothing typed is the default. */
function readText(field, text) {
  const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
  if (parts.length === 0) return undefined;
  if (field.type === "list") return parts.map(readScalar);
  const scalar = readScalar(text.trim());
  return field.type === "text" && field.name !== "size" ? text.trim() : scalar;
}

const readScalar = (text) => (/^-?\d*\.?\d+(e-?\d+)?$/i.test(text) ? Number(text) : text);
