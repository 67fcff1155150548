// Runs what a button does, and reports the outcome.

import {$} from "./dom.js";

/** Fired on the document when the page has changed something and needs fresh data. */
export const CHANGED = "emulator-changed";

export function requestRefresh() {
  document.dispatchEvent(new Event(CHANGED));
}

/** Run an action with its button disabled, and show `success`, or `failure` and the reason. */
export async function runAction(button, success, failure, action) {
  button.disabled = true;
  try {
    await action();
    notify(success);
  } catch (error) {
    notify(`${failure}: ${error instanceof TypeError ? "no response." : error.message}`, true);
  }
  button.disabled = false;
  requestRefresh();
}

function notify(message, isError = false) {
  $("notice").textContent = message;
  $("notice").classList.toggle("error", isError);
}
