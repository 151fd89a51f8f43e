// The model's facts, from /info.

import { byId, element } from "./dom.js";
import { counted, hasText, number, text } from "./texts.js";

/** @typedef {import("./api.js").Info} Info */

const FACTS = ["model", "version", "global_step", "runtime", "precision"];

/** The header, the title of the window and the table of the model's tasks. @param {Info} info */
export function showModel(info) {
  const name = modelName(info.model);
  byId("model").textContent = name;
  document.title = text("title", { model: name });
  const facts = [
    counted("fact.tasks", Object.keys(info.tasks).length),
    typeof info.global_step === "number" && text("fact.step", { step: number(info.global_step) }),
    info.runtime && text("fact.runtime", { runtime: info.runtime }),
    info.precision && precision(info.precision),
    info.version && `PALM ${info.version}`,
  ];
  const shown = facts.filter((fact) => typeof fact === "string" && fact !== "");
  byId("facts").replaceChildren(...shown.map((fact) => element("span", {}, String(fact))));
  byId("about-content").replaceChildren(factList(info), tasks(info));
  byId("about").hidden = false;
}

/** @param {any} model @returns {string} */
export function modelName(model) {
  if (typeof model === "string" && model !== "") return model;
  return typeof model?.name === "string" ? model.name : "PALM";
}

/**
 * Metrics in one line: `accuracy 0.913, macro_f1 0.9`. Those of several data sets have the data set's name before them.
 * @param {any} metrics
 * @param {number} [most]
 */
export function metricsOf(metrics, most = Infinity) {
  const entries = leaves(metrics).filter(([name]) => most === Infinity || !/(^|\.)loss$/.test(name));
  return entries
    .slice(0, most)
    .map(([name, value]) => `${name} ${number(value)}`)
    .join(text("separator"));
}

/** @param {any} value @param {string} [prefix] @returns {[string, unknown][]} */
function leaves(value, prefix = "") {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") return [[prefix, value]];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, prefix ? `${prefix}.${name}` : name));
}

/** @param {unknown} value */
function factText(value) {
  return typeof value === "number" ? number(value) : typeof value === "string" ? value : JSON.stringify(value);
}

/** `float32` of the server's `predicts in float32`. @param {string} described */
function precision(described) {
  return described.replace(/^predicts in /, "");
}

/** Limits in one line. @param {any} limits */
export function limitsOf(limits) {
  return leaves(limits)
    .map(([name, value]) => `${limitName(name)} ${factText(value)}`)
    .join(text("separator"));
}

/** @param {string} name */
function limitName(name) {
  return hasText(`limit.${name}`) ? text(`limit.${name}`) : name;
}

/** @param {Info} info */
function factList(info) {
  const known = FACTS.filter((name) => info[/** @type {keyof Info} */ (name)] !== undefined);
  const pairs = known.map((name) => {
    const value = factText(info[/** @type {keyof Info} */ (name)]);
    return [text(`about.${name}`), name === "model" ? modelName(info.model) : precision(value)];
  });
  const limits = limitsOf(info.limits);
  if (limits !== "") pairs.push([text("about.limits"), limits]);
  return element(
    "dl",
    { class: "facts-list" },
    ...pairs.map(([name, value]) => {
      return element("div", {}, element("dt", {}, name), element("dd", {}, value));
    }),
  );
}

/** @param {Info} info */
function tasks(info) {
  const heads = ["task", "paradigm", "columns", "labels", "metrics"];
  const head = heads.map((name) => element("th", { scope: "col" }, text(`about.${name}`)));
  const rows = Object.entries(info.tasks).map(([name, task]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("bdi", {}, name)),
      element("td", {}, task.paradigm),
      element("td", {}, task.columns.join(text("separator"))),
      element("td", {}, (task.labels ?? []).join(text("separator"))),
      element("td", {}, metricsOf(task.metrics)),
    ),
  );
  const table = element(
    "table",
    {},
    element("caption", { class: "unseen" }, text("about.tasks")),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows),
  );
  return element(
    "div",
    { "class": "table", "tabindex": 0, "role": "region", "aria-label": text("about.tasks") },
    table,
  );
}
