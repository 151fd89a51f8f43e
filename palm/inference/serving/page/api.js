// The server: /info and /predict, and what its refusals mean.

import { currentLanguage } from "./texts.js";

/**
 * @typedef {{paradigm: string, kind: string, columns: string[], labels?: string[], metrics?: object}} TaskInfo
 * @typedef {{model?: any, version?: string, global_step?: number, runtime?: string, precision?: string,
 *     limits?: Record<string, unknown>, tasks: Record<string, TaskInfo>}} Info
 * @typedef {Record<string, any>} Prediction
 * @typedef {Record<string, string | string[]>} Row
 * @typedef {{inputs: (string | Row)[], tasks?: string[]}} Request
 * @typedef {{predictions: Record<string, Prediction>[], milliseconds?: number, model?: any}} Answer
 */

/** A refusal of the server, or no answer at all (status 0). */
export class ServerError extends Error {
  /**
   * @param {number} status
   * @param {string} said The server's own words.
   * @param {string | null} [retryAfter] Seconds until another try.
   */
  constructor(status, said, retryAfter = null) {
    super(said);
    this.status = status;
    this.said = said;
    this.retryAfter = retryAfter;
  }

  /** The key of its explanation in the texts. */
  get key() {
    const known = [0, 400, 408, 413, 422, 429, 503];
    if (known.includes(this.status)) return `error.${this.status}`;
    return this.status >= 500 ? "error.500" : "error.other";
  }
}

/** Address of a path of the server, also behind a proxy's prefix. @param {string} path */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

/** The connection to the server. The token is kept in memory alone, and forgotten when the page is closed. */
export class Server {
  /** @type {string | null} */
  #token = null;
  /** Whether the browser itself has asked for the token, as a password, when it loaded the page. */
  #isPassword = false;

  get hasToken() {
    return this.#token !== null;
  }

  /** Whether requests from elsewhere need a token. */
  get needsToken() {
    return this.hasToken || this.#isPassword;
  }

  /** @param {string | null} token */
  setToken(token) {
    this.#token = token;
  }

  /** @returns {Promise<Info>} */
  info() {
    return this.#ask("info");
  }

  /**
   * @param {Request} request
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  predict(request, signal) {
    return this.#ask("predict", { method: "POST", body: JSON.stringify(request), signal });
  }

  /** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
  async #ask(path, init = {}) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json", "Accept-Language": currentLanguage() };
    if (init.body) headers["Content-Type"] = "application/json";
    if (this.#token !== null) headers.Authorization = `Bearer ${this.#token}`;
    const credentials = this.#isPassword ? "same-origin" : "omit";
    const response = await fetch(address(path), { ...init, headers, credentials, cache: "no-store" }).catch(lost);
    const takesPassword = /\bBasic\b/i.test(response.headers.get("WWW-Authenticate") ?? "");
    if (response.status === 401 && takesPassword && !this.hasToken && !this.#isPassword) {
      this.#isPassword = true;
      return this.#ask(path, init);
    }
    const text = await response.text().catch(lost);
    if (!response.ok) throw new ServerError(response.status, said(text), response.headers.get("Retry-After"));
    try {
      return JSON.parse(text);
    } catch {
      throw new ServerError(response.status, text.slice(0, 300));
    }
  }
}

/**
 * A connection that was lost, before an answer or within it; a request that the page itself has ended stays one.
 * @param {any} error
 * @returns {never}
 */
function lost(error) {
  if (error.name === "AbortError") throw error;
  throw new ServerError(0, String(error.message ?? error));
}

/**
 * The message of a refusal: the field `error`, `detail` or `message` of a JSON answer, else its text.
 * @param {string} text
 * @returns {string}
 */
function said(text) {
  try {
    return message(JSON.parse(text));
  } catch {
    return text.slice(0, 300);
  }
}

/** @param {any} value @returns {string} */
function message(value) {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(message).join(" ");
  const found = value?.error ?? value?.detail ?? value?.message;
  if (found !== undefined) return message(found);
  // PALM's errors say where, the rule, what was found, and what to do.
  const parts = [value?.rule, value?.found, value?.advice].filter((part) => typeof part === "string");
  if (!parts.length) return JSON.stringify(value);
  return (typeof value.where === "string" ? `${value.where}: ` : "") + parts.join(" ");
}
