// Forms with labelled fields; what is wrong with one is said beside it.

import { button, element } from "./elements.js";
import { Problem } from "./session.js";
import { t } from "./texts.js";

const drafts = new Map(); // by address: what was typed and not stored, should somebody look elsewhere

addEventListener("beforeunload", (event) => { if (drafts.size) event.preventDefault(); });

// What was typed at this address is not wanted any more.
export function forget(address) {
  drafts.delete(address);
}

// `name` is that of the API; `kind`: input or textarea; `more`: properties of the element.
export function field(name, { kind = "input", label, hint = "", value = "", list = null, ...more }) {
  const input = element(kind);
  Object.assign(input, { id: `field-${name}`, name, value, ...more });
  input.autocomplete = "off";
  const named = element("label", label);
  named.htmlFor = input.id;
  const note = element("p", hint, "quiet hint");
  note.id = `${input.id}-note`;
  input.setAttribute("aria-describedby", note.id);
  const node = element("div", "", "field");
  node.append(named, input, note);
  if (list) {
    list.id = `${input.id}-list`;
    input.setAttribute("list", list.id);
    node.append(list);
  }
  const tell = (text, wrong = false) => {
    note.textContent = text;
    note.className = wrong ? "wrong hint" : "quiet hint";
    input.toggleAttribute("aria-invalid", wrong);
    if (wrong) input.setAttribute("aria-invalid", "true");
  };
  return { node, input, hint, tell };
}

// `submit(values)` stores them; it throws a `Problem`, whose `errors` name fields, or anything
// else with a message. What was typed under this `address` before is there again.
export function form({ id, address, fields, enter, submit, doors = [] }) {
  const made = element("form", "", "fields");
  made.id = id;
  const said = element("p", "", "wrong");
  said.setAttribute("role", "alert");
  const unsaved = element("span", "", "quiet unsaved");
  unsaved.setAttribute("role", "status");
  const send = element("button", t(enter), "primary");
  const discard = button(t("edit.discard"), () => {
    drafts.delete(address);
    for (const [n, { input }] of fields.entries()) input.value = stored[n];
    changed();
    fields[0].input.focus();
  }, "plain");
  const row = element("div", "", "tools");
  row.append(send, discard, unsaved, element("span", "", "grow"), ...doors);
  made.append(...fields.map(({ node }) => node), said, row);
  const stored = fields.map(({ input }) => input.value);
  const typed = () => Object.fromEntries(fields.map(({ input }) => [input.name, input.value]));
  const changed = () => {
    const dirty = fields.some(({ input }, n) => input.value !== stored[n]);
    discard.hidden = !dirty;
    unsaved.textContent = dirty ? t("edit.unsaved") : "";
    if (dirty) drafts.set(address, typed());
    else drafts.delete(address);
  };
  for (const each of fields) {
    each.input.value = drafts.get(address)?.[each.input.name] ?? each.input.value;
    each.input.addEventListener("input", () => { each.tell(each.hint); changed(); });
  }
  changed();
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.textContent = "";
    for (const each of fields) each.tell(each.hint);
    send.disabled = true;
    try {
      const values = typed();
      await submit(values);
      for (const [n, { input }] of fields.entries()) stored[n] = values[input.name];
      changed();
      unsaved.textContent = t("edit.saved");
    } catch (error) {
      if (error.name !== "AbortError") refused(error);
    } finally {
      send.disabled = false;
    }
  });
  return made;

  function refused(error) {
    const wrong = fields.filter((each) => {
      const found = (error.body?.errors ?? []).find(({ where }) => where.split(".").includes(each.input.name));
      if (found) each.tell(found.what, true);
      return found;
    });
    if (wrong.length) wrong[0].input.focus();
    else said.textContent = error.told || (error instanceof Problem || error.shown ? error.message : t("tasks.away"));
  }
}
