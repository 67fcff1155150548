// The tab of one task instance: loads, and shows what has changed.

import { parseAddress } from "./address.js";
import { ApiError } from "./airflow_api.js";
import { CanvasGrid } from "./canvas_grid.js";
import { Details } from "./details.js";
import { byId, element } from "./dom.js";
import { ElementGrid } from "./element_grid.js";
import { Filters } from "./filters.js";
import { LogStore } from "./log_store.js";
import { poll } from "./polling.js";
import { countStates, hasEnded, replicasOf } from "./replicas.js";
import { ReplicaTable } from "./table.js";
import { TaskData } from "./task_data.js";
import { Tries } from "./tries.js";
import { apiProblem, headline, nothingToShow, number, paceLine } from "./wording.js";

/** Beyond this, the cells are drawn on a canvas. */
const MOST_ELEMENTS = 1_000;

const address = parseAddress(location.search);
const data = new TaskData(address);
const logs = new LogStore(address);
const table = new ReplicaTable(byId("table"), open);
const details = new Details(byId("details"), logs, () => open(null));
const filters = new Filters(byId("filters"), byId("bar"), draw);
const tries = new Tries(byId("tries"), logs);
let grid = null;
let isTable = false;
let selected = null;
let chosenWork = "";
let latest = null;
let replicas = [];
let tryList = [];
let last = "";

function open(replica) {
  selected = replica;
  draw();
}

function draw() {
  if (!latest) return;
  const { task, work } = latest;
  const isOver = hasEnded(task.state);
  const counts = countStates(replicas);
  byId("headline").textContent = headline(counts, replicas.length);
  byId("pace").textContent = paceLine(work.progress, task, new Date());
  filters.show(counts);
  const shown = filters.chosen ? replicas.filter((one) => one.state === filters.chosen) : replicas;
  if (isTable) table.show(shown, selected);
  else gridFor(shown.length).show(shown, selected);
  byId("hint").textContent = shown.length < replicas.length ? `${number(shown.length)} of ${number(replicas.length)} replicas; press the state again to show all.` : "";
  const one = replicas[selected - 1];
  if (one) details.show({ one, tryNumber: task.try_number, isOver, serviceUrl: work.serviceUrl });
  else details.hide();
}

function gridFor(count) {
  const Wanted = count > MOST_ELEMENTS ? CanvasGrid : ElementGrid;
  if (!(grid instanceof Wanted)) grid = new Wanted(byId("grid"), open);
  return grid;
}

function showAs(asTable) {
  isTable = asTable;
  byId("grid").hidden = asTable;
  byId("table").hidden = !asTable;
  byId("as-grid").setAttribute("aria-pressed", String(!asTable));
  byId("as-table").setAttribute("aria-pressed", String(asTable));
  draw();
}

function chooseWork(works) {
  if (!works.has(chosenWork)) chosenWork = works.keys().next().value;
  const names = [...works.keys()];
  byId("work-choice").hidden = names.length < 2;
  const options = names.map((name) => element("option", { value: name }, name || "the task"));
  if (byId("work").children.length !== names.length) byId("work").replaceChildren(...options);
  byId("work").value = chosenWork;
  return works.get(chosenWork);
}

function notice(text) {
  const box = byId("notice");
  if (box.textContent !== text) box.textContent = text;
  box.hidden = !text;
}

async function look() {
  try {
    const { task, works } = await data.load();
    const now = `${JSON.stringify([...works])}${task.state}${task.try_number}`;
    const isChanged = now !== last;
    last = now;
    byId("freshness").textContent = `Updated ${new Date().toLocaleTimeString("en-GB")}.`;
    byId("content").hidden = !works.size;
    notice(works.size ? "" : nothingToShow(task));
    if (works.size) await show(task, chooseWork(works), isChanged);
    if (isChanged) return "changed";
    return hasEnded(task.state) ? "ended" : "same";
  } catch (error) {
    const status = error instanceof ApiError ? error.status : null;
    if ([401, 403, 404].includes(status)) {
      latest = null;
      last = "";
      byId("content").hidden = true;
    }
    notice(status === null ? "Airflow does not respond. Trying again." : apiProblem(status));
    if (status === null && !(error instanceof TypeError)) throw error; // a mistake in this page
    return "failed";
  }
}

async function show(task, work, isChanged) {
  latest = { task, work };
  replicas = replicasOf({ ...work, taskState: task.state });
  draw();
  if (isChanged) tryList = task.try_number > 1 ? await data.tries() : [];
  await tries.show(tryList, replicas);
}

byId("as-grid").addEventListener("click", () => showAs(false));
byId("as-table").addEventListener("click", () => showAs(true));
byId("work").addEventListener("change", (event) => {
  chosenWork = event.target.value;
  selected = null;
  last = "";
  look();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") open(null);
});
document.addEventListener("themechange", () => {
  draw();
  tries.redraw?.();
});
poll(look);
