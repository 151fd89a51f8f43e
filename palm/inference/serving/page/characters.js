// Positions in texts. Python counts code points, JavaScript UTF-16 units: an emoji is one there and two here.

/**
 * The UTF-16 position of each code point of a text, and its length at the end.
 * @param {string} text
 * @returns {number[]}
 */
export function unitPositions(text) {
  const positions = [];
  let unit = 0;
  for (const character of text) {
    positions.push(unit);
    unit += character.length;
  }
  positions.push(unit);
  return positions;
}

/**
 * UTF-16 start and end of each word, which follow each other in the text; null if one is not found.
 * @param {string} text
 * @param {string[]} words
 * @returns {[number, number][] | null}
 */
export function wordPositions(text, words) {
  /** @type {[number, number][]} */
  const positions = [];
  let from = 0;
  for (const word of words) {
    const start = text.indexOf(word, from);
    if (start < 0) return null;
    from = start + word.length;
    positions.push([start, from]);
  }
  return positions;
}

/**
 * The UTF-16 starts of all occurrences of a part in a text, not overlapping.
 * @param {string} text
 * @param {string} part
 * @returns {number[]}
 */
export function occurrences(text, part) {
  /** @type {number[]} */
  const starts = [];
  if (part === "") return starts;
  for (let start = text.indexOf(part); start >= 0; start = text.indexOf(part, start + part.length)) starts.push(start);
  return starts;
}

/**
 * @template T
 * @typedef {{start: number, end: number, mark: T}} Marked A part of a text, in UTF-16 units.
 */

/**
 * A text in pieces: strings between the marks, and the marks. Of marks that overlap the first is taken.
 * @template T
 * @param {string} text
 * @param {Marked<T>[]} marks
 * @returns {{pieces: (string | {text: string, mark: T})[], overlapping: Marked<T>[]}}
 */
export function cut(text, marks) {
  const pieces = [];
  const overlapping = [];
  let from = 0;
  for (const { start, end, mark } of [...marks].sort((one, other) => one.start - other.start || other.end - one.end)) {
    if (start < from || end <= start) {
      overlapping.push({ start, end, mark });
      continue;
    }
    if (start > from) pieces.push(text.slice(from, start));
    pieces.push({ text: text.slice(start, end), mark });
    from = end;
  }
  if (from < text.length) pieces.push(text.slice(from));
  return { pieces, overlapping };
}

/**
 * @template T
 * @typedef {{mark: T, pieces: Nested<T>[]}} Outer A part of a text with what lies within it.
 */
/**
 * @template T
 * @typedef {string | Outer<T>} Nested
 */

/**
 * A text in pieces: strings, and marks that hold others. Of two that cross the first is taken.
 * @template T
 * @param {string} text
 * @param {Marked<T>[]} marks
 * @returns {{pieces: Nested<T>[], crossing: T[]}}
 */
export function nest(text, marks) {
  /** @type {{end: number, from: number, pieces: Nested<T>[]}[]} From the whole text to the innermost mark. */
  const open = [{ end: text.length, from: 0, pieces: [] }];
  const crossing = [];
  const close = () => {
    const { end, from, pieces } = /** @type {any} */ (open.pop());
    if (from < end) pieces.push(text.slice(from, end));
  };
  for (const { start, end, mark } of [...marks].sort((one, other) => one.start - other.start || other.end - one.end)) {
    while (open[open.length - 1].end <= start && open.length > 1) close();
    const outer = open[open.length - 1];
    if (end > outer.end || end <= start) {
      crossing.push(mark);
      continue;
    }
    if (start > outer.from) outer.pieces.push(text.slice(outer.from, start));
    const inner = { mark, pieces: [] };
    outer.pieces.push(inner);
    outer.from = end;
    open.push({ end, from: start, pieces: inner.pieces });
  }
  const { pieces } = open[0];
  while (open.length) close();
  return { pieces, crossing };
}
