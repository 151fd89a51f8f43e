// The language of the page: which one, and its texts with their values.

import { ENGLISH } from "./texts_en.js";
import { CHINESE } from "./texts_zh.js";

/** @typedef {"en" | "zh"} Language */

const TEXTS = { en: ENGLISH, zh: CHINESE };
const TAGS = { en: "en", zh: "zh-CN" };

/** @type {Language} */
let language = "en";

/** @returns {Language} */
export function currentLanguage() {
  return language;
}

/** The language that a visitor's browser asks for. @returns {Language} */
export function preferredLanguage() {
  const asked = navigator.languages.map((tag) => tag.toLowerCase()).find((tag) => /^(en|zh)\b/.test(tag));
  return asked?.startsWith("zh") ? "zh" : "en";
}

/** Write the page's fixed texts in this language. @param {Language} chosen */
export function useLanguage(chosen) {
  language = chosen;
  document.documentElement.lang = TAGS[chosen];
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = text(/** @type {HTMLElement} */ (node).dataset.text ?? "");
  }
}

/**
 * The text of a key, with `{name}` replaced by values.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function text(key, values = {}) {
  const found = /** @type {Record<string, string>} */ (TEXTS[language])[key];
  return found.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Whether there is a text of this key. @param {string} key */
export function hasText(key) {
  return Object.hasOwn(TEXTS[language], key);
}

/** A text for one or for several. @param {string} key @param {number} count @param {Record<string, string>} [values] */
export function counted(key, count, values = {}) {
  return text(count === 1 ? `${key}.one` : key, { count, ...values });
}

/** A probability as a percentage that never rounds to certainty. @param {number | null | undefined} share */
export function percent(share) {
  if (typeof share !== "number") return "–";
  if (share > 0 && share < 0.001) return "<0.1%";
  if (share < 1 && share > 0.999) return ">99.9%";
  return `${(100 * share).toFixed(1)}%`;
}

/** A number in at most five digits. @param {unknown} value */
export function number(value) {
  if (typeof value !== "number") return "–";
  return Number.isInteger(value) ? value.toLocaleString("en-US") : String(Number(value.toPrecision(5)));
}
