// Elements from words: no markup strings, so nothing a user typed is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** The one element that a selector names. */
export const find = (selector, root = document) => root.querySelector(selector);

/**
 * Make an element.
 *
 * `properties` may hold `class`, `text`, `on` (listeners by event), `data` (by name), `vars`
 * (custom properties), attributes with a hyphen or `role`, and any property of the element.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined && value !== null) assign(element, name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function assign(element, name, value) {
  if (name === "class") element.className = value;
  else if (name === "text") element.textContent = value;
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name === "vars") paintVars(element, value);
  else if (name === "on") {
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  } else if (name === "role" || name === "for" || name === "list" || name.includes("-")) {
    element.setAttribute(name, value);
  } else element[name] = value;
}

/** Set custom properties; the content security policy allows these, and no style attributes. */
export function paintVars(element, values) {
  for (const [name, value] of Object.entries(values)) element.style.setProperty(`--${name}`, value);
}

/** A symbol of the sprite in the page. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(draw("use", { href: `#i-${name}` }));
  return svg;
}

/** An element of SVG with attributes. */
export function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A button with a symbol; without visible text its label is read aloud and shown as a hint. */
export function button(symbol, label, onClick, { quiet = false, ...more } = {}) {
  const parts = symbol ? [icon(symbol)] : [];
  if (!quiet) parts.push(make("span", { text: label }));
  const spoken = quiet ? { "aria-label": label, title: label } : {};
  return make("button", { type: "button", on: { click: onClick }, ...spoken, ...more }, parts);
}

/** A button that asks once more before it acts. */
export function cautious(symbol, label, question, onSure, more = {}) {
  let asked = 0;
  const element = button(symbol, label, () => {
    if (asked) return onSure();
    element.classList.add("asking");
    element.setAttribute("aria-label", question);
    element.append(make("span", { class: "question", text: question }));
    asked = setTimeout(relax, 3500);
    return undefined;
  }, more);
  function relax() {
    asked = 0;
    element.classList.remove("asking");
    element.setAttribute("aria-label", label);
    find(".question", element)?.remove();
  }
  element.addEventListener("blur", () => { clearTimeout(asked); if (asked) relax(); });
  return element;
}

/** Call `action` once things have been quiet for `milliseconds`. */
export function later(milliseconds, action) {
  let timer = 0;
  return (...words) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...words), milliseconds);
  };
}

/** Replace the children of an element, keeping the focus where an equal `data-key` remains. */
export function fill(element, ...children) {
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  element.replaceChildren(...children.flat().filter(Boolean));
  if (key) find(`[data-key="${CSS.escape(key)}"]`, element)?.focus({ preventScroll: true });
}
