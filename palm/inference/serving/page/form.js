// The form: a field for each column that the selected tasks read, and the tasks to switch on and off.

import { byId, element, unseen } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { columnsOf, fieldName } from "./request.js";
import { currentLanguage, hasText, text } from "./texts.js";
import { kindName } from "./views.js";
import { MASK } from "./view_cloze.js";

/** @typedef {import("./api.js").Info} Info */
/** @typedef {import("./api.js").Row} Row */

const ROWS = { text_a: 4, context: 2, choices: 3 };

export class Form {
  /** @type {Map<string, HTMLTextAreaElement>} Fields by column. */
  #fields = new Map();
  /** @type {Map<string, HTMLInputElement>} Check boxes by task. */
  #boxes = new Map();
  /** @type {Info | null} */
  #info = null;

  /**
   * @param {() => void} changed Called after every change of a field.
   * @param {() => void} selected Called after every change of the selected tasks.
   * @param {(row: Row) => void} started Called with an example.
   */
  constructor(changed, selected, started) {
    this.changed = changed;
    this.selected = selected;
    this.started = started;
  }

  /** Build the form for a model, keeping what is written and switched off. @param {Info} info */
  show(info) {
    const written = Object.fromEntries([...this.#fields].map(([column, field]) => [column, field.value]));
    const off = new Set([...this.#boxes].filter(([, box]) => !box.checked).map(([name]) => name));
    this.#info = info;
    this.#fields.clear();
    this.#boxes.clear();
    byId("fields").replaceChildren(...columnsOf(Object.values(info.tasks)).map((column) => this.#field(column)));
    const legend = byId("tasks").querySelector("legend");
    byId("tasks").replaceChildren(legend, ...Object.keys(info.tasks).map((name) => this.#task(name, !off.has(name))));
    this.write(written);
    this.#showFields();
    this.#showExamples();
  }

  /** @returns {string[]} Names of the selected tasks. */
  tasks() {
    return [...this.#boxes].filter(([, box]) => box.checked).map(([name]) => name);
  }

  /** @returns {Record<string, string>} The content of the visible fields, by column. */
  written() {
    const visible = [...this.#fields].filter(([, field]) => !field.closest(".field")?.hasAttribute("hidden"));
    return Object.fromEntries(visible.map(([column, field]) => [column, field.value]));
  }

  /** Fill the fields; those that are not named become empty. @param {Record<string, string>} written */
  write(written) {
    for (const [column, field] of this.#fields) field.value = Object.hasOwn(written, column) ? written[column] : "";
    this.changed();
  }

  /** @param {string} [column] The field to go to, by default the first. */
  focus(column) {
    const field = column === undefined ? undefined : this.#fields.get(column);
    (field ?? [...this.#fields.values()][0])?.focus();
  }

  /** @param {string} column */
  #field(column) {
    const id = `field-${this.#fields.size}`;
    const hint = hasText(`hint.${column}`) ? this.#hint(column) : null;
    const attributes = { id, rows: /** @type {Record<string, number>} */ (ROWS)[column] ?? 1, dir: "auto" };
    const described = hint === null ? {} : { "aria-describedby": `${id}-hint` };
    const listeners = { input: () => this.changed() };
    const area = element("textarea", { ...attributes, ...described, ...listeners, spellcheck: "false" });
    this.#fields.set(column, /** @type {HTMLTextAreaElement} */ (area));
    if (hint !== null) hint.id = `${id}-hint`;
    const label = element("label", { for: id }, fieldName(column));
    const head = element("div", { class: "field-head" }, label, hint, column === "text_a" && this.#maskButton(column));
    return element("div", { "class": "field", "data-column": column }, head, area);
  }

  /** @param {string} column @returns {HTMLElement | null} */
  #hint(column) {
    // The passage can only be the text where a field for it exists.
    const isUsed = column !== "context" || this.#fields.has("text_a");
    return isUsed ? element("span", { class: "hint" }, text(`hint.${column}`)) : null;
  }

  /** @param {string} column */
  #maskButton(column) {
    const insert = () => {
      const field = /** @type {HTMLTextAreaElement} */ (this.#fields.get(column));
      field.setRangeText(MASK, field.selectionStart, field.selectionEnd, "end");
      field.focus();
      this.changed();
    };
    const attributes = { "type": "button", "class": "link mask", "aria-label": text("mask.label"), "click": insert };
    return element("button", attributes, text("mask.insert"));
  }

  /** @param {string} name @param {boolean} isOn */
  #task(name, isOn) {
    const info = /** @type {Info} */ (this.#info).tasks[name];
    const change = () => {
      this.#showFields();
      this.selected();
    };
    const box = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", checked: isOn, change }));
    this.#boxes.set(name, box);
    const kind = element("span", { class: "kind" }, kindName(info.kind));
    return element("label", { class: "task" }, box, element("bdi", { class: "task-name" }, name), unseen(", "), kind);
  }

  #showFields() {
    const tasks = this.tasks().map((name) => /** @type {Info} */ (this.#info).tasks[name]);
    const read = new Set(columnsOf(tasks));
    for (const [column, field] of this.#fields) field.closest(".field")?.toggleAttribute("hidden", !read.has(column));
    const hasCloze = tasks.some((task) => task.kind === "cloze");
    for (const button of byId("fields").querySelectorAll(".mask")) button.hidden = !hasCloze;
    byId("fields")
      .querySelectorAll(".hint")
      .forEach((/** @type {HTMLElement} */ hint) => {
        const isOfPassage = hint.closest(".field")?.getAttribute("data-column") === "context";
        hint.hidden = isOfPassage && !read.has("text_a");
      });
  }

  #showExamples() {
    const hasCloze = Object.values(/** @type {Info} */ (this.#info).tasks).some((task) => task.kind === "cloze");
    const own = currentLanguage();
    const other = own === "en" ? "zh" : "en";
    const rows = [...EXAMPLES[own].map((row) => ({ row, lang: own })), { row: EXAMPLES[other][1], lang: other }];
    const shown = rows.filter(({ row }) => hasCloze || !String(row.text_a).includes(MASK));
    byId("examples").replaceChildren(
      ...shown.map(({ row, lang }) => {
        const attributes = { type: "button", class: "example", lang, click: () => this.started(row) };
        return element("li", {}, element("button", attributes, String(row.text_a)));
      }),
    );
  }
}

/** An example's row as the content of fields. @param {Row} row @returns {Record<string, string>} */
export function asWritten(row) {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      return [column, Array.isArray(value) ? value.join("\n") : value];
    }),
  );
}
