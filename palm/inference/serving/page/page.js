// The page: reads the model's description, sends what is written to all selected tasks, and shows what they answer.

import { Server, ServerError } from "./api.js";
import { showCode } from "./code.js";
import { byId, element } from "./dom.js";
import { Form, asWritten } from "./form.js";
import { limitsOf, modelName, showModel } from "./model.js";
import { columnsOf, fieldName, plan } from "./request.js";
import { showNothing, showRun, summarize } from "./results.js";
import { setUpLanguage, setUpTheme } from "./switches.js";
import { text } from "./texts.js";

/** @typedef {import("./api.js").Info} Info */
/** @typedef {import("./results.js").Run} Run */

const server = new Server();
const form = new Form(changed, selected, started);
/** @type {Info | null} */
let info = null;
/** @type {Run | null} The last run, which is shown. */
let run = null;
/** @type {string} What was written at the last run. */
let shownFor = "";
/** @type {AbortController | null} Of the request under way. */
let underway = null;

/** Read /info, and build the page for it. */
async function load() {
  clearNotice();
  byId("facts").textContent = text("loading");
  try {
    info = checked(await server.info());
    byId("token-form").hidden = true;
    show();
  } catch (error) {
    byId("facts").textContent = "";
    refuse(error, load);
  }
}

/** Write everything in the page's language. */
function show() {
  if (info === null) return;
  byId("work").hidden = false;
  showModel(info);
  form.show(info);
  // The words of what is missing are those of the language, so they are found anew.
  if (run === null) showNothing();
  else showRun(info, { ...run, plan: { ...run.plan, missing: planned(run.tasks, JSON.parse(shownFor)).missing } });
  changed();
}

/** @param {string[]} tasks @param {Record<string, string>} written */
function planned(tasks, written) {
  const known = /** @type {Info} */ (info);
  return plan(
    known,
    tasks.filter((name) => Object.hasOwn(known.tasks, name)),
    written,
  );
}

/** Predict what is written with all selected tasks. */
async function predict() {
  if (info === null) return;
  const tasks = form.tasks();
  const written = form.written();
  const found = planned(tasks, written);
  if (found.request === null) return nothing(tasks);
  underway?.abort();
  const own = (underway = new AbortController());
  clearNotice();
  byId("results").setAttribute("aria-busy", "true");
  byId("status").textContent = text("status.running");
  const start = performance.now();
  try {
    const answer = await server.predict(found.request, own.signal);
    if (!Array.isArray(answer.predictions)) throw new ServerError(200, JSON.stringify(answer).slice(0, 300));
    run = { plan: found, tasks, answer, elapsed: performance.now() - start };
    shownFor = JSON.stringify(written);
    showRun(info, run);
    changed();
    byId("status").textContent = summarize(info, run);
    scrollToResults();
    await reloadIfReplaced(answer.model);
  } catch (error) {
    if (underway !== own) return;
    byId("status").textContent = "";
    refuse(error, predict);
  } finally {
    if (underway === own) byId("results").removeAttribute("aria-busy");
  }
}

/** In a narrow window the predictions stand below the form. */
function scrollToResults() {
  if (byId("results").getBoundingClientRect().top < 0.8 * innerHeight) return;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("results").scrollIntoView({ behavior: isCalm ? "auto" : "smooth" });
}

/** The server may have loaded another model meanwhile: its description is read again. @param {any} model */
async function reloadIfReplaced(model) {
  if (info === null || typeof model?.global_step !== "number") return;
  const isSame = model.global_step === info.global_step && modelName(model) === modelName(info.model);
  if (isSame) return;
  info = checked(await server.info());
  notice("warning", [element("p", {}, text("reloaded"))]);
  show();
}

/** @param {Info} found @returns {Info} */
function checked(found) {
  if (typeof found?.tasks === "object" && found.tasks !== null) return found;
  throw new ServerError(200, JSON.stringify(found).slice(0, 300));
}

/** Tell what is missing before anything can be predicted. @param {string[]} tasks */
function nothing(tasks) {
  const columns = columnsOf(tasks.map((name) => /** @type {Info} */ (info).tasks[name]));
  const written = form.written();
  const fields = columns.map((column) => text("missing.field", { field: fieldName(column) })).join(text("separator"));
  const advice = tasks.length ? text("nothing.fields", { fields }) : text("nothing.tasks");
  notice("warning", [element("p", {}, text("nothing.title"), " ", advice)]);
  form.focus(columns.find((column) => (written[column] ?? "").trim() === ""));
}

