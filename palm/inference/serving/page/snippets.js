// The same request as a command of curl and as Python code, correctly quoted whatever the texts are.

/** @typedef {import("./api.js").Request} Request */

// Control characters, and blanks and marks that look like others or change how code around them is displayed or parsed.
const INVISIBLE = /[\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\ufeff]/g;

/**
 * JSON in which every invisible character is escaped. It is a valid Python literal too, as it has no true or null.
 * @param {unknown} value
 * @param {number} [indent]
 */
export function visibleJson(value, indent) {
  return JSON.stringify(value, null, indent).replace(INVISIBLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** A word of a POSIX shell. Nothing is special within '…' but the mark itself. @param {string} text */
export function shellWord(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * @param {string} url
 * @param {Request} request
 * @param {boolean} needsToken
 */
export function curlCommand(url, request, needsToken) {
  const token = needsToken ? [`  -H "Authorization: Bearer $PALM_TOKEN" \\`] : [];
  return [
    `curl ${shellWord(url)} \\`,
    ...token,
    `  -H 'Content-Type: application/json' \\`,
    `  --data-raw ${shellWord(visibleJson(request))}`,
  ].join("\n");
}

/**
 * @param {string} url
 * @param {Request} request
 * @param {boolean} needsToken
 */
export function pythonCode(url, request, needsToken) {
  const token = needsToken ? [`    headers={"Authorization": f"Bearer {os.environ['PALM_TOKEN']}"},`] : [];
  return [
    ...(needsToken ? ["import os", ""] : []),
    "import requests",
    "",
    "answer = requests.post(",
    `    ${visibleJson(url)},`,
    ...token,
    `    json=${visibleJson(request, 4).replaceAll("\n", "\n    ")},`,
    "    timeout=60,",
    ")",
    "answer.raise_for_status()",
    'for task, prediction in answer.json()["predictions"][0].items():',
    "    print(task, prediction)",
  ].join("\n");
}
