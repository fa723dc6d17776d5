// One actor of the catalogue, as an admin writes it.

import { heading, removal, stored } from "./edits.js";
import { element } from "./elements.js";
import { Entry, NEW, address } from "./entry.js";
import { field, form } from "./fields.js";
import { ask } from "./session.js";
import { t } from "./texts.js";

export async function showActor(page, { kind, id, signal }) {
  const fresh = id === NEW;
  const entry = new Entry(kind, id);
  const seen = fresh ? { name: "", about: "", image_url: null } : await entry.read(signal);
  page.append(...heading(kind, fresh ? t("catalogue.add.actors") : seen.name));
  const place = element("section", "", "edit");
  const fields = [
    field("name", { label: t("field.name"), value: seen.name, required: true, maxLength: 200 }),
    field("about", { label: t("field.about"), hint: t("field.optional"), kind: "textarea", value: seen.about, maxLength: 4000, rows: 3 }),
    field("image_url", { label: t("field.image"), hint: t("field.image.what"), value: seen.image_url ?? "", maxLength: 2000, type: "url", pattern: "https?://.+", title: t("field.image.what") }),
  ];
  const made = form({
    id: "actor", address: entry.address, fields, enter: "edit.save", doors: fresh ? [] : [removal(kind, id, signal)],
    submit: async (values) => {
      const wish = { ...values, image_url: values.image_url.trim() || null };
      if (fresh) await ask("POST", `/${kind}`, { body: wish, signal });
      else await stored(entry, wish, place);
      location.hash = address(kind);
    },
  });
  place.append(made);
  page.append(place);
}
