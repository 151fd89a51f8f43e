// Shows the charts of a report in the colours of its theme, and their numbers as tables.
"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const words = JSON.parse(document.getElementById("words").textContent);
  const themes = ["system", "light", "dark"];
  const plots = new Map([...document.querySelectorAll(".plot")].map((plot) => [plot, null]));
  const coarse = matchMedia("(pointer: coarse)").matches;
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);

  // A colour of the page as rgb(), which light-dark() has resolved.
  function colour(name) {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  function config(width) {
    const ink = colour("ink"), soft = colour("soft"), line = colour("line");
    const font = getComputedStyle(document.body).fontFamily;
    const series = [...Array(8).keys()].map((number) => colour(`series-${number}`));
    return {
      background: "transparent", font, aria: false, padding: 2,
      view: { stroke: null },
      axis: { domainColor: line, gridColor: line, gridOpacity: 0.6, tickColor: line, labelColor: soft, titleColor: soft,
        titleFontWeight: 400, labelFontSize: 11, titleFontSize: 11, labelPadding: 5, tickCount: 5 },
      axisX: { grid: false, labelFlush: true, labelOverlap: true },
      legend: { labelColor: ink, labelFontSize: 12, symbolStrokeWidth: 2.5, offset: 6, padding: 0,
        columns: width < 420 ? 2 : 3 },
      bar: { color: series[0] }, line: { color: series[0] }, point: { color: series[0] }, text: { color: ink },
      rule: { color: soft },
      range: {
        category: series,
        diverging: [colour("series-1"), colour("sunk"), colour("series-0")],
        heatmap: [colour("sunk"), colour("series-0")],
        ordinal: [colour("sunk"), colour("series-0")],
      },
    };
  }

  // A specification for this page: its colours, and no drag where a finger scrolls by it.
  function prepared(spec) {
    const names = { "page:far": colour("far"), "page:ink": colour("ink"), "page:soft": colour("soft"),
      "page:line": colour("line"), "page:accent": colour("accent") };
    const text = JSON.stringify(spec, (_, value) => (typeof value === "string" && names[value]) || value);
    const own = JSON.parse(text);
    if (coarse && own.params) own.params = own.params.filter((param) => param.bind !== "scales");
    return { autosize: { type: "fit", contains: "padding", resize: true }, ...own, width: "container" };
  }

  async function show(plot) {
    const before = plots.get(plot);
    if (before) before.finalize();
    // The plot is one picture with a label: what is inside it is not read out mark by mark.
    const inside = document.createElement("div");
    inside.setAttribute("aria-hidden", "true");
    plot.replaceChildren(inside);
    const spec = prepared(specs[Number(plot.dataset.chart)]);
    const tooltip = { disableDefaultStyle: true };
    plots.set(plot, await vegaEmbed(inside, spec,
      { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, tooltip, config: config(plot.clientWidth) }));
    plot.dataset.shown = "true";
  }

  const visible = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      visible.unobserve(entry.target);
      show(entry.target);
    }
  }, { rootMargin: "600px" });
  for (const plot of plots.keys()) visible.observe(plot);
  addEventListener("beforeprint", () => { for (const [plot, found] of plots) if (!found) show(plot); });

  // Numbers: the rows of a chart's data, made when they are first asked for.

  function table(rows) {
    const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const made = document.createElement("table");
    const head = made.createTHead().insertRow();
    for (const key of keys) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = words[key] || key;
      head.append(cell);
    }
    const body = made.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const key of keys) {
        const cell = line.insertCell();
        cell.textContent = row[key] ?? "";
        cell.dir = "auto";
        if (typeof row[key] === "number") cell.className = "number";
      }
    }
    return made;
  }

  for (const details of document.querySelectorAll(".numbers")) {
    details.addEventListener("toggle", () => {
      if (details.querySelector(".scroll")) return;
      const spec = specs[Number(details.dataset.chart)];
      const sets = Object.values(spec.datasets || {});
      if (spec.data && spec.data.values) sets.push(spec.data.values);
      const box = document.createElement("div");
      box.className = "scroll";
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      const part = details.closest(".part").querySelector("h2").textContent;
      box.setAttribute("aria-label", `${details.querySelector("summary").getAttribute("aria-label")}, ${part}`);
      box.append(...sets.map(table));
      details.append(box);
    });
  }

  const button = document.getElementById("theme"), shown = document.getElementById("theme-name");
  let theme = "system";
  try { theme = localStorage.getItem("palm-theme") || "system"; } catch { /* a page of a file may have no storage */ }

  function setTheme(name) {
    theme = themes.includes(name) ? name : "system";
    shown.textContent = words[theme];
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("palm-theme", theme); } catch { /* as above */ }
  }

  function showAgain() {
    for (const [plot, found] of plots) if (found) show(plot);
  }

  setTheme(theme);
  button.addEventListener("click", () => {
    setTheme(themes[(themes.indexOf(theme) + 1) % themes.length]);
    showAgain();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showAgain);
})();
