// Airflow's REST API, as the person who looks: the browser sends their cookie.

// The page is at <Airflow>/canfar/sessions/, wherever that is mounted.
export const AIRFLOW = new URL("../../", document.baseURI);

/** What Airflow answered instead of data. */
export class ApiError extends Error {
  constructor(status) {
    super(`Airflow answered ${status}`);
    this.status = status;
  }
}

/** Get a JSON document. @throws {ApiError} */
export async function get(path, parameters = {}) {
  return (await request(path, parameters, "application/json")).json();
}

/** Get a JSON document, or null where there is none. */
export async function find(path, parameters = {}) {
  try {
    return await get(path, parameters);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Call a function with each line of a response, up to a number of characters in all. Return whether that was all. */
export async function eachLine(path, parameters, limit, call) {
  const response = await request(path, parameters, "application/x-ndjson");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop();
    lines.filter(Boolean).forEach(call);
    if (done) return true;
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      return false;
    }
  }
}

async function request(path, parameters, accept) {
  const url = new URL(`api/v2/${path}`, AIRFLOW);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const response = await fetch(url, { headers: { Accept: accept }, credentials: "same-origin" });
  if (!response.ok) throw new ApiError(response.status);
  return response;
}
