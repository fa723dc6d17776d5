// Everything around the picture: progress, classes, boxes, suggestions, notices.

import { colour, openSuggestions } from "./boxes.js";
import { element } from "./session.js";
import { t } from "./texts.js";

const node = (id) => document.getElementById(id);

export function showProgress(store, frame) {
  const { board } = store;
  const total = store.frames.length;
  const { remaining } = store;
  const place = store.place.get(frame);
  node("frame").textContent = frame === null ? "" : t("frame", { n: frame });
  node("frame").title = place === undefined ? "" : t("of", { n: place + 1, total });
  const state = store.states.get(frame);
  node("state").textContent = state ? t(`is.${state}`) : "";
  node("state").className = `state ${state ?? ""}`;
  node("bar").value = total ? (total - remaining) / total : 0;
  node("remaining").textContent = t("remaining", { n: remaining });
  const pace = board.seconds_per_frame;
  node("pace").textContent = pace ? t("pace", { s: pace.toFixed(1) }) : "";
  node("left").textContent = pace && remaining ? t("left", { m: Math.ceil((pace * remaining) / 60) }) : "";
  node("finish").disabled = !board.open;
}

export function showSaved(store) {
  const { unsaved } = store;
  const state = store.offline ? "offline" : unsaved ? "saving" : "saved";
  node("saved").textContent = t(state, { n: unsaved });
  node("saved").dataset.state = state;
}

export function showClasses(names, kind, pick) {
  node("classes").replaceChildren(...names.map((name, n) => {
    const item = row(colour(n), name, n === kind);
    if (n < 10) item.append(element("kbd", String((n + 1) % 10)));
    item.onclick = () => pick(n);
    return item;
  }));
}

export function showBoxes(doc, names, chosen, writable, { choose, remove, accept }) {
  const boxes = doc?.boxes ?? [];
  const rows = boxes.map((box, n) => {
    const item = row(colour(box[0]), names[box[0]] ?? String(box[0]), n === chosen);
    item.onclick = () => choose(n);
    if (writable) item.append(button("×", t("delete"), () => remove(n)));
    return item;
  });
  const decided = doc && ["empty", "skipped"].includes(doc.state);
  const none = decided ? t(`is.${doc.state}`) : t("boxes.none");
  node("boxes").replaceChildren(...(rows.length ? rows : [element("p", none, "quiet")]));
  const given = openSuggestions(doc);
  const offers = given.map((box) => {
    const item = row(colour(box[0]), `${names[box[0]]}`, false);
    item.classList.add("hollow");
    item.append(element("span", `${Math.round(box[5] * 100)} %`, "quiet"));
    if (writable) item.append(button("✓", t("accept.one"), () => accept(box)));
    return item;
  });
  const nothing = doc?.suggested === null ? t("suggestions.nobody") : t("suggestions.none");
  const empty = doc?.suggested?.length ? [] : [element("p", nothing, "quiet")];
  node("suggestions").replaceChildren(...(offers.length ? offers : empty));
  node("accept").disabled = !writable || !given.length;
  for (const id of ["empty", "skip"]) node(id).disabled = !writable;
}

export function notice(text, kind = "") {
  node("notice").textContent = text;
  node("notice").className = kind;
  node("notice").hidden = !text;
  delete node("notice").dataset.away;
}

function row(color, text, chosen) {
  const item = element("li", "", chosen ? "chosen" : "");
  const swatch = element("i");
  swatch.style.setProperty("--colour", color); // by script: the policy allows no style in markup
  item.append(swatch, element("span", text, "name"));
  return item;
}

function button(sign, title, act) {
  const made = element("button", sign, "small");
  made.title = title;
  made.setAttribute("aria-label", title);
  made.onclick = (event) => { event.stopPropagation(); act(); };
  return made;
}
