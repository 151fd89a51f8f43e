// The list of runs, from which the reader chooses.
import { shown, texts } from "./texts.js";

const rows = new Map();

// Shows the runs, those that train first; `colourOf(key)` is null for those that are not chosen.
export function showRuns(place, runs, search, colourOf, choose) {
  const wanted = search.trim().toLowerCase();
  const ranked = [...runs].sort((a, b) => (b.state === "training") - (a.state === "training")
    || (b.started || "").localeCompare(a.started || "") || a.name.localeCompare(b.name));
  const chosen = ranked.filter((run) => run.name.toLowerCase().includes(wanted)
    || run.tasks.some((task) => task.toLowerCase().includes(wanted)));
  const made = chosen.map((run) => fill(row(run.key, choose), run, colourOf(run.key)));
  for (const key of rows.keys()) if (!runs.some((run) => run.key === key)) rows.delete(key);
  // Rows are moved only where their order differs: the focus stays.
  made.forEach((element, index) => {
    if (place.children[index] !== element) place.insertBefore(element, place.children[index] || null);
  });
  while (place.children.length > made.length) place.lastElementChild.remove();
}

function row(key, choose) {
  if (rows.has(key)) return rows.get(key);
  const made = document.createElement("li"), label = document.createElement("label");
  label.className = "run";
  label.innerHTML = '<input type="checkbox"><span class="run-name"><span class="swatch" hidden></span><bdi></bdi></span>'
    + '<span class="run-about"><span class="state"></span> <span class="far"></span></span>'
    + '<span class="run-about bests"></span><span class="run-bar" hidden aria-hidden="true"><div></div></span>';
  label.querySelector("input").addEventListener("change", (event) => choose(key, event.target));
  made.append(label);
  rows.set(key, made);
  return made;
}

function fill(element, run, colour) {
  const words = texts(), find = (name) => element.querySelector(name);
  find(".run").className = colour === null ? "run" : `run colour-${colour}`;
  find("input").checked = colour !== null;
  find(".swatch").hidden = colour === null;
  find("bdi").textContent = run.name;
  find(".state").className = `state ${run.state}`;
  find(".state").textContent = words.states[run.state];
  const far = `${words.step} ${shown(run.step)}${run.total ? ` ${words.of} ${shown(run.total)}` : ""}`;
  find(".far").textContent = run.processes > 1 ? `${far} · ${run.processes} ${words.ranks}` : far;
  find(".bests").textContent = run.best.map((best) => `${best.task} ${shown(best.value)}`).join(" · ");
  find(".run-bar").hidden = run.state !== "training" || !run.total;
  find(".run-bar > div").style.width = `${Math.min(100, (100 * run.step) / (run.total || 1))}%`;
  return element;
}
