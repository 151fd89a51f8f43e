// Dependency trees: an arc from each head to its dependents above the words, and a table of the same.

import { element } from "./dom.js";
import { text } from "./texts.js";

/** @typedef {import("./view_labels.js").Shown} Shown */
/** @typedef {{words: string[], heads: number[], relations: string[]}} Tree `heads` count words from 1; 0 is the root. */
/** @typedef {{head: number, word: number, level: number}} Arc From a word to a dependent, by numbers from 0. */

const SVG = "http://www.w3.org/2000/svg";
// In pixels: the gap between words, the least width of one, the height of a level of arcs, and of the line of words.
const [GAP, NARROWEST, LEVEL, LINE] = [18, 44, 26, 28];
const [WORD, RELATION] = ["16px sans-serif", "bold 11.5px sans-serif"];
const CANVAS = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));

/** @param {any} prediction */
export function isTree({ words, heads, relations }) {
  const all = [words, heads, relations];
  return all.every((one) => Array.isArray(one) && one.length === words.length) && heads.every(Number.isInteger);
}

/** @param {Shown} shown */
export function drawTree({ prediction }) {
  if (!prediction.words.length) return element("p", { class: "none" }, text("tree.none"));
  const drawing = element(
    "div",
    { "class": "tree", "tabindex": 0, "role": "region", "aria-label": text("tree.drawing") },
    picture(prediction),
  );
  return element("div", {}, drawing, table(prediction));
}

/** @param {Shown} shown */
export function summarizeTree({ prediction }) {
  const { words, heads, relations } = /** @type {Tree} */ (prediction);
  const arcs = words.map((word, at) => `${word} ${relations[at]} ${words[heads[at] - 1] ?? ""}`.trim());
  return arcs.join(text("separator")) || text("tree.none");
}

/** @param {Tree} tree */
function table({ words, heads, relations }) {
  const names = ["tree.number", "tree.word", "tree.relation", "tree.head"];
  const header = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, text(name))));
  const rows = words.map((word, at) => {
    const head = heads[at] ? `${heads[at]} ${words[heads[at] - 1] ?? ""}` : "–";
    const cells = [String(at + 1), element("bdi", {}, word), relations[at], element("bdi", {}, head)];
    return element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
  });
  const body = element("table", { class: "arcs" }, element("thead", {}, header), element("tbody", {}, ...rows));
  return element("details", { class: "tree-table" }, element("summary", {}, text("tree.table")), body);
}

/** The words in a line with the arcs above. @param {Tree} tree */
function picture({ words, heads, relations }) {
  const widths = words.map((word, at) => Math.max(measure(word, WORD), measure(relations[at], RELATION), NARROWEST) + GAP);
  const centres = widths.map((width, at) => widths.slice(0, at).reduce((sum, one) => sum + one, 0) + width / 2);
  const arcs = levels(heads);
  const base = LEVEL * (Math.max(0, ...arcs.map(({ level }) => level)) + 1) + GAP / 2;
  const width = widths.reduce((sum, one) => sum + one, 0);
  const size = { "width": width, "height": base + LINE, "role": "img", "aria-label": text("tree.arcs") };
  const nodes = words.map((word, at) => draw("text", { class: "word", x: centres[at], y: base + GAP }, word));
  for (const arc of arcs) nodes.push(...drawArc(arc, centres, base, relations[arc.word]));
  heads.forEach((head, at) => {
    if (head === 0) nodes.push(...drawRoot(centres[at], base, relations[at]));
  });
  return draw("svg", size, ...nodes);
}

/**
 * Arcs with their heights: one more than the highest that lies within.
 * @param {number[]} heads
 * @returns {Arc[]}
 */
function levels(heads) {
  /** @type {Arc[]} */
  const found = [];
  const all = heads.map((head, word) => ({ head: head - 1, word }));
  const arcs = all.filter(({ head }) => head >= 0 && head < heads.length);
  /** @typedef {{head: number, word: number}} Ends */
  const ends = (/** @type {Ends} */ { head, word }) => [Math.min(head, word), Math.max(head, word)];
  const width = (/** @type {Ends} */ arc) => Math.abs(arc.head - arc.word);
  for (const arc of arcs.sort((one, other) => width(one) - width(other))) {
    const [first, last] = ends(arc);
    const inside = found.filter((other) => ends(other)[0] >= first && ends(other)[1] <= last);
    found.push({ ...arc, level: 1 + Math.max(0, ...inside.map(({ level }) => level)) });
  }
  return found;
}

/** @param {Arc} arc @param {number[]} centres @param {number} base @param {string} relation */
function drawArc({ head, word, level }, centres, base, relation) {
  const [from, to] = [centres[head] + (word > head ? 5 : -5), centres[word]];
  const top = base - level * LEVEL;
  const bend = Math.min(12, Math.abs(to - from) / 2) * Math.sign(to - from);
  const corners = `Q ${from} ${top} ${from + bend} ${top} H ${to - bend} Q ${to} ${top} ${to} ${top + 12}`;
  return [
    draw("path", { class: "arc", d: `M ${from} ${base} V ${top + 12} ${corners} V ${base - 3}` }),
    draw("path", { class: "tip", d: `M ${to - 4} ${base - 6} h 8 l -4 7 Z` }),
    draw("text", { class: "relation", x: (from + to) / 2, y: top - 4 }, relation),
  ];
}

/** @param {number} centre @param {number} base @param {string} relation */
function drawRoot(centre, base, relation) {
  return [
    draw("text", { class: "relation root", x: centre, y: 12 }, relation),
    draw("path", { class: "arc", d: `M ${centre} 17 V ${base - 3}` }),
    draw("path", { class: "tip", d: `M ${centre - 4} ${base - 6} h 8 l -4 7 Z` }),
  ];
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {...(Node | string)} children */
function draw(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

/** The width of a word in pixels. @param {string} word @param {string} font About that of cards.css. */
function measure(word, font) {
  CANVAS.font = font;
  return CANVAS.measureText(word).width;
}
