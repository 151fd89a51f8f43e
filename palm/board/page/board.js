// The board: which runs are chosen, which steps are visible, and when the server is asked again.
import { BoardChart } from "./chart.js";
import { Feed, ask } from "./feed.js";
import { showRuns } from "./list.js";
import { showTables } from "./tables.js";
import { currentLanguage, keep, kept, otherLanguage, setLanguage, shown, texts } from "./texts.js";

const at = (id) => document.getElementById(id);
const THEMES = ["system", "light", "dark"], COLOURS = 8, FIRST_CHOSEN = 3;
const LIVE_PAUSE = 1000, MOVE_PAUSE = 60, REST_PAUSE = 250, TABLES_PAUSE = 3000;

const state = {
  runs: [], most: 12, root: "", notes: [], isListed: false,
  chosen: new Map(), // key → number of its colour
  curves: {}, // key → what the server said last
  progress: {},
  range: null, // the visible steps; null for all of them, also new ones
  smoothing: Number(kept("palm-board-smoothing") ?? 0.9),
  theme: kept("palm-theme") || "system",
};
const charts = new Map();
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) charts.get(entry.target.dataset.key)?.seen(entry.isIntersecting);
}, { rootMargin: "200px" });
const feed = new Feed(heard, (now) => {
  at("connection").className = `connection ${now}`;
  at("connection").textContent = texts()[now];
  state.connection = now;
});

// --- which steps are visible

function lastStep() {
  const told = [...state.chosen.keys()].map((key) => state.progress[key]?.step || 0);
  return Math.max(1, ...told);
}

const visible = () => state.range || [0, lastStep()];

function setRange(range) {
  const end = lastStep();
  if (range) {
    const width = Math.max(8, Math.min(range[1] - range[0], end));
    const first = Math.max(-0.02 * width, Math.min(range[0], end - 0.5 * width));
    range = [first, first + width];
    if (width >= end && first <= 0) range = null;
  }
  state.range = range;
  if (!frame) frame = requestAnimationFrame(() => {
    frame = 0;
    for (const chart of charts.values()) chart.move(visible());
    showRange();
  });
  askForMore();
}

// What is beside the visible steps is there already: as long as that lasts, the rest is asked for when the chart rests.
function askForMore() {
  const [a, b] = visible(), loaded = state.loaded;
  const isThere = loaded && a >= loaded[0] && b <= loaded[1] && loaded[1] - loaded[0] < 5 * (b - a);
  if (isThere) { clearTimeout(timers.curves); timers.curves = 0; }
  later("curves", isThere ? REST_PAUSE : MOVE_PAUSE);
}

let frame = 0;

const moves = {
  pan: (steps) => setRange(visible().map((edge) => edge + steps)),
  shift: (part) => { const [a, b] = visible(); moves.pan((b - a) * part); },
  zoom: (factor, where = 0.5) => {
    const [a, b] = visible(), middle = a + (b - a) * where;
    setRange([middle - (middle - a) * factor, middle + (b - middle) * factor]);
  },
  reset: () => setRange(null),
};

function showRange() {
  const [a, b] = visible();
  at("range").textContent = state.chosen.size ? texts().steps(shown(Math.max(0, Math.round(a))), shown(Math.round(b))) : "";
}

// --- what is asked of the server, one question of a kind at a time

const questions = { curves: loadCurves, tables: loadTables };
const timers = {}, asking = {}, dueAt = {};

function later(name, pause) {
  const due = performance.now() + pause;
  if (timers[name] && dueAt[name] <= due) return;
  clearTimeout(timers[name]);
  dueAt[name] = due;
  timers[name] = setTimeout(() => run(name), pause);
}

async function run(name) {
  timers[name] = 0;
  if (asking[name]) { later(name, 50); return; }
  asking[name] = true;
  try {
    await questions[name]();
    if (state.failure) { state.failure = ""; showNotices(); }
  } catch (error) {
    // A lost connection is told by the stream, and followed by its events.
    if (!(error instanceof TypeError)) { state.failure = texts().failed(error.message); showNotices(); }
  } finally {
    asking[name] = false;
  }
}

async function loadCurves() {
  const keys = [...state.chosen.keys()].filter((key) => state.runs.some((each) => each.key === key));
  if (!keys.length) { state.curves = {}; showCharts(); return; }
  const [a, b] = visible(), margin = state.range ? b - a : 0;
  const first = Math.max(0, Math.floor(a - margin)), last = Math.ceil(b + margin);
  const buckets = Math.min(4000, Math.round(plotWidth() * (state.range ? 3 : 1)));
  const began = performance.now();
  state.curves = await ask(`curves?runs=${keys.join(",")}&first=${first}&last=${last}&buckets=${buckets}`);
  state.loaded = [first, last];
  state.pause = Math.max(LIVE_PAUSE, 5 * (performance.now() - began));
  for (const [key, told] of Object.entries(state.curves)) state.progress[key] = told;
  showCharts();
  showNotices();
}

