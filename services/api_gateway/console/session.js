// Who is signed in, and requests with the key. The key stays in this tab (sessionStorage).

import { t } from "./texts.js";

const KEY = "actverse.key";
const TAB = "actverse.tab";

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = body?.code ?? "";
    this.body = body ?? {};
  }
}

export class Offline extends Error {}

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

export function signOut() {
  sessionStorage.removeItem(KEY);
  location.reload();
}

async function raw(method, path, { body, keepalive = false, signal } = {}) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, keepalive, signal, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Offline(path);
  }
  if (answer.ok) return answer;
  if (answer.status === 401) {
    await signIn(true);
    return raw(method, path, { body, keepalive, signal });
  }
  let told = null;
  try { told = await answer.json(); } catch { /* not ours: a proxy's page */ }
  if (answer.status >= 502 || answer.status === 503 || answer.status === 429) throw new Offline(path);
  throw new Problem(answer.status, told);
}

export async function ask(method, path, options) {
  const answer = await raw(method, path, options);
  return answer.status === 204 ? null : answer.json();
}

export async function blob(path, signal) {
  return (await raw("GET", path, { signal })).blob();
}

let asking = null; // one form, whoever needs it

// Resolves when somebody is signed in.
export function signIn(refused = false) {
  if (!refused && sessionStorage.getItem(KEY)) return Promise.resolve();
  asking ??= new Promise((resolve) => form(refused && sessionStorage.getItem(KEY) !== null, resolve))
    .finally(() => { asking = null; });
  return asking;
}

function form(wrong, done) {
  const dialog = document.createElement("dialog");
  dialog.id = "login";
  const inner = document.createElement("form");
  inner.method = "dialog";
  const title = element("h2", t("login.title"));
  const said = element("p", wrong ? t("login.wrong") : t("login.what"));
  said.className = wrong ? "wrong" : "quiet";
  const where = element("p", t("login.where"));
  where.className = "quiet";
  const field = document.createElement("input");
  field.type = "password";
  field.id = "key";
  field.required = true;
  field.autocomplete = "off";
  field.placeholder = t("login.key");
  field.setAttribute("aria-label", t("login.key"));
  const enter = element("button", t("login.enter"));
  enter.className = "primary";
  inner.append(title, said, field, enter, where);
  dialog.append(inner);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  inner.addEventListener("submit", async (event) => {
    event.preventDefault();
    const key = field.value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) { // anything else cannot be in a header
      said.textContent = t("login.wrong");
      said.className = "wrong";
      return;
    }
    enter.disabled = true;
    const answer = await fetch("/tasks/?limit=1", { headers: { Authorization: `Bearer ${key}` } }).catch(() => null);
    enter.disabled = false;
    if (!answer?.ok) {
      said.textContent = answer?.status === 401 ? t("login.wrong") : t("tasks.away");
      said.className = "wrong";
      field.select();
      return;
    }
    sessionStorage.setItem(KEY, key);
    dialog.close();
    dialog.remove();
    done();
  });
  document.body.append(dialog);
  dialog.showModal();
}

export function element(name, text = "", className = "") {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}
