// Masked language models: the text with each [MASK] filled, and the most probable tokens of each.

import { cut, occurrences } from "./characters.js";
import { element, readable } from "./dom.js";
import { percent, text } from "./texts.js";

/** @typedef {import("./view_labels.js").Shown} Shown */
/** @typedef {{position: number, tokens?: string[], ids: number[], probs: number[]}} Mask */

export const MASK = "[MASK]";
// How tokenizers mark the beginning or the continuation of a word.
const AFFIX = /^(##|▁|Ġ)(?=.)/u;

/** @param {Shown} shown */
export function drawCloze({ prediction, row }) {
  const masks = /** @type {Mask[]} */ (prediction.masks ?? []);
  const written = typeof row.text_a === "string" ? row.text_a : "";
  const starts = occurrences(written, MASK);
  const gaps = masks.map((mask) => element("mark", { class: "found" }, word(names(mask)[0])));
  const choices = masks.map((mask, place) => candidates(mask, place, gaps[place]));
  if (starts.length !== masks.length) {
    const note = text("cloze.unplaced", { found: masks.length, written: starts.length });
    return element("div", {}, element("p", { class: "note" }, note), ...choices);
  }
  const marks = starts.map((start, place) => ({ start, end: start + MASK.length, mark: gaps[place] }));
  const nodes = cut(written, marks).pieces.map((piece) => (typeof piece === "string" ? piece : piece.mark));
  return element("div", {}, readable(text("cloze.text"), ...nodes), ...choices);
}

/** @param {Shown} shown */
export function summarizeCloze({ prediction }) {
  const masks = /** @type {Mask[]} */ (prediction.masks ?? []);
  return masks.map((mask) => `${word(names(mask)[0])} ${percent(mask.probs[0])}`).join(text("separator"));
}

/** @param {Mask} mask */
function names(mask) {
  return mask.tokens ?? mask.ids.map(String);
}

/** A token as it is read in a text. @param {string | undefined} token */
function word(token) {
  return (token ?? "").replace(AFFIX, "");
}

/** Buttons that fill a gap. @param {Mask} mask @param {number} place @param {HTMLElement} gap */
function candidates(mask, place, gap) {
  const buttons = names(mask).map((token, rank) => {
    const share = element("span", { class: "chip-number" }, percent(mask.probs[rank]));
    const attributes = { "type": "button", "class": "choice-chip", "aria-pressed": String(rank === 0), "click": fill };
    const button = element("button", attributes, element("bdi", {}, token), " ", share);
    function fill() {
      gap.textContent = word(token);
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    }
    return button;
  });
  const label = text("cloze.gap", { number: place + 1 });
  return element(
    "div",
    { "class": "gap", "role": "group", "aria-label": label },
    element("span", { "class": "gap-name", "aria-hidden": "true" }, label),
    ...buttons,
  );
}
