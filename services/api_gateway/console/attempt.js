// Saying a line: by the microphone or from a file, heard once more, then sent to be compared.

import { button, element } from "./elements.js";
import { decoded, loudest, play, stop } from "./playback.js";
import { Recorder } from "./recorder.js";
import { ask } from "./session.js";
import { t } from "./texts.js";

const QUIET = 0.02; // of full scale: nobody was near the microphone

const WORDS = { send: "record.send", hint: "record.drop", running: "record.running" };

// `path` takes the file by `method`; `onSent(answer)` is called when it is there. `words`: keys of
// texts, where it is not a learner who says the line.
export function attempt({ path, method = "POST", words = WORDS, signal, onSent }) {
  const node = element("section", "", "attempt");
  const said = element("p", t(words.hint), "quiet");
  said.setAttribute("role", "status");
  said.id = "attempt";
  const level = element("meter");
  Object.assign(level, { min: 0, max: 1, value: 0, hidden: true });
  level.setAttribute("aria-label", t("record.level"));
  const clock = element("span", "", "clock");
  const row = element("div", "", "tools");
  node.append(row, level, said);
  const picker = element("input");
  Object.assign(picker, { type: "file", accept: "audio/*,.wav,.mp3,.m4a,.ogg,.webm,.flac", hidden: true, id: "file" });
  picker.onchange = () => { if (picker.files.length) send(picker.files[0]); };
  node.append(picker);
  let recorder = null;

  signal.addEventListener("abort", () => recorder?.release(), { once: true });
  node.addEventListener("dragover", (event) => { event.preventDefault(); node.classList.add("over"); });
  node.addEventListener("dragleave", () => node.classList.remove("over"));
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    node.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file && !recorder) send(file);
  });
  idle();
  return node;

  function knobs(...made) {
    row.replaceChildren(...made);
  }

  function tell(text, wrong = false) {
    said.textContent = text;
    said.className = wrong ? "wrong" : "quiet";
  }

  function knob(key, act, className = "", text = key) {
    const made = button(t(text), act, className);
    made.dataset.act = key;
    return made;
  }

  function idle() {
    recorder = null;
    level.hidden = true;
    delete node.dataset.state;
    knobs(knob("record", record, "primary record"), knob("record.upload", () => picker.click()));
  }

  async function record() {
    stop();
    knobs();
    tell(t("record.starting"));
    recorder = new Recorder((peak, seconds) => {
      level.value = Math.sqrt(peak);
      clock.textContent = `${seconds.toFixed(1)} s`;
    });
    try {
      await recorder.start(finish);
    } catch (error) {
      recorder.release();
      idle();
      tell(error.why ? t(`record.${error.why}`) : error.message, true);
      return;
    }
    if (signal.aborted) { // somebody left while the browser asked
      recorder.release();
      return;
    }
    clock.textContent = "";
    level.hidden = false;
    node.dataset.state = "recording";
    tell(t(words.running));
    knobs(knob("record.stop", finish, "primary"), clock);
  }

  async function finish() {
    knobs(); // it is ended once
    const file = await recorder.stop();
    const buffer = await decoded(await file.arrayBuffer());
    if (signal.aborted) return;
    idle();
    node.dataset.state = "ready";
    tell(`${t("record.ready", { s: (buffer?.duration ?? 0).toFixed(1) })}${buffer && loudest(buffer) < QUIET ? ` ${t("record.quiet")}` : ""}`);
    const listen = knob("play.own", () => play(buffer, { edge: false }), "own");
    listen.disabled = !buffer;
    knobs(
      knob("record.send", () => send(file), "primary", words.send),
      listen,
      knob("record.again", record),
      knob("record.discard", () => { idle(); tell(t(words.hint)); }, "plain"),
    );
  }

  async function send(file) {
    stop();
    const before = [...row.children];
    const body = new FormData();
    body.append("file", file, file.name);
    knobs();
    tell(t("stage.0"));
    try {
      const answer = await ask(method, path, { body, signal });
      idle();
      picker.value = "";
      tell(t(words.hint));
      onSent(answer);
    } catch (error) {
      if (error.name === "AbortError") return;
      knobs(...before);
      picker.value = "";
      tell(error.told || (error.status ? error.message : t("tasks.away")), true);
    }
  }
}
