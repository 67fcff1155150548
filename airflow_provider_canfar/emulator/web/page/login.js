// Logging in and out.

import {$, setStatus} from "./dom.js";
import {fetchJson, LoginRequired} from "./http.js";

export function showLogin() {
  $("emulator").hidden = $("log-out").hidden = true;
  $("summary").textContent = "";
  setStatus("connection", "", "");
  if ($("login").hidden) {
    $("login").hidden = false;
    $("token").focus();
  }
}

/** Exchange the token in the form for a cookie; return whether that worked. */
export async function logIn() {
  const field = $("token");
  let problem = "";
  try {
    await fetchJson("/emulator/login", {method: "POST", headers: {Authorization: `Bearer ${field.value}`}});
    field.value = "";
  } catch (error) {
    problem = error instanceof LoginRequired ? "This is not the emulator's token." : "The emulator does not respond.";
    field.select();
  }
  $("login-error").textContent = problem;
  return !problem;
}

export async function logOut() {
  await fetchJson("/emulator/login", {method: "DELETE"});
}

/** Return to the address that needed a login first; only to one of the platform's own calls. */
export function returnToNext() {
  const next = new URLSearchParams(location.search).get("next");
  if (!next) return false;
  if (!URL.canParse(next, location.origin)) return false;
  const address = new URL(next, location.origin);
  if (address.origin !== location.origin || !address.pathname.startsWith("/skaha/v1/")) return false;
  location.replace(address);
  return true;
}
