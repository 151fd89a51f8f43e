// From what is written and selected to a request: which tasks can read it, and what the others still need.

import { text } from "./texts.js";
import { MASK } from "./view_cloze.js";

/**
 * @typedef {import("./api.js").Info} Info
 * @typedef {import("./api.js").TaskInfo} TaskInfo
 * @typedef {import("./api.js").Row} Row
 * @typedef {import("./api.js").Request} Request
 * @typedef {{row: Row, request: Request | null, missing: Map<string, string>}} Plan
 */

/** PALM's columns in the order of their fields. Those of other readers follow under their own names. */
export const COLUMNS = ["text_a", "text_b", "question", "context", "choices"];

/** All columns that these tasks read. @param {TaskInfo[]} tasks @returns {string[]} */
export function columnsOf(tasks) {
  const read = new Set(tasks.flatMap((task) => task.columns));
  return [...COLUMNS.filter((column) => read.has(column)), ...[...read].filter((name) => !COLUMNS.includes(name))];
}

/** The name of a column's field. @param {string} column */
export function fieldName(column) {
  return COLUMNS.includes(column) ? text(`field.${column}`) : column;
}

/**
 * The request for these tasks, without those whose input is missing.
 * @param {Info} info
 * @param {string[]} selected
 * @param {Record<string, string>} written The content of each field, by column.
 * @returns {Plan}
 */
export function plan(info, selected, written) {
  const all = rowOf(written);
  const missing = new Map();
  for (const name of selected) {
    const needed = neededBy(info.tasks[name], all);
    if (needed !== null) missing.set(name, needed);
  }
  const ready = selected.filter((name) => !missing.has(name));
  const columns = columnsOf(ready.map((name) => info.tasks[name]));
  const row = Object.fromEntries(columns.map((column) => [column, all.get(column) ?? ""]));
  if (!ready.length) return { row, request: null, missing };
  const input = columns.length === 1 && columns[0] === "text_a" ? String(row.text_a) : row;
  const isAll = ready.length === Object.keys(info.tasks).length;
  return { row, request: isAll ? { inputs: [input] } : { inputs: [input], tasks: ready }, missing };
}

/** @param {Record<string, string>} written @returns {Map<string, string | string[]>} */
function rowOf(written) {
  const row = new Map(
    Object.entries(written)
      .filter(([, value]) => value.trim() !== "")
      .map(([column, value]) => {
        return [column, column === "choices" ? lines(value) : value];
      }),
  );
  // One text is enough for all tasks: the passage of a question is the text unless another one is written.
  if (!row.has("context") && row.has("text_a")) row.set("context", /** @type {string} */ (row.get("text_a")));
  return row;
}

/** @param {string} value */
function lines(value) {
  return value
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/**
 * What a task still needs, as a sentence; null if it can read the row.
 * @param {TaskInfo} task
 * @param {Map<string, string | string[]>} row
 */
function neededBy(task, row) {
  const fields = task.columns
    .filter((column) => !row.has(column))
    .map((column) => {
      return text("missing.field", { field: fieldName(column) });
    });
  const choices = row.get("choices");
  if (task.columns.includes("choices") && choices && choices.length < 2) fields.push(text("missing.choices"));
  if (fields.length) return text("missing", { fields: fields.join(text("separator")) });
  const isCloze = task.kind === "cloze" && !String(row.get("text_a") ?? MASK).includes(MASK);
  return isCloze ? text("missing.mask") : null;
}
