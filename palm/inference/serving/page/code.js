// The request in code, with buttons that copy it.

import { address } from "./api.js";
import { byId, element } from "./dom.js";
import { curlCommand, pythonCode } from "./snippets.js";
import { text } from "./texts.js";

/** @typedef {import("./api.js").Request} Request */

/**
 * Show a request as curl and Python; nothing without one.
 * @param {Request | null} request
 * @param {boolean} needsToken
 * @param {(message: string) => void} say Tells how copying went.
 */
export function showCode(request, needsToken, say) {
  byId("code").hidden = request === null;
  if (request === null) return;
  const url = address("predict");
  const note = needsToken ? [element("p", { class: "note" }, text("code.token"))] : [];
  byId("snippets").replaceChildren(
    snippet("curl", curlCommand(url, request, needsToken), say),
    snippet("Python", pythonCode(url, request, needsToken), say),
    ...note,
  );
}

/** @param {string} name @param {string} source @param {(message: string) => void} say */
function snippet(name, source, say) {
  const code = element("code", {}, source);
  const shown = element("pre", { "tabindex": 0, "role": "region", "aria-label": name }, code);
  const button = element(
    "button",
    {
      "type": "button",
      "class": "link",
      "aria-label": text("code.copy.label", { name }),
      "click": () => copy(source, code, say),
    },
    text("code.copy"),
  );
  const head = element("div", { class: "snippet-head" }, element("h3", {}, name), button);
  return element("div", { class: "snippet" }, head, shown);
}

/**
 * Browsers allow copying on https and on this machine alone. Elsewhere the code is selected.
 * @param {string} source
 * @param {HTMLElement} code
 * @param {(message: string) => void} say
 */
async function copy(source, code, say) {
  try {
    await navigator.clipboard.writeText(source);
    say(text("status.copied"));
  } catch {
    getSelection()?.selectAllChildren(code);
    say(text("code.select"));
  }
}