const plotWidth = () => document.querySelector(".plot")?.clientWidth || 500;

async function loadTables() {
  const keys = [...state.chosen.keys()];
  showTables(at("tables"), keys.length ? await ask(`tables?runs=${keys.join(",")}&lang=${currentLanguage()}`) : []);
}

// --- what the server tells

function heard(name, content) {
  if (name === "runs") {
    Object.assign(state, { runs: content.runs, root: content.root, notes: content.notes, most: content.most });
    at("root").textContent = content.root.split("/").pop() || content.root;
    at("root").title = content.root;
    document.title = `${at("root").textContent} – PALM board`;
    if (!state.isListed && content.runs.length) { state.isListed = true; chooseFirst(); }
    forgetRemoved();
    showList();
    return;
  }
  for (const [key, told] of Object.entries(content)) state.progress[key] = told;
  showNotices();
  later("curves", document.hidden ? 10 * LIVE_PAUSE : state.isDrawn ? state.pause || LIVE_PAUSE : 0);
  later("tables", state.isDrawn ? TABLES_PAUSE : 0);
}

function forgetRemoved() {
  const gone = [...state.chosen.keys()].filter((key) => !state.runs.some((each) => each.key === key));
  for (const key of gone) state.chosen.delete(key);
  if (gone.length) changeChosen();
}

// --- which runs are chosen

function chooseFirst() {
  const named = new URLSearchParams(location.hash.slice(1)).get("runs");
  const latest = [...state.runs].sort((a, b) => (b.started || "").localeCompare(a.started || ""));
  const training = latest.filter((each) => each.state === "training").slice(0, FIRST_CHOSEN);
  const wanted = named === null ? (training.length ? training : latest.slice(0, 1)).map((each) => each.key) : named.split(",");
  for (const key of wanted.filter((each) => state.runs.some((run) => run.key === each)).slice(0, state.most)) {
    state.chosen.set(key, freeColour());
  }
  changeChosen();
}

function freeColour() {
  const used = new Set(state.chosen.values());
  const free = [...Array(COLOURS).keys()].find((number) => !used.has(number));
  return free ?? state.chosen.size % COLOURS;
}

function choose(key, box) {
  if (box.checked && state.chosen.size >= state.most) {
    box.checked = false;
    state.failure = texts().most(state.most);
    showNotices();
    return;
  }
  if (box.checked) state.chosen.set(key, freeColour());
  else state.chosen.delete(key);
  changeChosen();
}

function changeChosen() {
  const keys = [...state.chosen.keys()];
  history.replaceState(null, "", `#runs=${keys.join(",")}`);
  state.isDrawn = false;
  feed.open(keys);
  showList();
  later("curves", 0);
  later("tables", 0);
}

// --- what is shown

function showList() {
  showRuns(at("runs"), state.runs, at("search").value, (key) => state.chosen.get(key) ?? null, choose);
  at("count").textContent = state.runs.length;
  at("runs-note").textContent = state.notes.join(" ");
  showEmpty();
}

function showEmpty() {
  const words = texts();
  const text = !state.runs.length ? words.nothing : !state.chosen.size ? words.none : !charts.size ? words.waits : "";
  at("empty").hidden = !text;
  at("empty").textContent = text;
}

function showNotices() {
  const words = texts(), notices = state.failure ? [state.failure] : [];
  for (const key of state.chosen.keys()) {
    const told = state.progress[key];
    if (told?.full) notices.push(words.full(nameOf(key), shown(told.lines)));
    else if (told && told.read < 0.995) notices.push(words.reading(nameOf(key), `${Math.round(100 * told.read)} %`));
  }
  at("notice").hidden = !notices.length;
  const text = notices.join(" · ");
  if (at("notice").textContent !== text) at("notice").textContent = text;
}

const nameOf = (key) => state.runs.find((each) => each.key === key)?.name || key;

