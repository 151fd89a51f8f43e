// A chart: lines of several runs over the global step, drawn by uPlot.
import { shown } from "./texts.js";

const SMOOTHED = new Set(["loss", "speed", "data_wait", "cosine"]);
const DASHES = [[], [6, 4], [2, 3]];
const AXIS = 52;
export const HEIGHT = 220;

let probe = null;

// A colour of the page as rgb(), which light-dark() has resolved.
function colour(name) {
  if (!probe) {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

const faint = (rgb, alpha) => rgb.replace("rgb(", "rgba(").replace(")", `, ${alpha})`);

// The exponential moving average, without a bias towards its beginning.
function smoothed(values, keep) {
  let total = 0, weight = 0;
  return values.map((value) => {
    total = keep * total + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return total / weight;
  });
}

export class BoardChart {
  // `moves` is told how the reader moves: { pan(steps), zoom(factor, at), reset() }.
  constructor(key, title, moves) {
    this.key = key;
    this.moves = moves;
    this.figure = document.createElement("figure");
    this.figure.className = "panel chart";
    this.caption = document.createElement("figcaption");
    this.caption.textContent = title;
    this.caption.dir = "auto";
    this.legend = document.createElement("div");
    this.legend.className = "legend";
    this.plot = document.createElement("div");
    this.plot.className = "plot";
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "group");
    this.plot.setAttribute("aria-describedby", "help");
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.figure.append(this.caption, this.legend, this.plot, this.tip);
    this.shape = "";
    this.isSeen = false;
    this.listen();
  }

  // `lines`: { kind, name, label, colour, dash, s, v, lo, hi, best } each.
  show(lines, range, keep) {
    this.lines = lines;
    this.range = range;
    this.keep = keep;
    this.isStale = true;
    if (this.isSeen) this.draw();
  }

  move(range) {
    this.range = range;
    if (this.isSeen && this.chart && !this.isStale) this.chart.setScale("x", { min: range[0], max: range[1] });
    else this.isStale = true;
  }

  seen(isSeen) {
    this.isSeen = isSeen;
    if (isSeen && this.isStale && this.lines) this.draw();
  }

  resize() {
    if (this.chart) this.chart.setSize({ width: this.plot.clientWidth, height: HEIGHT });
  }

  restyle() {
    this.shape = "";
    this.isStale = true;
    if (this.isSeen && this.lines) this.draw();
  }

  draw() {
    this.isStale = false;
    const shape = this.lines.map((line) => [line.label, line.colour, line.dash, line.kind].join()).join("|");
    const tables = this.lines.map((line) => this.columns(line));
    const data = tables.length > 1 ? uPlot.join(tables) : tables[0];
    if (shape !== this.shape || !this.chart) this.build(shape, data);
    else this.chart.setData(data, false);
    this.chart.setScale("x", { min: this.range[0], max: this.range[1] });
    this.describe();
  }

  columns(line) {
    if (!SMOOTHED.has(line.kind)) return [line.s, line.v];
    const none = line.s.map(() => null);
    const mean = this.keep ? smoothed(line.v, this.keep) : line.v;
    return line.lo ? [line.s, none, line.hi, line.lo, mean] : [line.s, line.v, none, none, mean];
  }

  build(shape, data) {
    this.shape = shape;
    if (this.chart) this.chart.destroy();
    const series = [{}], bands = [];
    this.heads = [];
    for (const line of this.lines) {
      const ink = colour(`series-${line.colour}`), dash = DASHES[line.dash % DASHES.length];
      if (SMOOTHED.has(line.kind)) {
        series.push({ stroke: faint(ink, 0.35), width: 1, spanGaps: true, points: { show: false } });
        bands.push({ series: [series.length, series.length + 1], fill: faint(ink, 0.18) });
        const edge = { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } };
        series.push({ ...edge }, { ...edge });
      }
      this.heads.push(series.length);
      const points = line.kind === "dev" ? { size: 5, fill: ink, show: line.s.length < 60 } : { show: false };
      series.push({ stroke: ink, width: 2, spanGaps: true, points, dash, label: line.label });
    }
    this.chart = new uPlot({
      width: this.plot.clientWidth, height: HEIGHT, series, bands, legend: { show: false }, padding: [10, 12, 0, 0],
      scales: { x: { time: false, auto: false, range: (_, low, high) => [low, high] } },
      axes: [this.axis({ values: (_, ticks) => ticks.map(short), size: 28, grid: { show: false } }),
        this.axis({ values: (_, ticks) => ticks.map(shown), size: AXIS })],
      cursor: { drag: { x: false, y: false, setScale: false }, sync: { key: "board", scales: ["x", null] }, y: false,
        points: { show: false } },
      hooks: { setCursor: [() => this.point()], draw: [(chart) => this.mark(chart)] },
    }, data, this.plot);
  }

  axis(own) {
    const line = colour("line");
    return { stroke: colour("soft"), font: `11px ${getComputedStyle(document.body).fontFamily}`, gap: 5,
      grid: { stroke: faint(line, 0.7), width: 1 }, ticks: { stroke: line, size: 4 }, ...own };
  }

  // Circles around the best evaluations.
  mark(chart) {
    const pen = chart.ctx, scale = devicePixelRatio;
    for (const line of this.lines) {
      if (!line.best || line.best[0] < this.range[0] || line.best[0] > this.range[1]) continue;
      pen.beginPath();
      pen.strokeStyle = colour(`series-${line.colour}`);
      pen.lineWidth = 2.5 * scale;
      pen.arc(chart.valToPos(line.best[0], "x", true), chart.valToPos(line.best[1], "y", true), 6 * scale, 0, 7);
      pen.stroke();
    }
  }

  describe() {
    const ends = this.lines.filter((line) => line.v.length).map((line) => `${line.label}: ${shown(line.v.at(-1))}`);
    this.plot.setAttribute("aria-label", `${this.caption.textContent}. ${ends.slice(0, 12).join("; ")}`);
    this.legend.replaceChildren(...(this.lines.length > 1 ? this.lines : []).map((line) => {
      const entry = document.createElement("span");
      entry.className = `colour-${line.colour} dash-${line.dash % DASHES.length}`;
      entry.textContent = line.label;
      entry.dir = "auto";
      return entry;
    }));
  }

  // The values at the pointer, in the chart that it is over.
  point() {
    const chart = this.chart, left = chart.cursor.left;
    if (!this.isOver || left < 0 || this.isMoving) { this.tip.hidden = true; return; }
    const at = chart.posToVal(left, "x");
    const near = this.lines.map((line) => [line, nearest(line.s, at)]).filter(([, index]) => index >= 0);
    if (!near.length) { this.tip.hidden = true; return; }
    const step = near.map(([line, index]) => line.s[index]).reduce((a, b) => (Math.abs(b - at) < Math.abs(a - at) ? b : a));
    this.tip.replaceChildren(row("", step.toLocaleString("en"), "step"), ...near.slice(0, 12).map(([line, index]) =>
      row(line.label, line.lo ? `${shown(line.v[index])}  (${shown(line.lo[index])} – ${shown(line.hi[index])})`
        : shown(line.v[index]), `colour-${line.colour}`)));
    this.tip.hidden = false;
    const width = this.figure.clientWidth, x = left + AXIS + 26;
    this.tip.style.left = `${Math.max(4, x + this.tip.offsetWidth > width - 4 ? x - this.tip.offsetWidth - 36 : x)}px`;
    this.tip.style.top = `${this.plot.offsetTop + 14}px`;
  }

  listen() {
    const plot = this.plot;
    let from = null;
    plot.addEventListener("pointerenter", () => { this.isOver = true; });
    plot.addEventListener("pointerleave", () => { this.isOver = false; this.tip.hidden = true; });
    plot.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      from = event.clientX;
      plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("pointermove", (event) => {
      if (from === null || !this.chart) return;
      this.isMoving = true;
      plot.classList.add("moving");
      const perPixel = (this.range[1] - this.range[0]) / (this.chart.over.clientWidth || 1);
      this.moves.pan((from - event.clientX) * perPixel);
      from = event.clientX;
    });
    for (const name of ["pointerup", "pointercancel"]) {
      plot.addEventListener(name, () => { from = null; this.isMoving = false; plot.classList.remove("moving"); });
    }
    plot.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      const box = this.chart.over.getBoundingClientRect();
      const turned = event.deltaY || event.deltaX;
      this.moves.zoom(Math.exp(Math.sign(turned) * 0.25), (event.clientX - box.left) / box.width);
    }, { passive: false });
    plot.addEventListener("dblclick", () => this.moves.reset());
    plot.addEventListener("keydown", (event) => {
      const does = { ArrowLeft: () => this.moves.shift(-0.2), ArrowRight: () => this.moves.shift(0.2),
        "+": () => this.moves.zoom(0.6), "=": () => this.moves.zoom(0.6), "-": () => this.moves.zoom(1.6),
        0: () => this.moves.reset() }[event.key];
      if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      does();
    });
  }
}

function row(name, value, kind) {
  const made = document.createElement("p");
  made.className = kind;
  for (const text of [name, value]) {
    const part = document.createElement("span");
    part.textContent = text;
    part.dir = "auto";
    made.append(part);
  }
  return made;
}

function short(value) {
  if (!Number.isInteger(value)) return "";
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`;
  return value >= 1e4 ? `${Number((value / 1e3).toPrecision(4))}k` : String(value);
}

// The index of the nearest of increasing numbers; -1 without any.
function nearest(numbers, wanted) {
  let low = 0, high = numbers.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - numbers[low - 1] < numbers[low] - wanted ? low - 1 : high < 0 ? -1 : low;
}
