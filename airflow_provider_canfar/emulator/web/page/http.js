// Calls the admin API. The token is in a cookie that no script can read.

export class LoginRequired extends Error {}

/** Send a request and return the JSON of its response. */
export async function fetchJson(path, options = {}) {
  const response = await fetch(path, {cache: "no-store", ...options});
  if (response.status === 401) throw new LoginRequired();
  if (!response.ok) throw new Error((await response.json()).error);
  return response.json();
}
