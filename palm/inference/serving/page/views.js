// The view of each kind of prediction. One that is not known here is shown as JSON.

import { bar, element } from "./dom.js";
import { hasText, number, percent, text } from "./texts.js";
import { drawAnswer, summarizeAnswer } from "./view_answer.js";
import { drawCloze, summarizeCloze } from "./view_cloze.js";
import { bars, drawLabels, summarizeLabels } from "./view_labels.js";
import { drawSpans, summarizeSpans } from "./view_spans.js";
import { drawTree, isTree, summarizeTree } from "./view_tree.js";

/** @typedef {import("./view_labels.js").Shown} Shown */
/**
 * @typedef {object} View
 * @property {(prediction: any) => boolean} fits Whether a prediction has the shape that the view shows.
 * @property {(shown: Shown) => HTMLElement} draw
 * @property {(shown: Shown) => string} summarize What screen readers say.
 */

/** @type {View} */
const LABELS = {
  fits: ({ label, labels }) => typeof label === "string" || Array.isArray(labels),
  draw: drawLabels,
  summarize: summarizeLabels,
};
/** @type {Record<string, View>} */
const VIEWS = {
  labels: LABELS,
  match: LABELS,
  spans: {
    fits: ({ spans }) => Array.isArray(spans) && spans.every(isSpan),
    draw: drawSpans,
    summarize: summarizeSpans,
  },
  tree: { fits: isTree, draw: drawTree, summarize: summarizeTree },
  answer: { fits: (found) => typeof found.text === "string", draw: drawAnswer, summarize: summarizeAnswer },
  cloze: { fits: ({ masks }) => Array.isArray(masks), draw: drawCloze, summarize: summarizeCloze },
  value: { fits: (found) => valueOf(found) !== undefined, draw: drawValue, summarize: summarizeValue },
  text: { fits: (found) => typeof found.text === "string", draw: drawText, summarize: summarizeText },
  choice: { fits: ({ ranking }) => Array.isArray(ranking), draw: drawChoice, summarize: summarizeChoice },
};
/** @type {View} */
const OTHER = { fits: () => true, draw: drawOther, summarize: () => text("other.hint") };

/** @param {any} span */
function isSpan(span) {
  return typeof span?.type === "string" && typeof span.text === "string";
}

/**
 * The view of a kind, for a prediction that has its shape: those of users' components may have another.
 * @param {string} kind
 * @param {any} prediction
 * @returns {View}
 */
export function viewFor(kind, prediction) {
  const isKnown = Object.hasOwn(VIEWS, kind) && typeof prediction === "object" && prediction !== null;
  return isKnown && VIEWS[kind].fits(prediction) ? VIEWS[kind] : OTHER;
}

/** The name of a kind in the page's language. @param {string} kind */
export function kindName(kind) {
  const key = `kind.${kind}`;
  return text(hasText(key) ? key : "kind.other");
}

/**
 * The number of a prediction, or a pair's score; null where it is none that JSON has.
 * @param {any} prediction
 * @returns {number | null | undefined}
 */
function valueOf({ value, probs }) {
  return value !== undefined ? value : typeof probs === "number" || probs === null ? probs : undefined;
}

/** @param {Shown} shown */
function drawValue({ prediction }) {
  const isScore = prediction.value === undefined;
  return element(
    "div",
    {},
    element("p", { class: "big-number" }, number(valueOf(prediction))),
    isScore && bar(prediction.probs, true),
    element("p", { class: "note" }, text(isScore ? "match.score" : "value.number")),
  );
}

/** @param {Shown} shown */
function summarizeValue({ prediction }) {
  return number(valueOf(prediction));
}

/** @param {Shown} shown */
function drawText({ prediction }) {
  return element("p", { dir: "auto" }, prediction.text || text("text.none"));
}

/** @param {Shown} shown */
function summarizeText({ prediction }) {
  return prediction.text || text("text.none");
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
