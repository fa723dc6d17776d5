// What the pages of an actor and of a line have in common.

import { button, element } from "./elements.js";
import { Conflict, Entry, address } from "./entry.js";
import { forget } from "./fields.js";
import { t } from "./texts.js";

// The way back, and what the page is about.
export function heading(kind, title) {
  const back = element("a", `← ${t("nav.catalogue")}`, "quiet back");
  back.href = address(kind);
  return [back, element("h2", title)];
}

// A button that removes the entry, and goes back to the list.
export function removal(kind, id, signal) {
  return button(t("delete"), async () => {
    if (!(await removed(kind, id, signal))) return;
    forget(address(kind, id));
    location.hash = address(kind);
  }, "plain");
}

// Stores `wish` and returns the entry as it is then. Where somebody else has changed it meanwhile,
// that is shown in `place`: what they wrote can be taken, or overwritten by storing once more.
export async function stored(entry, wish, place) {
  place.querySelector(".theirs")?.remove();
  try {
    return await entry.change(wish);
  } catch (error) {
    if (error instanceof Conflict) place.append(ofOthers(error.theirs, entry.address));
    throw error;
  }
}

function ofOthers(theirs, address) {
  const box = element("div", "", "notice theirs");
  const now = [theirs.name ?? theirs.text, theirs.about, theirs.actor?.name, theirs.film ?? theirs.title];
  const take = button(t("edit.theirs.take"), () => {
    forget(address);
    dispatchEvent(new HashChangeEvent("hashchange")); // drawn anew
  });
  box.append(element("p", t("edit.theirs", { now: now.filter(Boolean).join(" · ") })), take);
  return box;
}

// Says what goes with an entry, and removes it when somebody agrees; whether it is gone.
export async function removed(kind, id, signal) {
  const entry = new Entry(kind, id);
  let seen = null;
  try {
    seen = await entry.read(signal);
  } catch (error) {
    if (error.name !== "AbortError") await confirm({ title: t(`catalogue.delete.${kind}`), sentences: [told(error)] });
    return false;
  }
  const kept = kind === "actors" && seen.tokens + seen.scripts > 0;
  const what = kind === "actors" ? t(`catalogue.delete.${kept ? "kept" : "actor"}`, seen) : t("catalogue.delete.what");
  return confirm({
    title: t(`catalogue.delete.${kind}`),
    sentences: kind === "actors" ? [what] : [`“${seen.text}”`, what],
    act: kept ? null : () => entry.remove(),
  });
}

const told = (error) => error.told || (error.status ? error.message : t("tasks.away"));

// Whether somebody agrees that something goes. `act` does it, null where it cannot go; what it
// throws is said in the dialog, which then stays open.
function confirm({ title, sentences, act = null }) {
  return new Promise((resolve) => {
    const dialog = element("dialog");
    dialog.id = "deletion";
    const head = element("h2", title);
    head.id = "deletion-title";
    dialog.setAttribute("aria-labelledby", head.id);
    const said = element("p", "", "wrong");
    said.setAttribute("role", "alert");
    let done = false;
    const no = button(t(act ? "tasks.delete.no" : "close"), () => dialog.close());
    no.autofocus = true;
    const yes = button(t("delete"), async () => {
      yes.disabled = true;
      try {
        await act();
        done = true;
        dialog.close();
      } catch (error) {
        said.textContent = told(error);
        yes.disabled = false;
      }
    }, "primary");
    yes.hidden = !act;
    const row = element("div", "", "answers");
    row.append(no, yes);
    dialog.append(head, ...sentences.map((sentence) => element("p", sentence)), said, row);
    dialog.onclose = () => {
      dialog.remove();
      resolve(done);
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}
