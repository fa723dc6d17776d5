// What changes on the server, followed: by server-sent events with the key in a header, which
// EventSource cannot send, resumed by their id; or by looking again.

import { Problem, request } from "./session.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const LOOK_MS = 1000;

// Calls `told(data)` for each event until it returns true; again from the last one when the
// connection breaks. `away(bool)` says whether it is broken. Ends by `Problem` where the server
// refuses, by AbortError where `signal` says so.
export async function follow(path, told, { signal, away = () => {} } = {}) {
  let last = "";
  let wait = FIRST_WAIT_MS;
  for (;;) {
    try {
      const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) };
      const answer = await request("GET", path, { headers, signal });
      away(false);
      for await (const event of eventsOf(answer.body)) {
        wait = FIRST_WAIT_MS;
        if (event.id) last = event.id;
        if (event.data && told(JSON.parse(event.data))) return;
      }
    } catch (error) {
      if (error.name === "AbortError" || error instanceof Problem) throw error;
    }
    away(true);
    await pause(wait, signal);
    wait = Math.min(LONGEST_WAIT_MS, wait * 2);
  }
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) yield eventOf(block);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function eventOf(block) {
  const event = { id: "", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "id") event.id = value;
    if (name === "data") event.data += value;
  }
  return event;
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("left", "AbortError"));
    }, { once: true });
  });
}

// Calls `look` again and again until `signal`; what goes wrong once may be right the next time.
export function renewed(look, signal) {
  const timer = setTimeout(async () => {
    if (!document.hidden) await look().catch(() => {});
    if (!signal.aborted) renewed(look, signal);
  }, LOOK_MS);
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}
