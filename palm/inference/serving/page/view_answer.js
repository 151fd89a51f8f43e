// Reading comprehension: the answer, its place in the passage, and the next best answers.

import { cut, unitPositions } from "./characters.js";
import { bar, element, readable } from "./dom.js";
import { percent, text } from "./texts.js";

/** @typedef {import("./view_labels.js").Shown} Shown */
/** @typedef {{text: string, start?: number, end?: number, probability: number | null}} Answer */

const SHOWN = 5;

/** @param {Shown} shown */
export function drawAnswer({ prediction, row }) {
  const passage = typeof row.context === "string" ? row.context : "";
  const shownPassage = element("div");
  const answers = /** @type {Answer[]} */ (prediction.nbest ?? []).slice(0, SHOWN);
  const buttons = answers.map((answer) => answerButton(answer, () => select(answer)));
  /** @param {Answer} answer */
  function select(answer) {
    shownPassage.replaceChildren(...markedPassage(passage, answer));
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(answers[place].text === answer.text)));
  }
  select(prediction);
  const list = element("ol", { "class": "answers", "aria-label": text("answer.ranking") });
  list.append(...buttons.map((button) => element("li", {}, button)));
  return element("div", {}, headline(prediction), shownPassage, answers.length > 1 && list);
}

/** @param {Shown} shown */
export function summarizeAnswer({ prediction }) {
  return `${prediction.text || text("answer.none")} ${percent(prediction.probability)}`;
}

/** @param {any} prediction */
function headline(prediction) {
  if (!prediction.text) return element("p", { class: "none" }, text("answer.none"));
  const probability = element("span", { class: "headline-number" }, percent(prediction.probability));
  return element(
    "p",
    { class: "headline" },
    element("span", { class: "headline-text", dir: "auto" }, prediction.text),
    probability,
  );
}

/** @param {Answer} answer @param {() => void} select */
function answerButton(answer, select) {
  return element(
    "button",
    { "type": "button", "class": "answer", "aria-pressed": "false", "click": select },
    element("span", { class: "bar-name", dir: "auto" }, answer.text || text("answer.none")),
    element("span", { class: "bar-number" }, percent(answer.probability)),
    bar(answer.probability, false),
  );
}

/** @param {string} passage @param {Answer} answer @returns {Node[]} */
function markedPassage(passage, answer) {
  const units = unitPositions(passage);
  const [start, end] = [units[answer.start ?? -1], units[answer.end ?? -1]];
  const isThere = start !== undefined && end !== undefined && passage.slice(start, end) === answer.text;
  const marks = isThere ? [{ start, end, mark: true }] : [];
  const nodes = cut(passage, marks).pieces.map((piece) => {
    return typeof piece === "string" ? piece : element("mark", { class: "found" }, piece.text);
  });
  const shown = readable(text("answer.passage"), ...nodes);
  shown.classList.add("scrolls");
  shown.tabIndex = 0;
  const isMarked = isThere || answer.text === "";
  return isMarked ? [shown] : [shown, element("p", { class: "note" }, text("answer.unplaced"))];
}
