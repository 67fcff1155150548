// Which task instance or run the page is about, from its own address. Pure.

/**
 * Read a query. Airflow 3.1 inserts ids as they are, later releases percent-encode them; a run's id has a
 * "+" of its time zone, which is not a space here.
 */
export function parseAddress(query) {
  const fields = {};
  for (const pair of query.replace(/^\?/, "").split("&")) {
    const at = pair.indexOf("=");
    if (at > 0) fields[pair.slice(0, at)] = decoded(pair.slice(at + 1));
  }
  return {
    dagId: fields.dag_id ?? "",
    runId: fields.run_id ?? "",
    taskId: fields.task_id ?? "",
    // Airflow leaves {MAP_INDEX} as it is where the task is not mapped.
    mapIndex: /^\d+$/.test(fields.map_index ?? "") ? Number(fields.map_index) : -1,
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The path of a run below /api/v2. */
export function runPath({ dagId, runId }) {
  return `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
}

/** The path of a task in a run below /api/v2; what it has per map index takes that as a parameter. */
export function taskPath(address) {
  return `${runPath(address)}/taskInstances/${encodeURIComponent(address.taskId)}`;
}

/** The path of the tab of a task instance in Airflow's own pages. */
export function tabPath({ dagId, runId, taskId, mapIndex }) {
  const [dag, run, task] = [dagId, runId, taskId].map(inPage);
  const mapped = mapIndex >= 0 ? `/mapped/${mapIndex}` : "";
  return `dags/${dag}/runs/${run}/tasks/${task}${mapped}/plugin/canfar-sessions`;
}

/** An id as Airflow's own links have it; of a page with a quoted ":" or "+", Airflow highlights no tab. */
function inPage(id) {
  return encodeURIComponent(id).replaceAll("%3A", ":").replaceAll("%2B", "+");
}

/** The address of one replica's session: its page, or the log of one that has none. */
export function sessionUrl(serviceUrl, replica) {
  const url = webUrl(replica.url ?? "");
  const service = webUrl(serviceUrl ?? "");
  if (url || !service || !replica.sessionId) return url;
  return `${service}/session/${encodeURIComponent(replica.sessionId)}?view=logs`;
}

/** An address if a browser may open it; "" for any other scheme, such as javascript: or data:. */
export function webUrl(text) {
  return /^https?:\/\//i.test(text) ? text : "";
}
