// The task's logs, one per try, read when somebody wants to see something of them.

import { taskPath } from "./address.js";
import { eachLine } from "./airflow_api.js";
import { TaskLog } from "./task_log.js";

/** The most characters of one log that are read: a page must not eat a browser's memory. */
const LIMIT = 32_000_000;

/** How long the log of the current try is good for, in milliseconds. */
const FRESH = 10_000;

export class LogStore {
  constructor(address) {
    this.address = address;
    this.logs = new Map();
  }

  /** @returns {Promise<TaskLog>} of one try; a try that has ended is read once. */
  read(tryNumber, isOver) {
    const known = this.logs.get(tryNumber);
    if (known && (known.isOver || (!isOver && performance.now() - known.at < FRESH))) return known.log;
    const log = this.load(tryNumber);
    this.logs.set(tryNumber, { log, isOver, at: performance.now() });
    log.catch(() => this.logs.delete(tryNumber));
    return log;
  }

  async load(tryNumber) {
    const log = new TaskLog();
    const path = `${taskPath(this.address)}/logs/${tryNumber}`;
    const parameters = { map_index: this.address.mapIndex, full_content: true };
    log.isComplete = await eachLine(path, parameters, LIMIT, (line) => log.addJson(line));
    return log;
  }
}