/** A field has changed: the code follows, and predictions for another input say so. */
function changed() {
  if (info === null) return;
  const written = form.written();
  const { request } = planned(form.tasks(), written);
  showCode(request, server.needsToken, say);
  byId("stale").hidden = run === null || hasSameFields(JSON.parse(shownFor), written);
}

/**
 * Whether all fields that both have hold the same.
 * @param {Record<string, string>} one
 * @param {Record<string, string>} other
 */
function hasSameFields(one, other) {
  return Object.keys(other).every((column) => !Object.hasOwn(one, column) || one[column] === other[column]);
}

/** Tasks were switched on or off: the predictions follow if there are any. */
function selected() {
  const isStale = !byId("stale").hidden;
  changed();
  if (run === null || info === null) return;
  const tasks = form.tasks();
  const hasAll = tasks.every((name) => run?.tasks.includes(name));
  if (!hasAll && !isStale) return void predict();
  const shown = hasAll ? tasks : tasks.filter((name) => run?.tasks.includes(name));
  showRun(info, { ...run, tasks: shown });
  byId("stale").hidden = !isStale && hasAll;
}

/** @param {import("./api.js").Row} row */
function started(row) {
  form.write(asWritten(row));
  predict();
}

/** Empty the fields and the results; what was written can be brought back. */
function clear() {
  const written = form.written();
  if (Object.values(written).every((value) => value === "") && run === null) return;
  underway?.abort();
  underway = null;
  byId("status").textContent = "";
  byId("results").removeAttribute("aria-busy");
  run = null;
  form.write({});
  showNothing();
  const undo = () => {
    clearNotice();
    form.write(written);
    form.focus();
  };
  notice("quiet", [
    element("p", {}, text("cleared")),
    element("button", { type: "button", class: "link", click: undo }, text("undo")),
  ]);
  form.focus();
}

/**
 * Explain a refusal. A token is asked for, anything else can be tried again.
 * @param {any} error
 * @param {() => void} again
 */
function refuse(error, again) {
  if (!(error instanceof ServerError)) throw error;
  if (error.status === 401) return askForToken(again);
  const retry = element("button", { type: "button", class: "link", click: again }, text("retry"));
  notice("error", [...explanation(error), retry]);
}

/** @param {ServerError} error */
function explanation(error) {
  const { status, said, retryAfter } = error;
  if (status === 200) return [element("p", {}, text("error.shape", { said }))];
  const isTimed = status === 429 && /^\d+$/.test(retryAfter ?? "");
  const key = isTimed ? "error.429.seconds" : error.key;
  const limits = status === 413 ? limitsOf(info?.limits) : "";
  return [
    element("p", {}, text(key, { status, seconds: retryAfter ?? "" })),
    limits && element("p", {}, text("error.413.limits", { limits })),
    said && element("p", { class: "said" }, text("error.said", { said })),
  ];
}

/** @type {() => void} What to do once there is a token. */
let afterToken = load;

/** @param {() => void} again */
function askForToken(again) {
  afterToken = again;
  if (server.hasToken) notice("error", [element("p", {}, text("token.wrong"))]);
  server.setToken(null);
  byId("token-form").hidden = false;
  byId("token").focus();
}

/** @param {Event} event */
function useToken(event) {
  event.preventDefault();
  server.setToken(byId("token").value.trim());
  byId("token").value = "";
  byId("token-form").hidden = true;
  afterToken();
}

/** @param {string} kind @param {(Node | string | false | "")[]} content */
function notice(kind, content) {
  const shown = content.filter((part) => part !== "");
  byId("notice").replaceChildren(element("div", { class: `notice ${kind}` }, ...shown));
}

function clearNotice() {
  byId("notice").replaceChildren();
}

/** @param {string} message */
function say(message) {
  byId("status").textContent = message;
  notice("quiet", [element("p", { "aria-hidden": "true" }, message)]);
}

/** Ctrl+Enter runs, Escape clears; neither while an input method composes a word. @param {KeyboardEvent} event */
function pressed(event) {
  if (event.isComposing || event.keyCode === 229) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (event.target === byId("token")) byId("token-form").requestSubmit();
    else predict();
  } else if (event.key === "Escape") {
    clear();
  }
}

setUpTheme();
setUpLanguage(show);
byId("form").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  predict();
});
byId("clear").addEventListener("click", clear);
byId("token-form").addEventListener("submit", useToken);
document.addEventListener("keydown", pressed);
load();
