// Creating elements. Data become text nodes and attribute values, never markup.

/**
 * An element. A string child becomes a text node; null and false are left out.
 * @param {string} name
 * @param {Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>} [attributes]
 *     Values of attributes: true is an attribute without a value, false and null none. A function listens to an event.
 * @param {...(Node | string | null | false | undefined)} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * The element of index.html with this id.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Text for screen readers alone.
 * @param {string} text
 */
export function unseen(text) {
  return element("span", { class: "unseen" }, text);
}

/**
 * A bar of a length from 0 to 1. It says nothing to screen readers: its number stands beside it as text.
 * @param {number | null} share
 * @param {boolean} isChosen
 */
export function bar(share, isChosen) {
  const fill = element("span", { class: "bar-fill" });
  // Set by script: the page's policy forbids style attributes.
  fill.style.setProperty("--share", String(Math.min(1, Math.max(0, share ?? 0))));
  return element("span", { "class": isChosen ? "bar chosen" : "bar", "aria-hidden": "true" }, fill);
}

/**
 * A text to be read, in which marks stand; `dir` is that of the text itself.
 * @param {string} label What the text is, for screen readers.
 * @param {...(Node | string)} children
 */
export function readable(label, ...children) {
  const node = element(
    "div",
    { "class": "readable", "dir": "auto", "role": "group", "aria-label": label },
    ...children,
  );
  return node;
}
