// The page's sentences. Pure.

import { LABELS, MEANINGS, STATES, hasEnded } from "./replicas.js";

export const number = (value) => value.toLocaleString("en");

/** "500 replicas: 300 running, 200 succeeded" */
export function headline(counts, total) {
  const parts = STATES.filter((state) => counts[state]).map((state) => `${number(counts[state])} ${LABELS[state].toLowerCase()}`);
  return `${number(total)} ${total === 1 ? "replica" : "replicas"}: ${parts.join(", ")}`;
}

/** Since when, at what pace, until when; of the progress only, which is honest about what it knows. */
export function paceLine(progress, task, now) {
  if (!progress) return "";
  const isOver = hasEnded(task.state);
  // The XCom has seconds since the epoch, JavaScript milliseconds.
  const since = new Date(progress.since * 1000);
  // A task that was killed has written no progress at its end.
  const until = isOver ? new Date(task.end_date ?? progress.updated * 1000) : now;
  const parts = Number.isNaN(since.getTime()) ? [] : [`Since ${clock(since, now)} (${duration((until - since) / 1000)})`];
  if (typeof progress.pace_per_hour === "number") parts.push(`${number(Number(progress.pace_per_hour.toPrecision(3)))} per hour`);
  if (!isOver) {
    const end = new Date((progress.expected_end ?? NaN) * 1000);
    parts.push(Number.isNaN(end.getTime()) ? "No expected end yet: too few have ended" : `Expected end ${clock(end, now)}`);
  }
  return parts.join(" · ");
}

/** A time of day in the reader's time zone, with the date unless that is today. */
export function clock(date, now) {
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === now.toDateString()) return time;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
}

/** "45 s", "12 min", "3 h 20 min", "2 d 4 h" */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const NOT_STARTED = new Set(["none", "scheduled", "queued", "restarting"]);

/** What to do where there is no replica to show. */
export function nothingToShow(task) {
  const operator = task.operator_name || task.operator || "";
  const state = task.state ?? "none";
  if (!/canfar/i.test(operator) && !NOT_STARTED.has(state)) {
    return `This task (${operator || "of another operator"}) has no sessions on the CANFAR Science Platform.`;
  }
  if (!/canfar/i.test(operator)) return "This task has not started. If it launches sessions, they show up here.";
  if (NOT_STARTED.has(state)) return "The task has not started. Its sessions show up here once they are launched.";
  if (state === "running" || state === "deferred") return "The task is about to launch its sessions. They show up here in a few seconds.";
  if (state === "skipped" || state === "upstream_failed") return `The task is ${state.replace("_", " ")}: it has launched no session.`;
  return "This try has recorded no session. The tab Logs says what happened.";
}

/** What to say where Airflow gives no data. */
export function apiProblem(status) {
  if (status === 401) return "You are not logged in to Airflow. Log in, then open this page again.";
  if (status === 403) return "Airflow does not let you see this task. Ask an administrator for permission to read the DAG, its task instances and XComs.";
  if (status === 404) return "Airflow has no such task instance. Of a mapped task, open one of its instances.";
  return `Airflow answered ${status}. Trying again.`;
}

/** What the status of a failed replica means; the first three are words of our own, and no server's. */
const FAILURES = [
  [/^Gone$/, "the platform no longer has its session, and how it ended is not known"],
  [/^NeverStarted$/, "its session did not start, and the task destroyed it"],
  [/ without a result$/, "its session has completed, but the result of its function is missing"],
  [/./, "its session has failed"],
];

const LEFT = {
  destroyed: "the task ended first, and its session was destroyed",
  "left running": "the task ended first, and left its session running",
  "not run": "the task ended before it launched a session",
};

/** A replica's state, and what is known of it. @param {string} logged the status in the task's log */
export function stateLine(one, logged = "") {
  const status = one.status || (one.state === "failed" ? logged : "");
  const label = LABELS[one.state];
  const said = status.startsWith(label) ? status : status ? `${label} (${status})` : label;
  return `${said}: ${meaning(one, status || logged)}`;
}

function meaning(one, status) {
  if (one.state === "failed" && status) return FAILURES.find(([word]) => word.test(status))[1];
  if (one.state !== "unfinished") return MEANINGS[one.state];
  return LEFT[status] ?? (one.sessionId ? "the task ended first; its session was destroyed or left running" : MEANINGS.unfinished);
}

/** Where the lines of a session are that the task's log does not have. */
export function whyNoLog(one, { isOver, hasLink }) {
  const now = hasLink ? "; Open session shows them now." : ".";
  if (one.state === "waiting") return "It has no session yet.";
  if (one.state === "pending") return "Its session has not started yet.";
  if (one.state === "launched" && isOver) return `The task did not wait for its end.${hasLink ? " Open session leads to it." : ""}`;
  if (one.state === "running" || one.state === "launched") return `The task's log gets its lines once the session has ended${now}`;
  if (one.status === "NeverStarted") return "It has none, as its session did not start.";
  // The worker records an end, and shows the log, when it is woken next.
  if (!isOver && !one.status) return `The task's log gets its lines when the task resumes${now}`;
  return "The task's log has none of its lines.";
}

/** What a cell says to a screen reader, and in its tooltip. */
export function cellLabel(one) {
  const words = [`Replica ${one.replica}`, LABELS[one.state].toLowerCase()];
  if (one.name) words.push(one.name);
  return words.join(", ");
}
