// The tables of the chosen runs, as `palm report` has them. What a reader has opened or closed stays so.
import { shown, texts } from "./texts.js";

const open = new Map();

export function showTables(place, sections) {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.anchor : null;
  place.replaceChildren(...sections.map(part));
  const again = focused && place.querySelector(`[data-anchor="${CSS.escape(focused)}"]`);
  if (again) again.focus({ preventScroll: true });
}

function part(section) {
  const made = document.createElement("section");
  made.className = "part";
  const title = document.createElement("h2");
  title.id = `section-${section.key}`;
  title.textContent = texts().sections[section.key] || section.title;
  made.setAttribute("aria-labelledby", title.id);
  made.append(title, ...section.blocks.map((block, index) => (block.rows ? table(block, `${section.key}-${index}`) : note(block))));
  return made;
}

function note(block) {
  const made = document.createElement("p");
  made.className = block.is_note ? "note" : "remark";
  made.dir = "auto";
  made.textContent = block.text;
  return made;
}

const isNumber = (cell) => cell === null || typeof cell === "number" || /^(–|[-+]?[\d.]+%?)$/.test(cell);

function table(block, anchor) {
  const made = document.createElement("details"), summary = document.createElement("summary");
  made.className = "panel table";
  made.open = open.has(block.title) ? open.get(block.title) : !block.is_folded;
  made.addEventListener("toggle", () => open.set(block.title, made.open));
  summary.id = anchor;
  summary.dataset.anchor = anchor;
  summary.dir = "auto";
  summary.textContent = block.title;
  const box = document.createElement("div");
  box.className = "scroll";
  box.tabIndex = 0;
  box.dataset.anchor = `${anchor}-box`;
  box.setAttribute("role", "region");
  box.setAttribute("aria-labelledby", anchor);
  box.append(rowsOf(block));
  made.append(summary, box);
  return made;
}

function rowsOf(block) {
  const made = document.createElement("table");
  const numbers = block.header.map((_, column) => block.rows.some((row) => row[column] !== null)
    && block.rows.every((row) => isNumber(row[column])));
  const best = new Set(block.best.map(([row, column]) => `${row},${column}`));
  const head = made.createTHead().insertRow();
  block.header.forEach((name, column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.dir = "auto";
    cell.textContent = name;
    if (numbers[column]) cell.className = "number";
    head.append(cell);
  });
  const body = made.createTBody();
  block.rows.forEach((row, at) => {
    const line = body.insertRow();
    row.forEach((value, column) => {
      const cell = line.insertCell();
      cell.dir = "auto";
      cell.textContent = typeof value === "number" ? shown(value) : value ?? "";
      if (numbers[column]) cell.classList.add("number");
      if (best.has(`${at},${column}`)) cell.classList.add("best");
    });
  });
  return made;
}
