// Classification, multi-label classification and pairs: a bar per label.

import { bar, element, unseen } from "./dom.js";
import { percent, text } from "./texts.js";

/** @typedef {{prediction: any, row: any, task: any}} Shown What a view shows: a prediction for a row of a task. */
/** @typedef {{name: string, share: number | null, isChosen: boolean}} Ranked */

const SHOWN_AT_FIRST = 5;

/** @param {any} prediction @returns {Ranked[]} Labels, most probable first. */
function ranking(prediction) {
  const chosen = new Set(prediction.labels ?? [prediction.label]);
  const probabilities = prediction.probs ?? Object.fromEntries(predicted(prediction).map((name) => [name, null]));
  const ranked = Object.entries(probabilities).map(([name, share]) => {
    return { name, share: typeof share === "number" ? share : null, isChosen: chosen.has(name) };
  });
  return ranked.sort((one, other) => (other.share ?? -1) - (one.share ?? -1));
}

/** The predicted labels. @param {any} prediction @returns {string[]} */
function predicted(prediction) {
  return prediction.labels ?? (prediction.label === undefined ? [] : [prediction.label]);
}

/** @param {Shown} shown */
export function drawLabels({ prediction }) {
  const ranked = ranking(prediction);
  const none = !predicted(prediction).length && element("p", { class: "none" }, text("labels.none"));
  return element("div", {}, none, bars(ranked, text("labels.ranking")));
}

/** @param {Shown} shown */
export function summarizeLabels({ prediction }) {
  const labels = predicted(prediction);
  if (!labels.length) return text("labels.none");
  return labels.map((name) => `${name} ${percent(prediction.probs?.[name])}`).join(text("separator"));
}

/**
 * A list of names with bars. A long one shows its beginning, and all of it after a click.
 * @param {Ranked[]} ranked
 * @param {string} label
 */
export function bars(ranked, label) {
  const list = element("ol", { "class": "bars", "aria-label": label });
  const fill = (/** @type {number} */ count) => list.replaceChildren(...ranked.slice(0, count).map(barRow));
  fill(SHOWN_AT_FIRST);
  if (ranked.length <= SHOWN_AT_FIRST) return list;
  const more = element("button", { "type": "button", "class": "link", "aria-expanded": "false", "click": toggle });
  more.textContent = text("labels.all", { count: ranked.length });
  function toggle() {
    const open = more.getAttribute("aria-expanded") === "false";
    more.setAttribute("aria-expanded", String(open));
    more.textContent = open ? text("labels.fewer") : text("labels.all", { count: ranked.length });
    fill(open ? ranked.length : SHOWN_AT_FIRST);
  }
  return element("div", {}, list, more);
}

/** @param {Ranked} ranked */
function barRow({ name, share, isChosen }) {
  return element(
    "li",
    { class: isChosen ? "bar-row chosen" : "bar-row" },
    element(
      "span",
      { class: "bar-name" },
      element("bdi", {}, name),
      isChosen && unseen(` (${text("labels.predicted")})`),
    ),
    element("span", { class: "bar-number" }, percent(share)),
    bar(share, isChosen),
  );
}
