// Spans marked in the text, also within each other, and relations between them; each word with its tag where tags mark
// no spans.

import { nest, unitPositions, wordPositions } from "./characters.js";
import { element, readable, unseen } from "./dom.js";
import { text } from "./texts.js";

/** @typedef {import("./view_labels.js").Shown} Shown */
/** @typedef {{type: string, start: number, end: number, text: string, start_char?: number, end_char?: number}} Span */
/** @typedef {{type: string, head: number, tail: number}} Relation By the numbers of two spans. */

/** @typedef {(type: string) => string} HueOf The class of a type's colour. */

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
  const { marks, unplaced } = place(spans, prediction.words, textOf(row));
  const { pieces, crossing } = nest(textOf(row), marks);
  return element(
    "div",
    {},
    readable(text("spans.text"), ...pieces.map((piece) => draw(piece, hueOf))),
    spans.length ? byType(spans, hueOf) : element("p", { class: "none" }, text("spans.none")),
    listed(text("spans.unplaced"), unplaced, hueOf),
    listed(text("spans.crossing"), crossing, hueOf),
    drawRelations(prediction.relations ?? [], spans, hueOf),
  );
}

/** Spans that are not marked, with the reason. @param {string} why @param {Span[]} spans @param {HueOf} hueOf */
function listed(why, spans, hueOf) {
  return spans.length > 0 && element("div", { class: "note" }, element("p", {}, why), byType(spans, hueOf));
}

/** @param {Shown} shown */
export function summarizeSpans({ prediction }) {
  const spans = /** @type {Span[]} */ (prediction.spans ?? []);
  const related = /** @type {Relation[]} */ (prediction.relations ?? []).map(
    ({ head, type, tail }) => `${spans[head]?.text} ${type} ${spans[tail]?.text}`,
  );
  const parts = [...spans.map((span) => `${span.type}: ${span.text}`), ...related];
  return parts.join(text("separator")) || text("spans.none");
}

/** @param {any} row @returns {string} */
function textOf(row) {
  return typeof row.text_a === "string" ? row.text_a : "";
}

/**
 * Where each span stands in the text, by its characters or else by its words. Without words its ends are characters.
 * @param {Span[]} spans
 * @param {string[] | undefined} words
 * @param {string} written
 */
function place(spans, words, written) {
  const units = unitPositions(written);
  const placesOfWords = wordPositions(written, words ?? []);
  const marks = [];
  const unplaced = [];
  for (const span of spans) {
    const [first, last] = words ? [span.start_char, span.end_char ?? -1] : [span.start, span.end];
    const [start, end] =
      first === undefined
        ? [placesOfWords?.[span.start]?.[0], placesOfWords?.[span.end - 1]?.[1]]
        : [units[first], units[last]];
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
 * @returns {HueOf}
 */
function hues(labels) {
  const known = [...new Set(labels.filter((label) => !OUTSIDE.has(label)).map((label) => label.replace(PLACE, "")))];
  return (type) => {
    if (!known.includes(type)) known.push(type);
    return `hue-${known.indexOf(type) % HUES}`;
  };
}

/** @param {import("./characters.js").Nested<Span>} piece @param {HueOf} hueOf @returns {string | HTMLElement} */
function draw(piece, hueOf) {
  if (typeof piece === "string") return piece;
  const { type } = piece.mark;
  const label = element("span", { class: "span-label" }, unseen(" ("), element("bdi", {}, type), unseen(") "));
  return element("mark", { class: `span ${hueOf(type)}` }, ...piece.pieces.map((part) => draw(part, hueOf)), label);
}

/**
 * A line for each relation: head —label→ tail.
 * @param {Relation[]} relations
 * @param {Span[]} spans
 * @param {HueOf} hueOf
 */
function drawRelations(relations, spans, hueOf) {
  const known = relations.filter(({ head, tail }) => spans[head] && spans[tail]);
  const end = (/** @type {Span} */ span) => element("bdi", { class: `end ${hueOf(span.type)}` }, span.text);
  const arrow = (/** @type {string} */ part) => element("span", { "class": "arrow", "aria-hidden": "true" }, part);
  const lines = known.map(({ head, type, tail }) =>
    element("li", {}, end(spans[head]), " ", arrow("—"), element("bdi", {}, type), arrow("→"), " ", end(spans[tail])),
  );
  return lines.length > 0 && element("ul", { "class": "relations", "aria-label": text("spans.relations") }, ...lines);
}

/** Lists of the spans of each type. @param {Span[]} spans @param {HueOf} hueOf */
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

/** @param {string[]} words @param {string[]} tags @param {HueOf} hueOf */
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