// The charts that the chosen runs have, in order: section → chart → lines.
function plan() {
  const words = texts(), sections = new Map(), several = state.chosen.size > 1;
  for (const [key, colour] of state.chosen) {
    const counts = new Map();
    for (const line of state.curves[key]?.lines || []) {
      const section = line.task || "";
      // The loss on dev rows stands beside that of training, dashed.
      const isDevLoss = line.kind === "dev" && line.metric === "loss";
      const name = isDevLoss ? `loss|${line.task}|` : [line.kind, line.task, line.metric].join("|");
      const title = isDevLoss ? words.kinds.loss : line.kind === "dev" ? `${words.dev}: ${line.metric}` : words.kinds[line.kind];
      if (!sections.has(section)) sections.set(section, new Map());
      if (!sections.get(section).has(name)) sections.get(section).set(name, { title, lines: [] });
      const number = counts.get(name) || 0;
      counts.set(name, number + 1);
      const parts = [several || !(line.name || line.kind === "loss" || isDevLoss) ? nameOf(key) : "", line.name,
        isDevLoss ? words.dev : line.kind === "loss" && !several ? words.training : ""];
      const label = parts.filter(Boolean).join(" · ");
      const own = several || !line.name ? { colour, dash: number } : { colour: number % COLOURS, dash: Math.floor(number / COLOURS) };
      sections.get(section).get(name).lines.push({ ...line, ...own, label });
    }
  }
  return new Map([...sections].sort(([a], [b]) => (a === "") - (b === "")));
}

function showCharts() {
  const sections = plan(), used = new Set(), place = at("charts");
  const parts = [...sections].map(([task, planned]) => {
    const part = sectionOf(task, place);
    const figures = [...planned].map(([key, { title, lines }]) => {
      used.add(key);
      const chart = chartOf(key, title);
      chart.show(lines, visible(), state.smoothing);
      return chart.figure;
    });
    arrange(part.querySelector(".charts"), figures);
    return part;
  });
  arrange(place, parts);
  for (const [key, chart] of charts) {
    if (!used.has(key)) { seen.unobserve(chart.figure); chart.chart?.destroy(); charts.delete(key); }
  }
  if (charts.size) state.isDrawn = true;
  showRange();
  showEmpty();
}

function chartOf(key, title) {
  if (!charts.has(key)) {
    const chart = new BoardChart(key, title, moves);
    chart.figure.dataset.key = key;
    charts.set(key, chart);
    seen.observe(chart.figure);
    sizes.observe(chart.plot);
  }
  charts.get(key).caption.textContent = title;
  return charts.get(key);
}

const sizes = new ResizeObserver(() => { for (const chart of charts.values()) chart.resize(); });

function sectionOf(task, place) {
  const known = [...place.children].find((each) => each.dataset.task === task);
  const part = known || document.createElement("section");
  if (!known) {
    part.className = "part";
    part.dataset.task = task;
    part.innerHTML = '<h2 dir="auto"></h2><div class="charts"></div>';
  }
  part.querySelector("h2").textContent = task || texts().ofRun;
  return part;
}

// Makes these the children of a place, moving only those that are elsewhere.
function arrange(place, children) {
  children.forEach((child, index) => {
    if (place.children[index] !== child) place.insertBefore(child, place.children[index] || null);
  });
  while (place.children.length > children.length) place.lastElementChild.remove();
}

function setTheme() {
  if (state.theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = state.theme;
  at("theme").textContent = texts().theme[state.theme];
  for (const chart of charts.values()) chart.restyle();
}

function setWords(language) {
  setLanguage(language);
  at("language").textContent = texts().language;
  at("language").lang = language === "zh" ? "en" : "zh-CN";
  at("connection").textContent = texts()[state.connection || "waiting"];
  at("search").placeholder = texts().search;
  setTheme();
  showList();
  showCharts();
  showNotices();
}

function begin() {
  at("smoothing").value = state.smoothing;
  at("smoothing").addEventListener("input", (event) => {
    state.smoothing = Number(event.target.value);
    keep("palm-board-smoothing", state.smoothing);
    showCharts();
  });
  at("search").addEventListener("input", showList);
  at("earlier").addEventListener("click", () => moves.shift(-0.3));
  at("later").addEventListener("click", () => moves.shift(0.3));
  at("closer").addEventListener("click", () => moves.zoom(0.5));
  at("wider").addEventListener("click", () => moves.zoom(2));
  at("all").addEventListener("click", moves.reset);
  at("theme").addEventListener("click", () => {
    state.theme = THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length];
    keep("palm-theme", state.theme);
    setTheme();
  });
  at("language").addEventListener("click", () => {
    const name = otherLanguage();
    keep("palm-language", name);
    history.replaceState(null, "", location.pathname + location.hash); // a `lang` of the address is no longer asked for
    setWords(name);
    feed.open([...state.chosen.keys()]);
    later("tables", 0);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setTheme);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) later("curves", 0); });
  const chosen = new URLSearchParams(location.search).has("lang") ? null : kept("palm-language");
  setWords(chosen || document.documentElement.lang.slice(0, 2)); // that of the page: the server has chosen it
  feed.open([]);
}

begin();
