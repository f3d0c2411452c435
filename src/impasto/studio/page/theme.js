// Light or dark: as the system has it, until someone says otherwise.
import { find } from "./dom.js";

const KEY = "impasto.theme";
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

/** Take what was chosen before, and listen to the switch. */
export function offerTheme() {
  const root = document.documentElement;
  const chosen = localStorage.getItem(KEY);
  if (chosen) root.dataset.theme = chosen;
  find("#theme").addEventListener("click", () => {
    const dark = (root.dataset.theme ?? (isDark() ? "dark" : "light")) === "dark";
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem(KEY, root.dataset.theme);
  });
}
