// The actor's take of a line: what has become of it, to hear, and another one.

import { attempt } from "./attempt.js";
import { element } from "./elements.js";
import { listening } from "./line.js";
import { state } from "./lines.js";
import { t } from "./texts.js";

// `show(line)` draws it anew; `first`: it is what somebody came for.
export function actorsTake({ kind, entry, signal, first }) {
  const node = element("section", "", "take");
  const title = element("h3", t("take.title"));
  if (first) title.dataset.first = "";
  const told = element("div", "", "tools");
  const said = element("p", "", "said");
  said.setAttribute("role", "status");
  const parts = element("div", "", "own-part");
  node.append(title, told, said, parts);
  let drawn = "";
  const made = {
    node,
    waits: false,
    show(line) {
      made.waits = line.state === "PREPARING";
      const now = JSON.stringify([line.state, line.problem, line.audio_url, line.duration_s]);
      if (now === drawn) return;
      drawn = now;
      node.dataset.state = line.state;
      said.className = line.state === "FAILED" ? "said wrong" : "said quiet";
      said.textContent = line.problem ?? t(`take.${line.state}`);
      const doors = [state(line)];
      if (line.state === "READY") {
        const say = element("a", t("catalogue.try"), "button primary");
        say.id = "try";
        say.href = `#/${kind}/${encodeURIComponent(line.id)}`;
        doors.push(say);
      }
      told.replaceChildren(...doors);
      hear(line);
    },
  };
  const heard = element("div");
  parts.append(attempt({
    path: `${entry.path}/audio`, method: "PUT", signal,
    words: { send: "take.send", hint: "take.drop", running: "take.running" },
    onSent: (line) => { drawn = ""; made.show(line); },
  }));
  return made;

  function hear(line) {
    heard.remove();
    if (!line.audio_url) return;
    heard.replaceChildren(listening(line, signal));
    parts.prepend(heard);
  }
}
