// The tab of a DAG run: the tasks that have sessions, each with its counts.

import { parseAddress, runPath, tabPath } from "./address.js";
import { AIRFLOW, ApiError, get } from "./airflow_api.js";
import { byId, element, outerLink } from "./dom.js";
import { poll } from "./polling.js";
import { countStates, hasEnded, replicasOf } from "./replicas.js";
import { TaskData } from "./task_data.js";
import { apiProblem, headline, number, paceLine } from "./wording.js";

/** The most tasks that are shown; each costs requests. */
const MOST = 50;

const address = parseAddress(location.search);
const known = new Map();
let last = "";

async function look() {
  try {
    const keys = await tasksWithSessions();
    const tasks = (await Promise.all(keys.slice(0, MOST).map(read))).filter((one) => one.replicas.length);
    const run = await get(runPath(address));
    byId("notice").textContent = tasks.length ? "" : "No task of this run has sessions on the CANFAR Science Platform yet.";
    byId("notice").hidden = tasks.length > 0;
    byId("content").hidden = tasks.length === 0;
    byId("headline").textContent = tasks.length === 1 ? "1 task with sessions" : `${number(tasks.length)} tasks with sessions`;
    if (keys.length > MOST) byId("headline").textContent += `; the first ${MOST} of ${number(keys.length)}`;
    byId("freshness").textContent = `Updated ${new Date().toLocaleTimeString("en-GB")}.`;
    const now = JSON.stringify(tasks.map(({ task, counts, progress }) => [task.state, counts, progress]));
    const isChanged = now !== last;
    if (isChanged) byId("tasks").replaceChildren(...tasks.map(card));
    last = now;
    if (isChanged) return "changed";
    return hasEnded(run.state) ? "ended" : "same";
  } catch (error) {
    const status = error instanceof ApiError ? error.status : null;
    if (status === null && !(error instanceof TypeError)) throw error; // a mistake in this page
    byId("notice").hidden = false;
    byId("notice").textContent = status === null ? "Airflow does not respond. Trying again." : apiProblem(status);
    if ([401, 403, 404].includes(status)) byId("content").hidden = true;
    return "failed";
  }
}

/** The task instances that have pushed sessions or progress, in Airflow's order. */
async function tasksWithSessions() {
  const found = new Map();
  for (const xcom_key of ["sessions", "progress"]) {
    const list = await get(`${runPath(address)}/taskInstances/~/xcomEntries`, { xcom_key, limit: 100 });
    for (const { task_id: taskId, map_index: mapIndex } of list.xcom_entries) found.set(JSON.stringify([taskId, mapIndex]), { taskId, mapIndex });
  }
  return [...found.values()];
}

async function read({ taskId, mapIndex }) {
  const key = JSON.stringify([taskId, mapIndex]);
  if (!known.has(key)) known.set(key, new TaskData({ ...address, taskId, mapIndex }));
  const { task, works } = await known.get(key).load();
  const work = works.get("") ?? { progress: null, sessions: [] };
  const replicas = replicasOf({ ...work, taskState: task.state });
  return { taskId, mapIndex, task, replicas, counts: countStates(replicas), progress: work.progress };
}

function card({ taskId, mapIndex, task, replicas, counts, progress }) {
  const name = mapIndex >= 0 ? `${taskId} [${task.rendered_map_index ?? mapIndex}]` : taskId;
  const url = new URL(tabPath({ ...address, taskId, mapIndex }), AIRFLOW).href;
  const bar = element("div", { class: "bar", "aria-hidden": "true" });
  for (const state of ["succeeded", "failed", "unfinished", "running", "launched", "pending", "waiting"]) {
    const segment = element("span", { "data-state": state });
    segment.style.flexGrow = String(counts[state]);
    bar.append(segment);
  }
  return element(
    "article",
    { class: "task" },
    element("h2", {}, outerLink(name, url, "_self")),
    element("p", {}, headline(counts, replicas.length)),
    bar,
    element("p", { class: "muted small" }, paceLine(progress, task, new Date())),
  );
}

poll(look);
