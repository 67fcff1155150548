// The emulator's page: fetches the overview once a second, and updates what has changed.

import {CHANGED} from "./actions.js";
import {$, setStatus, setText} from "./dom.js";
import {showFaults, switchFaults} from "./faults.js";
import {filesAreOpen, showFiles} from "./files.js";
import {fetchJson, LoginRequired} from "./http.js";
import {logIn, logOut, returnToNext, showLogin} from "./login.js";
import {showPanel} from "./panel.js";
import {closePanel, showSessions, togglePanel} from "./sessions.js";
import {state} from "./state.js";

const INTERVAL = 1000; // milliseconds

let timer = null;

async function refresh() {
  clearTimeout(timer);
  try {
    const {user, sessions, faults, now} = await fetchJson("/emulator/overview");
    if (returnToNext()) return;
    Object.assign(state, {sessions, faults, now});
    showEmulator(user);
    if (filesAreOpen()) showFiles(await fetchJson("/emulator/files"));
    if (state.openId) showPanel(await fetchJson(`/emulator/sessions/${encodeURIComponent(state.openId)}`));
  } catch (error) {
    if (error instanceof LoginRequired) return showLogin();
    setStatus("connection", "lost", "No response; trying again");
    if (!(error instanceof TypeError)) console.error(error);
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, INTERVAL);
}

function showEmulator(user) {
  $("login").hidden = true;
  $("emulator").hidden = $("log-out").hidden = false;
  setStatus("connection", "live", "Live");
  const live = state.sessions.filter((session) => session.live);
  const running = live.filter((session) => session.status === "Running").length;
  const ended = state.sessions.length - live.length;
  setText($("summary"), `${user}: ${running} running, ${live.length - running} waiting, ${ended} ended`);
  showFaults();
  showSessions();
}

function showExample() {
  const address = `${location.origin}/skaha/v1`;
  $("empty-address").textContent = address;
  $("empty-command").textContent = [
    'curl -H "Authorization: Bearer $CANFAR_TOKEN" \\',
    "     -d name=hello -d image=images.canfar.net/skaha/astroml:24.07 -d cmd=date \\",
    `     ${address}/session`,
  ].join("\n");
}

showExample();
if (new URLSearchParams(location.search).has("next")) {
  $("login-why").textContent = "This address needs the emulator's token, which it printed when it started.";
}
$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await logIn()) refresh();
});
$("log-out").addEventListener("click", async () => {
  await logOut();
  if (state.openId) togglePanel(state.openId);
  showLogin();
});
$("faults-off").addEventListener("click", () => switchFaults($("faults-off"), "All faults", null));
$("show-forgotten").addEventListener("change", showSessions);
$("files").addEventListener("toggle", refresh);
$("panel-close").addEventListener("click", closePanel);
document.addEventListener(CHANGED, refresh);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.openId) closePanel();
});
refresh();
