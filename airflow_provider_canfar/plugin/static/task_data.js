// What Airflow's API has about one task instance.

import { taskPath } from "./address.js";
import { find, get } from "./airflow_api.js";
import { readProgress, readSessions, withReturned } from "./replicas.js";

const KEY = /^(progress|sessions|service_url|return_value)(?:_(.+))?$/;

export class TaskData {
  constructor(address) {
    this.address = address;
    this.path = taskPath(address);
    this.ownPath = address.mapIndex >= 0 ? `${this.path}/${address.mapIndex}` : this.path;
    this.values = new Map();
  }

  /** Read what has changed. The list of XComs is small; a value is read only when its time is another. */
  async load() {
    const mapped = { map_index: this.address.mapIndex };
    const [task, list] = await Promise.all([
      get(this.ownPath),
      get(`${this.path}/xcomEntries`, { ...mapped, limit: 100 }),
    ]);
    const entries = list.xcom_entries.filter(({ key }) => KEY.test(key));
    const keys = new Set(entries.map(({ key }) => key));
    for (const key of this.values.keys()) if (!keys.has(key)) this.values.delete(key);
    await Promise.all(entries.map((entry) => this.loadValue(entry, mapped)));
    return { task, works: this.works() };
  }

  async loadValue({ key, timestamp }, mapped) {
    if (this.values.get(key)?.timestamp === timestamp) return;
    const entry = await find(`${this.path}/xcomEntries/${encodeURIComponent(key)}`, { ...mapped, deserialize: false, stringify: false });
    if (entry) this.values.set(key, { timestamp, value: parsed(entry.value) });
  }

  /** Name -> progress, sessions, the platform's URL and whether the task has returned; the name is "" for the task itself. A @task may execute several operators. */
  works() {
    const works = new Map();
    for (const [key, { value }] of this.values) {
      const [, kind, name = ""] = KEY.exec(key);
      const work = works.get(name) ?? { progress: null, sessions: [], serviceUrl: "", returned: [], hasReturned: false };
      if (kind === "progress") work.progress = readProgress(value);
      if (kind === "sessions") work.sessions = readSessions(value);
      if (kind === "service_url") work.serviceUrl = String(value ?? "");
      if (kind === "return_value") {
        work.returned = readSessions(value);
        work.hasReturned = true;
      }
      works.set(name, work);
    }
    for (const [name, work] of works) {
      work.sessions = withReturned(work.sessions, work.returned);
      if (!work.progress && !work.sessions.length) works.delete(name);
    }
    return works;
  }

  async tries() {
    return (await find(`${this.ownPath}/tries`))?.task_instances ?? [];
  }
}

// Some releases and databases give an XCom's value as the text of its JSON.
function parsed(value) {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
