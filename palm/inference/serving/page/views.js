// The view of each kind of prediction. One that is not known here is shown as JSON.

import { element } from "./dom.js";
import { hasText, number, percent, text } from "./texts.js";
import { drawAnswer, summarizeAnswer } from "./view_answer.js";
import { drawCloze, summarizeCloze } from "./view_cloze.js";
import { bars, drawLabels, summarizeLabels } from "./view_labels.js";
import { drawSpans, summarizeSpans } from "./view_spans.js";

/** @typedef {import("./view_labels.js").Shown} Shown */
/** @typedef {{draw: (shown: Shown) => HTMLElement, summarize: (shown: Shown) => string}} View */

/** @type {Record<string, View>} */
const VIEWS = {
  labels: { draw: drawLabels, summarize: summarizeLabels },
  match: { draw: drawLabels, summarize: summarizeLabels },
  spans: { draw: drawSpans, summarize: summarizeSpans },
  answer: { draw: drawAnswer, summarize: summarizeAnswer },
  cloze: { draw: drawCloze, summarize: summarizeCloze },
  value: { draw: drawValue, summarize: ({ prediction }) => number(prediction.value) },
  choice: { draw: drawChoice, summarize: summarizeChoice },
};
const OTHER = { draw: drawOther, summarize: () => text("other.hint") };

/** @param {string} kind @returns {View} */
export function viewOf(kind) {
  return Object.hasOwn(VIEWS, kind) ? VIEWS[kind] : OTHER;
}

/** The name of a kind in the page's language. @param {string} kind */
export function kindName(kind) {
  const key = `kind.${kind}`;
  return text(hasText(key) ? key : "kind.other");
}

/** @param {Shown} shown */
function drawValue({ prediction }) {
  const label = element("p", { class: "note" }, text("value.number"));
  return element("div", {}, element("p", { class: "big-number" }, number(prediction.value)), label);
}

/** @param {Shown} shown */
function drawChoice({ prediction, row }) {
  const choices = Array.isArray(row.choices) ? row.choices : [];
  const ranked = (prediction.ranking ?? []).map((/** @type {number} */ place, /** @type {number} */ rank) => {
    return { name: choices[place] ?? String(place), share: prediction.probs?.[place] ?? null, isChosen: rank === 0 };
  });
  return bars(ranked, text("choice.ranking"));
}

/** @param {Shown} shown */
function summarizeChoice({ prediction }) {
  return `${prediction.choice} ${percent(prediction.probs?.[prediction.ranking?.[0]])}`;
}

/** @param {Shown} shown */
function drawOther({ prediction }) {
  const json = element("pre", { tabindex: 0 }, JSON.stringify(prediction, null, 2));
  return element("div", {}, element("p", { class: "note" }, text("other.hint")), json);
}
