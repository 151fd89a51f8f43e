// Sequence labelling: spans marked in the text, or each word with its tag where tags mark no spans.

import { cut, unitPositions, wordPositions } from "./characters.js";
import { element, readable, unseen } from "./dom.js";
import { text } from "./texts.js";

/** @typedef {import("./view_labels.js").Shown} Shown */
/** @typedef {{type: string, start: number, end: number, text: string, start_char?: number, end_char?: number}} Span */

const HUES = 8;
const OUTSIDE = new Set(["O", "o", ""]);
// `B-city`, `city-B`, `B_city`, `B:city`: the type without its place in the span.
const PLACE = /^[BIELSMUW][-_:](?=.)|(?<=.)[-_:][BIELSMUW]$/i;

/** @param {Shown} shown */
export function drawSpans({ prediction, row, task }) {
  const hueOf = hues(task.labels ?? []);
  const tags = prediction.labels ?? [];
  if (!prediction.spans?.length && tags.some((/** @type {string} */ tag) => !OUTSIDE.has(tag))) {
    return drawTags(prediction.words ?? [], tags, hueOf);
  }
  const spans = /** @type {Span[]} */ (prediction.spans ?? []);
  const { marks, unplaced } = place(spans, prediction.words ?? [], textOf(row));
  const { pieces, overlapping } = cut(textOf(row), marks);
  const nodes = pieces.map((piece) => (typeof piece === "string" ? piece : mark(piece.text, piece.mark, hueOf)));
  const lost = [...unplaced, ...overlapping.map(({ mark: span }) => span)];
  return element(
    "div",
    {},
    readable(text("spans.text"), ...nodes),
    spans.length ? byType(spans, hueOf) : element("p", { class: "none" }, text("spans.none")),
    lost.length > 0 && element("div", { class: "note" }, element("p", {}, text("spans.unplaced")), byType(lost, hueOf)),
  );
}

/** @param {Shown} shown */
export function summarizeSpans({ prediction }) {
  const spans = /** @type {Span[]} */ (prediction.spans ?? []);
  return spans.map((span) => `${span.type}: ${span.text}`).join(text("separator")) || text("spans.none");
}

/** @param {any} row @returns {string} */
function textOf(row) {
  return typeof row.text_a === "string" ? row.text_a : "";
}

/**
 * Where each span stands in the text, by its characters or else by its words.
 * @param {Span[]} spans
 * @param {string[]} words
 * @param {string} written
 */
function place(spans, words, written) {
  const units = unitPositions(written);
  const placesOfWords = wordPositions(written, words);
  const marks = [];
  const unplaced = [];
  for (const span of spans) {
    const [start, end] =
      span.start_char === undefined
        ? [placesOfWords?.[span.start]?.[0], placesOfWords?.[span.end - 1]?.[1]]
        : [units[span.start_char], units[span.end_char ?? -1]];
    const isSame = start !== undefined && end !== undefined && sameCharacters(written.slice(start, end), span.text);
    if (isSame) marks.push({ start, end, mark: span });
    else unplaced.push(span);
  }
  return { marks, unplaced };
}

/** Whether two texts are the same but for blanks. @param {string} one @param {string} other */
function sameCharacters(one, other) {
  return one.replace(/[\s\x02]+/g, "") === other.replace(/[\s\x02]+/g, "");
}

/**
 * The colour of each type: those of the task's labels in their order, others as they come.
 * @param {string[]} labels
 * @returns {(type: string) => string}
 */
function hues(labels) {
  const known = [...new Set(labels.filter((label) => !OUTSIDE.has(label)).map((label) => label.replace(PLACE, "")))];
  return (type) => {
    if (!known.includes(type)) known.push(type);
    return `hue-${known.indexOf(type) % HUES}`;
  };
}

/** @param {string} part @param {Span} span @param {(type: string) => string} hueOf */
function mark(part, span, hueOf) {
  const label = element("span", { class: "span-label" }, unseen(" ("), element("bdi", {}, span.type), unseen(") "));
  return element("mark", { class: `span ${hueOf(span.type)}` }, part, label);
}

/** Lists of the spans of each type. @param {Span[]} spans @param {(type: string) => string} hueOf */
function byType(spans, hueOf) {
  const types = [...new Set(spans.map((span) => span.type))];
  const entries = types.map((type) => {
    const texts = spans.filter((span) => span.type === type).map((span) => span.text);
    return element(
      "div",
      { class: "type" },
      element("dt", { class: hueOf(type) }, type),
      ...texts.map((found) => element("dd", { dir: "auto" }, found)),
    );
  });
  return element("dl", { "class": "types", "aria-label": text("spans.list") }, ...entries);
}

/** @param {string[]} words @param {string[]} tags @param {(type: string) => string} hueOf */
function drawTags(words, tags, hueOf) {
  const pairs = words.map((word, place_) => {
    const tag = tags[place_] ?? "";
    const isOutside = OUTSIDE.has(tag);
    return element(
      "li",
      { class: isOutside ? "tagged" : `tagged ${hueOf(tag.replace(PLACE, ""))}` },
      element("span", { class: "word", dir: "auto" }, word),
      element("span", { class: "tag" }, tag),
    );
  });
  return element("ul", { "class": "tags", "aria-label": text("spans.tags") }, ...pairs);
}
