// The dialog that asks who is there: an account, a new one, or an API key.

import { button, element } from "./elements.js";
import { language, t } from "./texts.js";

// Resolves to `{key, refresh}`; `refresh` only where it was a login. `why`: the key of a text that
// says why it is asked again.
export function askWho(why = "") {
  return new Promise((resolve) => {
    const dialog = element("dialog");
    dialog.id = "login";
    const done = (given) => {
      dialog.close();
      dialog.remove();
      resolve(given);
    };
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    known(dialog, done, why);
    document.body.append(dialog);
    dialog.showModal();
  });
}

function known(dialog, done, why = "") {
  const account = form("account", [
    field("user", "login.user", { autocomplete: "username" }),
    field("password", "login.password", { type: "password", autocomplete: "current-password" }),
  ], "login.enter", async (values) => done(await logIn(values.user, values.password)));
  const other = button(t("login.register"), () => fresh(dialog, done), "plain");
  other.id = "register";
  account.querySelector(".answers").prepend(other);
  const key = form("by-key", [field("key", "login.key", { type: "password", autocomplete: "off" })],
    "login.enter", async ({ key: given }) => done(await checked(given.trim())));
  const or = element("p", t("login.or"), "or quiet");
  const kept = element("p", `${t("login.what")} ${t("login.where")}`, "quiet");
  dialog.replaceChildren(element("h2", t("login.title")), account, or, key, kept);
  if (why) say(key, t(why));
}

function fresh(dialog, done) {
  const account = form("registration", [
    field("user", "login.name", { autocomplete: "username", maxLength: 64 }),
    field("email", "login.email", { type: "email", autocomplete: "email" }),
    field("password", "login.new.password", { type: "password", autocomplete: "new-password", minLength: 10 }),
  ], "login.register", async ({ user, email, password }) => {
    await post("/auth/register", JSON.stringify({ name: user, email, password }), "application/json");
    done(await logIn(user, password));
  });
  const back = button(t("login.back"), () => known(dialog, done), "plain");
  account.querySelector(".answers").prepend(back);
  dialog.replaceChildren(element("h2", t("login.new")), account);
  account.querySelector("input").focus();
}

// --- what is asked of the server -----------------------------------------------------------------

async function logIn(user, password) {
  const wish = new URLSearchParams({ grant_type: "password", username: user, password });
  const given = await post("/auth/login", wish.toString(), "application/x-www-form-urlencoded");
  return { key: given.access_token, refresh: given.refresh_token };
}

async function checked(key) {
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Error(t("login.wrong")); // cannot be in a header
  const answer = await reached("/tasks/?limit=1", { headers: { Authorization: `Bearer ${key}` } });
  if (answer.status === 401) throw new Error(t("login.wrong"));
  if (!answer.ok) throw new Error(t("tasks.away"));
  return { key };
}

async function post(path, body, type) {
  const headers = { "Content-Type": type, "Accept-Language": language() };
  const answer = await reached(path, { method: "POST", headers, body });
  const told = await answer.json().catch(() => null);
  if (answer.ok) return told;
  const fields = (told?.errors ?? []).map((error) => error.what);
  throw new Error([told?.detail ?? t("tasks.away"), ...fields].join(" "));
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Error(t("tasks.away"));
  }
}

// --- its parts -----------------------------------------------------------------------------------

function form(id, fields, enter, submit) {
  const made = element("form");
  made.id = id;
  made.noValidate = false;
  const said = element("p");
  said.setAttribute("role", "alert");
  said.hidden = true;
  const row = element("div", "", "answers");
  const send = element("button", t(enter), "primary");
  row.append(send);
  made.append(...fields, said, row);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.hidden = true;
    send.disabled = true;
    try {
      await submit(Object.fromEntries([...made.querySelectorAll("input")].map((i) => [i.name, i.value])));
    } catch (error) {
      say(made, error.message);
      fields.at(-1).select();
    } finally {
      send.disabled = false;
    }
  });
  return made;
}

function say(where, text) {
  const said = where.querySelector("[role=alert]");
  said.textContent = text;
  said.className = "wrong";
  said.hidden = false;
}

function field(name, label, more = {}) {
  const made = element("input");
  Object.assign(made, { type: "text", required: true, placeholder: t(label) }, more);
  made.name = name;
  made.id = name;
  made.setAttribute("aria-label", t(label));
  return made;
}
