// One quote or script as an admin writes it, and the actor's take of it.

import { heading, removal, stored } from "./edits.js";
import { element } from "./elements.js";
import { Entry, NEW, address } from "./entry.js";
import { field, form } from "./fields.js";
import { renewed } from "./follow.js";
import { ask } from "./session.js";
import { actorsTake } from "./take.js";
import { t } from "./texts.js";

const NAMED = 50; // actors that are offered at once
const TYPED_MS = 200;
let made = ""; // the line that was added last: its take comes next

export async function showEntry(page, { kind, id, signal }) {
  const fresh = id === NEW;
  const entry = new Entry(kind, id);
  const title = kind === "tokens" ? "film" : "title";
  const seen = fresh ? { text: "", [title]: "", actor: null } : await entry.read(signal);
  page.append(...heading(kind, t(`catalogue.${fresh ? "add" : "edit"}.${kind}`)));
  const place = element("section", "", "edit");
  const actor = actorField(seen.actor?.name ?? "", { required: kind === "tokens", signal });
  const fields = [
    field("text", { label: t("field.text"), hint: t("field.text.what"), kind: "textarea", value: seen.text, required: true, maxLength: 2000, rows: 3 }),
    actor.field,
    field(title, { label: t(`field.${title}`), value: seen[title], required: true, maxLength: 200 }),
  ];
  place.append(form({
    id: "line", address: entry.address, fields, enter: fresh ? "edit.add" : "edit.save", doors: fresh ? [] : [removal(kind, id, signal)],
    submit: async (values) => {
      const wish = { text: values.text, [title]: values[title], actor_id: await actor.id(values.actor_id) };
      if (fresh) {
        ({ id: made } = await ask("POST", `/${kind}`, { body: wish, signal }));
        history.replaceState(null, "", address(kind)); // nobody comes back to an empty form
        location.hash = address(kind, made);
        return;
      }
      take.show(await stored(entry, wish, place));
    },
  }));
  page.append(place);
  if (fresh) {
    page.append(element("p", t("edit.take.later"), "quiet"));
    return;
  }
  const take = actorsTake({ kind, entry, signal, first: made === id });
  made = "";
  page.append(take.node);
  take.show(seen);
  renewed(async () => { if (take.waits) take.show(await entry.glance(signal)); }, signal);
}

// A field for the name of an actor: those that there are can be chosen, a new one is added.
function actorField(name, { required, signal }) {
  const known = new Map(); // ids by name as it is compared
  const list = element("datalist");
  const made = field("actor_id", {
    label: t("field.actor"), hint: t(required ? "field.actor.what" : "field.optional"), value: name, required, maxLength: 200, list,
  });
  const plain = (text) => text.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean).join(" ");
  const find = async (text, cursor = "") => {
    const query = new URLSearchParams({ limit: NAMED, ...(text && { q: text }), ...(cursor && { cursor }) });
    const found = await ask("GET", `/actors?${query}`, { signal });
    for (const each of found.items) known.set(plain(each.name), each.id);
    list.replaceChildren(...found.items.map((each) => new Option(each.name)));
    return found.next;
  };
  let typing = null;
  const look = () => find(made.input.value.trim()).then(() => {
    const text = made.input.value.trim();
    if (text && !known.has(plain(text))) made.tell(t("field.actor.new", { name: text }));
  }).catch(() => {}); // it is looked for once more before it is stored
  made.input.addEventListener("focus", () => { find("").catch(() => {}); }, { once: true });
  made.input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(look, TYPED_MS);
  });
  const id = async (text) => {
    const wanted = text.trim();
    if (!wanted) return null;
    for (let next = ""; next !== null && !known.has(plain(wanted));) next = await find(wanted, next);
    if (!known.has(plain(wanted))) {
      const added = await ask("POST", "/actors", { body: { name: wanted }, signal });
      known.set(plain(added.name), added.id);
    }
    return known.get(plain(wanted));
  };
  return { field: made, id };
}
