// One replica: its session, the last lines of its log, and what the task's log says of it.

import { sessionUrl } from "./address.js";
import { ApiError } from "./airflow_api.js";
import { button, element, outerLink } from "./dom.js";
import { TAIL } from "./task_log.js";
import { stateLine, whyNoLog } from "./wording.js";

export class Details {
  /** @param {() => void} onClose */
  constructor(box, logs, onClose) {
    this.box = box;
    this.logs = logs;
    this.onClose = onClose;
    this.shown = null;
  }

  /** @param {{one: object, tryNumber: number, isOver: boolean, serviceUrl: string}} what */
  async show({ one, tryNumber, isOver, serviceUrl }) {
    const key = JSON.stringify([one, tryNumber, isOver, serviceUrl]);
    if (this.shown !== key) this.draw(one, serviceUrl);
    this.shown = key;
    const wanted = one.launchedIn ?? tryNumber;
    let log;
    try {
      log = await this.logs.read(wanted, isOver || wanted < tryNumber);
    } catch (error) {
      const reason = error instanceof ApiError && error.status === 403 ? "You may not read this task's log." : "The task's log could not be read.";
      if (this.shown === key) this.fill(element("p", { class: "muted" }, reason));
      return;
    }
    if (this.shown !== key) return;
    this.state.textContent = stateLine(one, log.statusOf(one));
    this.fill(...logParts(one, log, wanted, { isOver, hasLink: sessionUrl(serviceUrl, one) !== "" }));
  }

  hide() {
    this.shown = null;
    this.box.hidden = true;
  }

  draw(one, serviceUrl) {
    const url = sessionUrl(serviceUrl, one);
    const close = button("×", { class: "plain close", "aria-label": "Close details" }, this.onClose);
    this.log = element("div", { class: "log-parts" }, element("p", { class: "muted" }, "Reading the task's log…"));
    this.state = element("dd", {}, stateLine(one));
    this.facts = element("dl", {}, element("dt", {}, "State"), this.state);
    for (const [name, value] of [
      ["Session", one.sessionId],
      ["Name", one.name],
      ["Started", utc(one.started)],
      ["Did not start", one.reason],
      ["Used at least", one.used],
      ["Launched in", one.launchedIn === null ? "" : `try ${one.launchedIn}`],
    ]) this.fact(name, value);
    this.box.replaceChildren(
      element("div", { class: "head" }, element("h2", {}, `Replica ${one.replica}`), close),
      this.facts,
      ...(url ? [element("p", {}, outerLink("Open session", url, "_blank"))] : []),
      this.log,
    );
    this.box.hidden = false;
  }

  fact(name, value) {
    if (value) this.facts.append(element("dt", {}, name), element("dd", {}, value));
  }

  fill(...parts) {
    const scrolled = this.log.querySelector("pre")?.scrollTop;
    this.log.replaceChildren(...parts);
    const pre = this.log.querySelector("pre");
    if (pre) pre.scrollTop = scrolled ?? pre.scrollHeight;
  }
}

/** A time as the task's log writes it; all of the platform's are in UTC. Pure. */
function utc(time) {
  return time && `${time.slice(0, 19).replace("T", " ")} UTC`;
}

function logParts(one, log, tryNumber, hints) {
  const row = log.rows.get(one.replica);
  const parts = [];
  if (!one.started && row && row.started !== "-") parts.push(element("p", { class: "muted" }, `Started ${utc(row.started)}`));
  const tail = log.tailOf(one);
  parts.push(element("h3", {}, tail ? `Last lines of its log, at most ${TAIL}` : "Its log"));
  if (tail) parts.push(element("pre", { tabindex: "0" }, tail.join("\n")));
  else parts.push(element("p", { class: "muted" }, whyNoLog(one, hints)));
  const notes = log.notesOf(one);
  if (notes.length) parts.push(element("h3", {}, `In the task's log, try ${tryNumber}`), element("pre", { tabindex: "0" }, notes.join("\n")));
  if (!log.isComplete) parts.push(element("p", { class: "muted" }, "The task's log is too large for this page, which has read its beginning; the tab Logs has all of it."));
  return parts;
}
