// Who is signed in, and requests in that name. What proves it stays in this tab (sessionStorage):
// an API key, or the short ticket of a login with what renews it.

import { element } from "./elements.js";
import { askWho } from "./signin.js";
import { language } from "./texts.js";

export { element };

const KEY = "actverse.key"; // an API key, or the access token of a login
const REFRESH = "actverse.refresh"; // only after a login
const TAB = "actverse.tab";

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = body?.code ?? "";
    this.body = body ?? {};
  }
}

export class Offline extends Error {
  constructor(path, body = null) {
    super(body?.detail ?? path);
    this.told = body?.detail ?? ""; // by the server, where it said anything
  }
}

// A random name of this page: two tabs of one user are two annotators. A tab that is duplicated
// copies its storage, so a fresh name is drawn on every load; leases of the old one run out.
export const tab = (() => {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const name = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload";
  const kept = sessionStorage.getItem(TAB);
  if (reloaded && kept) return kept;
  sessionStorage.setItem(TAB, name);
  return name;
})();

export async function signOut() {
  const refresh = sessionStorage.getItem(REFRESH);
  forget();
  if (refresh) {
    await fetch("/auth/logout", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ refresh_token: refresh }), keepalive: true,
    }).catch(() => {}); // without the server the ticket ends by itself
  }
  location.reload();
}

function forget() {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(REFRESH);
}

function keep({ key, refresh }) {
  known = null;
  sessionStorage.setItem(KEY, key);
  if (refresh) sessionStorage.setItem(REFRESH, refresh);
  else sessionStorage.removeItem(REFRESH);
}

// The answer, which is one of success; `Problem` or `Offline` where there is none.
export async function request(method, path, { body, keepalive = false, signal, headers = {} } = {}) {
  const form = body instanceof FormData;
  for (let renewed = false; ; renewed = true) {
    const key = sessionStorage.getItem(KEY);
    const sent = { Authorization: `Bearer ${key}`, "Accept-Language": language(), ...headers };
    if (body !== undefined && !form) sent["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(path, {
        method, headers: sent, keepalive, signal,
        body: body === undefined || form ? body : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Offline(path);
    }
    if (answer.ok) return answer;
    if (answer.status === 401) {
      if (renewed || !(await renew(key))) await signIn(true);
      continue;
    }
    let told = null;
    try { told = await answer.json(); } catch { /* not ours: a proxy's page */ }
    if (answer.status >= 502 || answer.status === 429) throw new Offline(path, told);
    throw new Problem(answer.status, told);
  }
}

export async function ask(method, path, options) {
  const answer = await request(method, path, options);
  return answer.status === 204 ? null : answer.json();
}

export async function blob(path, signal) {
  return (await request("GET", path, { signal })).blob();
}

// A tab that was duplicated holds the same tickets: it is told of new ones, since using what renews
// them a second time would end the session as a stolen one.
const tabs = new BroadcastChannel(REFRESH);
tabs.onmessage = ({ data: { used, given } }) => {
  if (sessionStorage.getItem(REFRESH) === used) keep(given);
};
const HEARD_MS = 100; // until what another tab has told is surely here

let renewing = null; // one at a time: what renews a ticket is good once

// Whether there is a fresh ticket for the one that was refused.
function renew(refused) {
  renewing ??= alone(async () => {
    if (sessionStorage.getItem(KEY) !== refused) return true; // somebody else was faster
    const used = sessionStorage.getItem(REFRESH);
    if (!used) return false;
    const answer = await fetch("/auth/refresh", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ refresh_token: used }),
    }).catch(() => null);
    if (!answer || answer.status >= 500 || answer.status === 429) throw new Offline("/auth/refresh");
    if (!answer.ok) return false;
    const made = await answer.json();
    const given = { key: made.access_token, refresh: made.refresh_token };
    keep(given);
    tabs.postMessage({ used, given });
    return true;
  }).finally(() => { renewing = null; });
  return renewing;
}

// Runs `work` while no other tab does; browsers have locks only where the context is secure.
function alone(work) {
  if (!navigator.locks || !sessionStorage.getItem(REFRESH)) return work();
  const before = performance.now();
  return navigator.locks.request(REFRESH, async () => {
    const waited = performance.now() - before > HEARD_MS / 10;
    if (waited) await new Promise((done) => setTimeout(done, HEARD_MS));
    return work();
  });
}

let known = null; // who is signed in, asked once for each ticket

// The account: name, role (user or admin) and more, as /auth/me has it.
export function whoAmI() {
  known ??= ask("GET", "/auth/me").catch((error) => {
    known = null;
    throw error;
  });
  return known;
}

let asking = null; // one form, whoever needs it

// Resolves when somebody is signed in.
export function signIn(refused = false) {
  if (!refused && sessionStorage.getItem(KEY)) return Promise.resolve();
  const wrong = refused && sessionStorage.getItem(KEY) !== null;
  asking ??= askWho(wrong && (sessionStorage.getItem(REFRESH) ? "login.over" : "login.wrong"))
    .then(keep)
    .finally(() => { asking = null; });
  return asking;
}
