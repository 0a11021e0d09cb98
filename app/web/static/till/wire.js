"use strict";
// Speaks to the service. A write is done once, whatever happens to the network or the page:
// its key is kept in the browser's storage from before it is sent until its answer is known.
// While one is open nothing else is sent; its answer is asked for by key, also after a reload.

const STORE = "passerelle.till.open.";
const HEADERS = { "X-Passerelle-Till": "1", Accept: "application/json" };
const PATIENCE = 5000;
const PAUSES = [500, 1000, 2000, 3000, 5000];
// Answers that say nothing about what became of the request.
const UNKNOWN = new Set([401, 408, 409, 425, 429, 500, 502, 503, 504]);

export class Ended extends Error {}
export class Silent extends Error {}
export class Fault extends Error {
  constructor(problem, status) {
    super([problem.detail, problem.remedy].filter(Boolean).join(" ") || `HTTP ${status}`);
    this.status = status;
  }
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `till-${Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("")}`;
}

async function send(method, path, { body, key } = {}) {
  const headers = { ...HEADERS };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  let answer;
  let text;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
    text = await answer.text();
  } catch {
    throw new Silent();
  }
  let content = {};
  try {
    content = text === "" ? {} : JSON.parse(text);
  } catch {
    // A proxy's page is nobody's answer.
    throw new Silent();
  }
  return { status: answer.status, content };
}

export async function read(path, options) {
  const { status, content } = await send(options?.body === undefined ? "GET" : "POST", path, options);
  if (status === 401) throw new Ended();
  if (status >= 300) throw new Fault(content, status);
  return content;
}

export async function session(path, method, body) {
  const { status, content } = await send(method, path, { body });
  if (status >= 300) throw new Fault(content, status);
}

export class Writer {
  // `told` is called with true when an answer is missing, with false when it is there.
  constructor(client, told) {
    this.place = STORE + client;
    this.told = told;
    this.busy = false;
    this.giveUp = false;
  }

  open() {
    const text = localStorage.getItem(this.place);
    return text === null ? null : JSON.parse(text);
  }

  // Do a write; null when another one is under way (a double click, a second scan).
  async write(path, body, about) {
    if (this.busy || this.open() !== null) return null;
    this.busy = true;
    const open = { key: newKey(), about };
    localStorage.setItem(this.place, JSON.stringify(open));
    try {
      return await this.#settle(open, { path, body });
    } finally {
      this.busy = false;
    }
  }

  // Find out what became of a write that an earlier page left open.
  async resume() {
    const open = this.open();
    if (open === null || this.busy) return null;
    this.busy = true;
    try {
      return await this.#settle(open, null);
    } finally {
      this.busy = false;
    }
  }

  stop() {
    this.giveUp = true;
  }

  async #settle(open, request) {
    let first = request !== null;
    this.giveUp = false;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const done = first ? await this.#post(open, request) : await this.#ask(open, request);
        if (done !== null) {
          localStorage.removeItem(this.place);
          this.told(false);
          return { ...done, about: open.about };
        }
      } catch (error) {
        if (error instanceof Ended) throw error;
        if (!(error instanceof Silent)) {
          localStorage.removeItem(this.place);
          this.told(false);
          throw error;
        }
      }
      first = false;
      this.told(true);
      await new Promise((wake) => setTimeout(wake, PAUSES[Math.min(attempt, PAUSES.length - 1)]));
    }
  }

  async #post(open, { path, body }) {
    const { status, content } = await send("POST", path, { body, key: open.key });
    if (UNKNOWN.has(status)) return null;
    if (status >= 300) throw new Fault(content, status);
    return { content };
  }

  async #ask(open, request) {
    const known = await send("GET", `/pos/v1/redemptions/by-key/${encodeURIComponent(open.key)}`);
    if (known.status === 401) throw new Ended();
    if (known.status === 200) return { content: known.content };
    if (known.status !== 404) return null;
    // The service has not seen it. With the request at hand it is sent again under the same key;
    // without (the page was reloaded) the key is taken back, so that a late original does nothing.
    if (request !== null && !this.giveUp) return this.#post(open, request);
    const body = { key: open.key, ...(open.about.operator ? { operator: open.about.operator } : {}) };
    const back = await send("POST", "/pos/v1/reversals", { body, key: `${open.key}-back` });
    if (back.status === 401) throw new Ended();
    if (UNKNOWN.has(back.status)) return null;
    if (back.status >= 300) throw new Fault(back.content, back.status);
    return { nothing: true, content: back.content };
  }
}
