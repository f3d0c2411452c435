// Numbers and names as one would say them.
import { findStyle } from "./store.js";

const PROPER = { paint: "Painted", fast: "In one pass", texture: "Texture" };

/** 75 -> "1 min 15 s"; rough above ten minutes. */
export function spellSeconds(seconds) {
  if (seconds < 9.5) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 60) return `${Math.round(seconds / 5) * 5} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = Math.round((seconds % 60) / 5) * 5;
  return minutes < 10 && rest && rest < 60 ? `${minutes} min ${rest} s` : `${Math.round(seconds / 60)} min`;
}

/** "1st", "2nd" ... of a queue that begins at 1. */
export function spellPlace(position) {
  if (position <= 1) return "next in line";
  return `${position - 1} ${position === 2 ? "painting" : "paintings"} before yours`;
}

/** A loss with three digits. */
export const spellLoss = (loss) => (loss >= 1e4 || loss < 0.01 ? loss.toExponential(2) : loss.toPrecision(3));

/** "stroke_size" -> "Stroke size". */
export const spellName = (name) => {
  const words = name.replaceAll("_", " ").replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** What a style is called; a style that was deleted since has no name any more. */
export function nameStyle(id) {
  const style = findStyle(id);
  if (style) return spellName(style.own ? style.name.replace(/\.[a-z0-9]+$/i, "") : style.name);
  const [house, name] = id.split(":");
  return name ? spellName(name) : house ? "a style of yours" : "";
}

/** "Mosaic and Marbling". */
export function nameStyles(ids) {
  const names = ids.map(nameStyle);
  return names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** How a work was made, in one line. */
export function describeJob(job) {
  const open = { queued: "Waiting to be painted", running: "Being painted", ...(job.result && { cancelled: "Stopped" }) };
  const parts = [open[job.state] ?? (job.result ? (PROPER[job.kind] ?? job.kind) : "Not painted")];
  const size = job.result ?? (job.progress?.width ? job.progress : null);
  if (job.settings.preset) parts.push(job.settings.preset);
  if (size) parts.push(`${size.width} × ${size.height}`);
  if (job.started && job.finished) parts.push(spellSeconds(readTime(job.finished) - readTime(job.started)));
  return parts.join(" · ");
}

/** A setting's value as one would type it. */
export function spellValue(value) {
  if (value === true) return "yes";
  if (value === false) return "no";
  if (value === null || value === undefined || value === "") return "automatic";
  return Array.isArray(value) ? value.map(spellValue).join(", ") : String(value);
}

/** Seconds since 1970 of a time that the server wrote as a number or as text. */
export const readTime = (time) => (typeof time === "number" ? time : Date.parse(time) / 1000);
