// The keyboard, and the page that explains it.

import { element } from "./session.js";
import { t } from "./texts.js";

const HELP = [
  [["help.key.drag"], "help.draw"],
  [["help.key.drag"], "help.edit"],
  [["Shift", "←↑→↓"], "help.nudge"],
  [["1 … 9", "0"], "help.class"],
  [["Tab"], "help.tab"],
  [["Delete", "⌫"], "help.delete"],
  [["A"], "help.accept"],
  [["E"], "help.empty"],
  [["S"], "help.skip"],
  [["←", "→"], "help.arrows"],
  [["Enter", "N"], "help.next"],
  [["Ctrl Z", "Ctrl ⇧ Z"], "help.undo"],
  [["help.key.wheel", "+", "−"], "help.zoom"],
  [["help.key.space"], "help.pan"],
  [["F"], "help.fit"],
];

// `acts` gives one function a key; those of a letter do not repeat while it is held.
export function wireKeys(acts, pointer) {
  const letters = {
    KeyA: acts.accept, KeyE: acts.empty, KeyS: acts.skip, KeyN: acts.next, Enter: acts.next,
    KeyF: acts.fit, Delete: acts.remove, Backspace: acts.remove,
  };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    if (event.target.closest?.("input, textarea")) return;
    const control = event.ctrlKey || event.metaKey;
    if (control && event.code === "KeyZ") act(event, event.shiftKey ? acts.redo : acts.undo);
    else if (control && event.code === "KeyY") act(event, acts.redo);
    else if (control) return;
    else if (event.key === "?") act(event, help);
    else if (event.key === "+" || event.key === "=") act(event, () => acts.zoom(1.25));
    else if (event.key === "-") act(event, () => acts.zoom(0.8));
    else if (event.code === "Space") act(event, () => pointer.space(true));
    else if (event.key === "Escape") act(event, () => { pointer.cancel(); acts.choose(-1); });
    else if (event.key === "Tab" && acts.boxes() > 0) act(event, () => acts.cycle(event.shiftKey ? -1 : 1));
    else if (arrows[event.code]) {
      const [dx, dy] = arrows[event.code];
      if (event.shiftKey) act(event, () => acts.nudge(dx, dy, event.altKey ? 10 : 1));
      else if (dx && !event.altKey) act(event, () => acts.step(dx));
    } else if (/^(Digit|Numpad)\d$/.test(event.code) && !event.altKey) {
      const digit = Number(event.code.at(-1));
      act(event, () => acts.kind(digit === 0 ? 9 : digit - 1));
    } else if (letters[event.code] && !event.altKey && !event.repeat) act(event, letters[event.code]);
  });
  addEventListener("keyup", (event) => { if (event.code === "Space") pointer.space(false); });
  addEventListener("blur", () => pointer.space(false));

  function act(event, action) {
    event.preventDefault();
    if (!pointer.busy || event.key === "Escape") action();
  }
}

export function help() {
  const dialog = element("dialog", "", "help");
  const list = document.createElement("dl");
  for (const [keys, what] of HELP) {
    const term = document.createElement("dt");
    keys.forEach((key) => term.append(element("kbd", t(key))));
    list.append(term, element("dd", t(what)));
  }
  ask(dialog, [element("h2", t("help")), list], [[t("close"), "primary", () => {}]]);
}

// A dialog over the page; it is gone when it is answered, or by Escape.
export function ask(dialog, content, answers) {
  const row = element("div", "", "answers");
  for (const [text, kind, action] of answers) {
    const button = element("button", text, kind);
    button.onclick = () => { dialog.close(); action(); };
    row.append(button);
  }
  dialog.append(...content, row);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  row.lastChild.focus();
}
