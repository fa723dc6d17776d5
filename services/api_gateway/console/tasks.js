// The tasks of the user, renewed every few seconds while the page is looked at.

import { ask, element, signIn, signOut, whoAmI } from "./session.js";
import { language, t, translate } from "./texts.js";

const EVERY_MS = 3000;
const REFERENCE = "speech_reference"; // the pipeline that prepares an actor's take
const list = document.getElementById("tasks");
let items = [];
let drawn = "";

translate(() => { drawn = ""; show(); });
document.getElementById("logout").onclick = signOut;
await signIn();
whoAmI().then(({ role }) => { document.getElementById("to-catalogue").hidden = role !== "admin"; }, () => {});
await look();
setInterval(() => { if (!document.hidden) look(); }, EVERY_MS);

async function look() {
  try {
    items = (await ask("GET", "/tasks/?limit=50")).items;
    document.getElementById("away").hidden = true;
    show();
  } catch {
    document.getElementById("away").hidden = false;
  }
}

function show() {
  const now = JSON.stringify(items);
  if (now === drawn) return; // what somebody is about to click stays where it is
  drawn = now;
  document.getElementById("none").hidden = items.length > 0;
  list.replaceChildren(...items.map(row));
}

function row(task) {
  const item = element("li");
  item.dataset.task = task.task_id;
  const name = element("div", "", "name");
  name.append(element("strong", title(task)));
  const when = new Date(task.created_at).toLocaleString(language());
  name.append(element("span", `${task.pipeline} · ${when} · ${task.task_id.slice(0, 8)}`, "quiet"));
  const waiting = task.steps.find((step) => step.state === "WAITING");
  const current = waiting ?? task.steps.find((step) => step.state === "RUNNING");
  const state = waiting ? "WAITING" : task.state;
  const told = element("div", "", "told");
  told.append(element("span", t(`state.${state}`), `state ${state.toLowerCase()}`));
  if (current) told.append(element("span", current.message || current.step, "quiet"));
  if (task.state === "FAILED") told.append(element("span", task.error?.message ?? "", "quiet"));
  const bar = document.createElement("progress");
  bar.max = task.steps.length || 1;
  bar.value = task.steps.reduce((sum, s) => sum + (s.state === "SUCCEEDED" ? 1 : s.progress ?? 0), 0);
  const doors = element("div", "", "doors");
  const labeling = task.steps.find((step) => step.step === "labeling");
  const started = labeling && !["PENDING", "QUEUED"].includes(labeling.state);
  if (started && task.options?.labeler === "builtin") {
    const link = element("a", t("tasks.label"), waiting ? "button primary" : "button");
    link.href = `/ui/label/${encodeURIComponent(task.task_id)}`;
    doors.append(link);
  }
  if (task.options?.subject_id) doors.append(toLine(task));
  const outputs = task.outputs?.length ?? 0;
  if (outputs) doors.append(element("span", t("tasks.outputs", { n: outputs }), "quiet"));
  if (["SUCCEEDED", "FAILED", "CANCELLED"].includes(task.state)) {
    const remove = element("button", t("delete"), "plain");
    remove.onclick = () => confirmDeletion(task.task_id);
    doors.append(remove);
  }
  item.append(name, told, bar, doors);
  return item;
}

// What a task is of: the file that was sent, or whose voice of what.
function title({ pipeline, options }) {
  const source = options?.file_path;
  if (source) return source.split(/[?#]/)[0].split("/").pop() || source;
  return options?.subject_id ? t(`tasks.${pipeline === REFERENCE ? "take" : "recording"}.${options.subject}`) : pipeline;
}

// To the comparison; from an actor's take to its line in the catalogue.
function toLine({ pipeline, options, task_id: task }) {
  const reference = pipeline === REFERENCE;
  const link = element("a", t(reference ? "tasks.line" : "tasks.result"), "button");
  const line = `${options.subject}s/${encodeURIComponent(options.subject_id)}`;
  link.href = reference ? `/ui/say#/catalogue/${line}` : `/ui/say#/${line}/${encodeURIComponent(task)}`;
  return link;
}

// Says what would go, or why it cannot, and deletes when somebody agrees.
async function confirmDeletion(id) {
  const path = (query) => `/tasks/${encodeURIComponent(id)}?${new URLSearchParams(query)}`;
  const found = await ask("DELETE", path({ dry_run: true, model: true })).catch((error) => ({ refused: error.message }));
  const dialog = element("dialog");
  dialog.id = "deletion";
  dialog.append(element("h2", t("tasks.delete.title")));
  const mb = ((found.bytes ?? 0) / 1e6).toFixed(1);
  dialog.append(element("p", found.refused ?? t("tasks.delete.what", { files: found.files, mb })));
  for (const sentence of found.stays ?? []) dialog.append(element("p", sentence, "quiet"));
  const served = (found.models ?? []).filter((model) => model.served);
  const yes = element("button", t("delete"), "primary");
  yes.hidden = Boolean(found.refused);
  if (served.length && !found.refused) {
    const names = served.map((model) => `${model.name}/${model.version}`).join(", ");
    const agreed = element("input");
    agreed.type = "checkbox";
    agreed.onchange = () => { yes.disabled = !agreed.checked; };
    yes.disabled = true;
    const label = element("label", ` ${t("tasks.delete.model", { models: names })}`);
    label.prepend(agreed);
    dialog.append(label);
  }
  const no = element("button", t("tasks.delete.no"));
  no.onclick = () => dialog.close();
  yes.onclick = async () => {
    yes.disabled = true;
    try {
      await ask("DELETE", path({ model: served.length > 0 }));
      dialog.close();
      await look();
    } catch (error) {
      dialog.querySelector("p").textContent = error.message;
    }
  };
  dialog.append(no, yes);
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}
