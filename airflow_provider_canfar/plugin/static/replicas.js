// What is known of each replica, from the task's XComs and its log. Pure.

/** The states in the order in which a replica passes through them. */
export const STATES = ["waiting", "pending", "running", "launched", "succeeded", "failed", "unfinished"];

export const LABELS = {
  // Not "waiting": the task's log counts pending ones as waiting, too.
  waiting: "Not launched",
  pending: "Pending",
  running: "Running",
  launched: "Launched",
  succeeded: "Succeeded",
  failed: "Failed",
  unfinished: "Not finished",
};

export const MEANINGS = {
  waiting: "it has no session yet",
  pending: "its session has not started",
  running: "its session runs",
  launched: "it has a session, whose state the task has not recorded",
  succeeded: "its session has completed",
  failed: "its session has failed, did not start, or is no longer on the platform",
  unfinished: "the task ended first; its session was destroyed, left running, or never launched",
};

/** The final states of a task instance. */
const ENDED = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);

export const hasEnded = (state) => ENDED.has(state);

const OF_LETTER = { ".": "waiting", p: "pending", r: "running", s: "succeeded", f: "failed" };

/** One letter per replica; a number says how often the next one repeats. A task has fewer than 100,000 replicas. */
const MAP = /^(\d{0,5}\D)*$/;

const lettersOf = (map) => map.replace(/(\d+)(\D)/g, (_, count, letter) => letter.repeat(Number(count)));

/** What the XCom progress says, or null if it is not of a form that this page knows. */
export function readProgress(value) {
  const isKnown = value && typeof value === "object" && value.version === 1 && typeof value.map === "string" && MAP.test(value.map);
  return isKnown ? value : null;
}

/** The rows of the XCom sessions that are of the expected form; another operator may use that key too. */
export function readSessions(value) {
  if (!Array.isArray(value)) return [];
  return value.filter((row) => Number.isInteger(row?.replica) && row.replica > 0 && typeof row.session_id === "string");
}

/**
 * Complete the sessions with what the task returned, which says more of each: when it started, why it did not.
 *
 * A function's own result may look like that by chance, so a row must be of the same session.
 */
export function withReturned(sessions, returned) {
  if (!sessions.length) return returned;
  const known = new Map(returned.map((row) => [row.session_id, row]));
  return sessions.map((row) => ({ ...row, ...known.get(row.session_id), replica: row.replica }));
}

/** The try in which a session was launched, from its name; null for a name that the provider did not give. */
export function tryOfName(name) {
  const match = /-[a-z2-7]{10,14}-\d{1,5}-\d{1,5}-(\d{1,5})$/.exec(name ?? "");
  return match ? Number(match[1]) : null;
}

/**
 * Put together one entry per replica, in order.
 *
 * An outcome in the sessions is final, so it counts more than the progress, which may be seconds older. A task that
 * has returned has left the others alive, as it does not wait for their end; a person who ends it destroys them.
 */
export function replicasOf({ progress, sessions, hasReturned, taskState }) {
  const map = lettersOf(progress?.map ?? "");
  const last = sessions.reduce((most, row) => Math.max(most, row.replica), 0);
  const isOver = hasEnded(taskState);
  const replicas = Array.from({ length: Math.max(map.length, last) }, (_, index) => ({
    replica: index + 1,
    state: OF_LETTER[map[index]] ?? "waiting",
    sessionId: "",
    name: "",
    status: "",
    launchedIn: null,
    url: "",
    started: "",
    reason: "",
    used: "",
  }));
  for (const row of sessions) {
    const one = replicas[row.replica - 1];
    one.sessionId = row.session_id;
    one.name = String(row.name ?? "");
    one.status = String(row.status ?? "");
    one.url = typeof row.url === "string" ? row.url : "";
    one.started = String(row.started ?? "");
    one.reason = String(row.reason ?? "");
    one.used = usedWords(row.usage);
    one.launchedIn = tryOfName(one.name);
    if (row.succeeded === true) one.state = "succeeded";
    else if (row.succeeded === false) one.state = "failed";
    else if (!map[row.replica - 1]) one.state = "launched";
  }
  const isSettled = (one) => one.state === "succeeded" || one.state === "failed";
  const isLaunched = (one) => one.sessionId || one.state !== "waiting";
  if (isOver) for (const one of replicas) if (!isSettled(one)) one.state = hasReturned && isLaunched(one) ? "launched" : "unfinished";
  return replicas;
}

/** "0.98 of 2 cores, 1.3 of 16 GB", or "" where nothing is known of what a session used. */
export function usedWords(usage) {
  const figure = (value) => Number(value.toPrecision(3)).toString();
  return [["cores", "cores"], ["ram", "GB"]]
    .filter(([name]) => typeof usage?.[name] === "number")
    .map(([name, unit]) => {
      const asked = usage[`${name}_asked`];
      return `${figure(usage[name])}${typeof asked === "number" ? ` of ${figure(asked)}` : ""} ${unit}`;
    })
    .join(", ");
}

/** How many replicas are in each state. */
export function countStates(replicas) {
  const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
  for (const one of replicas) counts[one.state] += 1;
  return counts;
}

/** How the replicas of one try compare with the tries before: which were kept, which ran again. */
export function compareTry(replicas, tryNumber) {
  const isKept = replicas.map((one) => one.launchedIn !== null && one.launchedIn < tryNumber);
  const kept = isKept.filter(Boolean).length;
  const ran = replicas.filter((one) => one.launchedIn === tryNumber).length;
  return { isKept, kept, ran };
}
