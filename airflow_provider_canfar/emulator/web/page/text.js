// A session's state and times in words. Pure functions.

export function stateText(session) {
  if (session.forgotten === null) return session.status;
  return session.deleted !== null ? "Deleted" : "Forgotten";
}

export function detailText(session) {
  if (session.exit_code !== null) return `exit code ${session.exit_code}`;
  if (session.live && session.status === "Pending") {
    return {queued: "in the queue", pulling: "image not pulled", ending: "about to end"}[session.state] || "";
  }
  return "";
}

export function runtimeText(session, now) {
  if (session.started === null) return "";
  const end = session.ended ?? session.forgotten;
  if (end !== null) return `ran ${durationText(end - session.started)}`;
  const hasQueued = session.started - session.created > 5;
  return session.status === "Running" && hasQueued ? `running ${durationText(now - session.started)}` : "";
}

/** Return what a session asked for. */
export function resourcesText({cores, ram, gpus}) {
  const parts = [cores && `${cores} cores`, ram && `${ram} GB`, gpus && `${gpus} GPUs`].filter(Boolean);
  return parts.join(", ") || "flexible";
}

/** Return what a session used when it was last measured, each beside what it asked for. */
export function usageText(session) {
  return [coresText(session), ramText(session)].filter(Boolean).join(", ");
}

export function coresText({cores, cores_in_use: used}) {
  return used === null ? "" : `${used.toFixed(2)}${cores ? ` of ${cores}` : ""} cores`;
}

export function ramText({ram, ram_in_use: used}) {
  if (used === null) return "";
  const shown = used < 0.1 ? `${Math.round(1024 * used)} MB` : `${used.toFixed(2)} GB`;
  return ram ? `${shown} of ${ram} GB` : shown;
}

/** Return the task that a session is of, if the provider gave it its name. */
export function taskText({task}) {
  return task ? `${task.name} (${task.key})` : "";
}

/** Return which replica a session is, and of which try. */
export function replicaText({task, replica_id: id, replica_count: count}) {
  const replica = count > 1 ? `${id} of ${count}` : task ? String(task.replica) : "";
  return [replica, tryText({task})].filter(Boolean).join(", ");
}

export function tryText({task}) {
  if (!task) return "";
  return task.epoch ? `try ${task.try}, cleared before` : `try ${task.try}`;
}

/** Return a number of bytes in its largest unit; nothing for a folder. */
export function sizeText(bytes) {
  if (bytes === null) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes, unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000;
  return `${unit && size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** Return a number of seconds in its largest units. */
export function durationText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return days === 1 ? "1 day" : `${days} days`;
}
