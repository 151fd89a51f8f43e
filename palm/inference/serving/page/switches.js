// The switches of language and theme. What is chosen is remembered by the browser; where it may not be, by the page.

import { byId, element, unseen } from "./dom.js";
import { currentLanguage, preferredLanguage, text, useLanguage } from "./texts.js";

const THEMES = ["system", "light", "dark"];

/** @param {string} name @param {string[]} allowed @returns {string | null} */
function remembered(name, allowed) {
  try {
    const value = localStorage.getItem(`palm.${name}`);
    return value !== null && allowed.includes(value) ? value : null;
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
function remember(name, value) {
  try {
    localStorage.setItem(`palm.${name}`, value);
  } catch {
    // A browser without storage forgets it with the page.
  }
}

/** @param {() => void} changed Called after each change. */
export function setUpLanguage(changed) {
  useLanguage(/** @type {"en" | "zh"} */ (remembered("language", ["en", "zh"]) ?? preferredLanguage()));
  showSwitches();
  byId("language").addEventListener("click", () => {
    const other = currentLanguage() === "en" ? "zh" : "en";
    remember("language", other);
    useLanguage(other);
    showSwitches();
    changed();
  });
}

export function setUpTheme() {
  document.documentElement.dataset.theme = remembered("theme", THEMES) ?? "system";
  byId("theme").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
    remember("theme", next);
    document.documentElement.dataset.theme = next;
    showSwitches();
  });
}

function currentTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

function showSwitches() {
  // Its words are those of the other language, for those who read that one.
  byId("language").lang = currentLanguage() === "en" ? "zh-CN" : "en";
  byId("language").replaceChildren(text("language.other"));
  byId("language").title = text("language.switch");
  const theme = text(`theme.${currentTheme()}`);
  const icon = element("span", { "class": `theme-icon ${currentTheme()}`, "aria-hidden": "true" });
  const name = element("span", { "class": "theme-name", "aria-hidden": "true" }, theme);
  byId("theme").replaceChildren(icon, name, unseen(text("theme.label", { theme })));
}
