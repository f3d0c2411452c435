// One line that says what happened; errors stay longer, and can be put away.
import { Unreachable } from "./api.js";
import { loseConnection } from "./connection.js";
import { button, find, make } from "./dom.js";

const SECONDS = { note: 5, error: 12 };

/** Say something; the same line is not said twice at once. */
export function say(message, kind = "note") {
  const host = find("#toasts");
  for (const toast of host.children) if (toast.dataset.message === message) toast.remove();
  const toast = make("div", { class: `toast ${kind}`, data: { message } }, make("p", { text: message }));
  const remove = () => toast.remove();
  toast.append(button("clear", "Put away", remove, { quiet: true, class: "plain" }));
  host.append(toast);
  setTimeout(remove, SECONDS[kind] * 1000);
}

/** Say what went wrong, in the server's own words. */
export function sayError(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Unreachable) loseConnection();
  say(error.message, "error");
}

/** Do something that may fail; a failure is told, and answered with null. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    sayError(error);
    return null;
  }
}
