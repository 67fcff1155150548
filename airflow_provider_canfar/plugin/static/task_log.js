// What a task's log says of its replicas. Pure.

import { Endings } from "./endings.js";
import { Notes } from "./notes.js";
import { tryOfName } from "./replicas.js";

/** The most replicas of a task: what a log says of more is no table of ours. */
const MOST_REPLICAS = 10_000;

/** How many of a session's last lines are kept. */
export const TAIL = 40;

const GROUP = /^::group::Log of replica (\d+): (\S+) (\S+)/;
const ROW = /^ *(\d+) +(\S+) +(.+?) +(\d+|-) +(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|-)(?: +[\d./e+-]+ +[\d./e+-]+)? +(\S+)$/;
const REST = /^[\d,]+ (succeeded|failed|not run|destroyed|left running|launched|kept of an earlier try): (\d[\d, -]*)/;
const FOLLOWED = /^([a-z0-9-]+-[a-z2-7]{10,14}-\d{1,5}-\d{1,5}-\d{1,5}): (.*)$/;
const STUCK = /^Replicas ([\d, -]+?)(?: and [\d,]+ more)? did not start: /;
const LAUNCHED = /^Launched replica (\d+): session (\S+) \(/;

/** Reads a log message by message, and keeps what a reader asks for; a log may have millions of lines. */
export class TaskLog {
  constructor() {
    /** Session id -> the last lines that it wrote. */
    this.tails = new Map();
    /** Name -> the last lines of a session that logging_interval follows. */
    this.followed = new Map();
    /** The lines that tell of one session: launched, adopted, waiting for something, destroyed. */
    this.notes = new Notes();
    /** Replica -> how it ended, where the table has no row of it. */
    this.rest = new Map();
    /** The replicas that an earlier try has launched, as far as the table has no row of them. */
    this.kept = new Set();
    /** Replica -> its row in the table that a try ends with. */
    this.rows = new Map();
    /** Replica -> the id of its session, as far as the log tells of it outside the table. */
    this.sessions = new Map();
    /** Replica -> why it did not start, and others for the same reason. */
    this.stuck = new Map();
    this.endings = new Endings();
    this.isComplete = true;
    this.open = null;
  }

  /** Take in one line of Airflow's response, which is a JSON object. */
  addJson(line) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      return;
    }
    const when = typeof message.timestamp === "string" ? message.timestamp : "";
    for (const text of String(message.event ?? "").split("\n")) this.add(text, when, message.level === "error");
  }

  add(text, when = "", isError = false) {
    const group = GROUP.exec(text);
    if (group) {
      this.open = group[3];
      this.sessions.set(Number(group[1]), group[3]);
      this.tails.set(this.open, []);
    } else if (text.startsWith("::endgroup::") || text.startsWith("::group::")) {
      this.open = null;
    } else if (this.open !== null) {
      keep(this.tails, this.open, text, TAIL);
    } else {
      this.read(text, when, isError);
    }
  }

  read(text, when, isError) {
    const row = ROW.exec(text);
    if (row) {
      const [, replica, sessionId, status, , started, name] = row;
      this.rows.set(Number(replica), { sessionId, status, started, name });
      return;
    }
    const rest = REST.exec(text);
    if (rest) {
      for (const replica of replicasIn(rest[2])) {
        if (rest[1].startsWith("kept")) this.kept.add(replica);
        else this.rest.set(replica, rest[1]);
      }
      return;
    }
    const followed = FOLLOWED.exec(text);
    if (followed) {
      keep(this.followed, followed[1], followed[2], TAIL);
      return;
    }
    const launched = LAUNCHED.exec(text);
    if (launched) this.sessions.set(Number(launched[1]), launched[2]);
    const stuck = STUCK.exec(text);
    if (stuck && !this.stuck.has(Number.parseInt(stuck[1], 10))) {
      for (const replica of replicasIn(stuck[1])) this.stuck.set(replica, when ? `${when.slice(11, 19)}  ${text}` : text);
    }
    this.endings.add(text);
    this.notes.add(text, when, isError);
  }

  /** The id of a replica's session; the XCom does not have all of those of a large task. */
  sessionOf({ replica, sessionId }) {
    const inTable = this.rows.get(replica)?.sessionId ?? "-";
    return sessionId || this.sessions.get(replica) || (inTable === "-" ? "" : inTable);
  }

  /** The last lines that a replica's session wrote, if there are any. */
  tailOf(one) {
    return this.tails.get(this.sessionOf(one)) ?? this.followed.get(one.name);
  }

  /** The lines that are about a replica's session. */
  notesOf(one) {
    const why = this.stuck.get(one.replica);
    return [...this.notes.of(this.sessionOf(one)), ...(why ? [why] : [])];
  }

  /** What the log has instead of a status that is not in the XCom; "" where it is not sure. */
  statusOf(one) {
    const row = this.rows.get(one.replica);
    // A @task may execute several operators, each with a table of its own replicas.
    const isOther = row && one.sessionId && row.sessionId !== one.sessionId;
    const status = isOther ? "" : (row?.status ?? "");
    if (one.state !== "unfinished") return row?.sessionId === "-" ? "" : status;
    return this.endings.of(this.sessionOf(one), row ? status : (this.rest.get(one.replica) ?? ""));
  }

  /** The replicas of this try as its table and the lines below it show them, in the form of replicas.js. */
  replicas(tryNumber = null) {
    const last = Math.max(0, ...this.rows.keys(), this.rest.size ? [...this.rest.keys()].reduce((most, one) => Math.max(most, one)) : 0);
    return Array.from({ length: last }, (_, index) => {
      const row = this.rows.get(index + 1);
      const word = this.rest.get(index + 1);
      const isNone = !row || row.sessionId === "-";
      return {
        replica: index + 1,
        state: word && !row ? stateOf(word) : isNone ? "unfinished" : stateOf(row.status),
        sessionId: isNone ? "" : row.sessionId,
        name: isNone ? "" : row.name,
        status: row?.status ?? "",
        // The table's own column is the try that saw the end.
        launchedIn: isNone ? launchedIn(word, this.kept.has(index + 1), tryNumber) : tryOfName(row.name),
        url: "",
      };
    });
  }
}

/** The try in which a replica without a row was launched; of a kept one, which of the earlier tries is unknown. */
function launchedIn(word, isKept, tryNumber) {
  if (!word || word === "not run" || tryNumber === null) return null;
  return isKept ? tryNumber - 1 : tryNumber;
}

/** The numbers in "1-3, 7". */
export function* replicasIn(text) {
  for (const [, first, last] of text.matchAll(/(\d+)(?:-(\d+))?/g)) {
    for (let replica = Number(first); replica <= Math.min(Number(last ?? first), MOST_REPLICAS); replica += 1) yield replica;
  }
}

/** The state that a row of the table stands for; only the platform's own words for success are one. */
export function stateOf(status) {
  if (["Completed", "Succeeded", "succeeded"].includes(status)) return "succeeded";
  return ["destroyed", "left running", "launched", "not run"].includes(status) ? "unfinished" : "failed";
}

function keep(lists, key, text, most) {
  if (!lists.has(key)) lists.set(key, []);
  const lines = lists.get(key);
  lines.push(text);
  if (lines.length > most) lines.shift();
}
