// The cards of the tasks: a prediction each, or why there is none.

import { byId, element } from "./dom.js";
import { metricsOf } from "./model.js";
import { counted, text } from "./texts.js";
import { kindName, viewFor } from "./views.js";

/**
 * @typedef {import("./api.js").Info} Info
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {import("./request.js").Plan} Plan
 * @typedef {{plan: Plan, tasks: string[], answer: Answer | null, elapsed: number}} Run
 */

/** Before the first run. */
export function showNothing() {
  byId("latency").textContent = "";
  byId("stale").hidden = true;
  byId("cards").replaceChildren(element("p", { class: "empty" }, text("results.empty")));
}

/** @param {Info} info @param {Run} run */
export function showRun(info, run) {
  byId("latency").textContent = run.answer === null ? "" : latency(run.answer.milliseconds, run.elapsed);
  byId("stale").hidden = true;
  const known = run.tasks.filter((name) => Object.hasOwn(info.tasks, name));
  byId("cards").replaceChildren(...known.map((name, place) => card(info, run, name, place)));
}

/** What screen readers say after a run. @param {Info} info @param {Run} run */
export function summarize(info, run) {
  const found = Object.entries(run.answer?.predictions?.[0] ?? {}).filter(([name]) => Object.hasOwn(info.tasks, name));
  const summaries = found.map(([name, prediction]) => {
    const task = info.tasks[name];
    if (isFailed(prediction)) return `${name}: ${text("failed")}`;
    return `${name}: ${viewFor(task.kind, prediction).summarize({ prediction, row: run.plan.row, task })}`;
  });
  return counted("status.done", found.length, { summaries: summaries.join(". ") });
}

/** @param {number | undefined} model @param {number} all */
function latency(model, all) {
  if (typeof model !== "number") return text("latency.all", { all: all.toFixed(0) });
  return text("latency", { model: model < 10 ? model.toFixed(1) : model.toFixed(0), all: all.toFixed(0) });
}

/** @param {any} prediction */
function isFailed(prediction) {
  return typeof prediction?.error === "string";
}

/** @param {Info} info @param {Run} run @param {string} name @param {number} place */
function card(info, run, name, place) {
  const task = info.tasks[name];
  const id = `card-${place}`;
  const head = element(
    "header",
    { class: "card-head" },
    element("h3", { id }, element("bdi", {}, name)),
    element("span", { class: "kind" }, kindName(task.kind)),
  );
  const metrics = metricsOf(task.metrics, 2);
  const foot = metrics !== "" && element("span", { class: "metrics" }, text("metrics", { metrics }));
  const prediction = run.answer?.predictions?.[0]?.[name];
  const needed = run.plan.missing.get(name);
  const content =
    needed === undefined ? predictionOf(prediction, run, task) : element("p", { class: "missing" }, needed);
  const raw = prediction !== undefined && rawJson(prediction);
  const attributes = { "class": needed === undefined ? "card" : "card waiting", "aria-labelledby": id };
  return element("article", attributes, head, content, element("footer", { class: "card-foot" }, foot, raw));
}

/** @param {any} prediction @param {Run} run @param {any} task @returns {HTMLElement} */
function predictionOf(prediction, run, task) {
  if (prediction === undefined || prediction === null) return element("p", { class: "failed" }, text("unanswered"));
  if (isFailed(prediction)) {
    return element("div", { class: "failed" }, element("p", {}, text("failed")), element("p", {}, prediction.error));
  }
  const shown = { prediction, row: run.plan.row, task };
  const view = viewFor(task.kind, prediction).draw(shown);
  return element("div", {}, prediction.truncated && element("p", { class: "note" }, text("truncated")), view);
}

/** The prediction as the server sent it, written when it is opened. @param {any} prediction */
function rawJson(prediction) {
  const json = element("pre", { tabindex: 0 });
  const fill = () => {
    json.textContent = JSON.stringify(prediction, null, 2);
  };
  return element("details", { class: "raw", toggle: fill }, element("summary", {}, text("raw")), json);
}
