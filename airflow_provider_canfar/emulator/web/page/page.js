// The emulator's page: asks once a second what there is, and changes what has changed.
//
// Whatever comes from a session (its name, its command, its log) is put in place as text, never as HTML. The
// token goes into a cookie that no script can read, and is kept nowhere here.

"use strict";

const EVERY = 1000; // milliseconds

const FAULTS = [
  ["Slow answers", "each comes 2 s later", {latency: {seconds: 2}}],
  ["Busy", "every other one is a 503", {busy: {rate: 0.5, retry_after: 2}}],
  ["Outage", "every connection closes", {outage: {mode: "close"}}],
  ["Lost answers", "created, but not told", {drop_after: {method: "POST", path: "^/skaha/v1/session$"}}],
  ["No image", "no pull succeeds", {pull: {image: "*"}}],
  ["Expired token", "every request is a 401", {expired_token: {}}],
];

const $ = (id) => document.getElementById(id);
const rows = new Map(); // id -> row
let sessions = [];
let faults = {};
let now = 0; // the emulator's clock, seconds since 1970
let opened = null; // the id of the session in the panel
let timer = null;

class LoginNeeded extends Error {}

// -- asking ----------------------------------------------------------------------------------------------

async function ask(path, options = {}) {
  const answer = await fetch(path, {cache: "no-store", ...options});
  if (answer.status === 401) throw new LoginNeeded();
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer.json();
}

async function look() {
  clearTimeout(timer);
  try {
    const overview = await ask("/emulator/overview");
    if (goBack()) return;
    ({sessions, faults, now} = overview);
    showEmulator(overview.user);
    if (opened) showPanel(await ask(`/emulator/sessions/${encodeURIComponent(opened)}`));
  } catch (error) {
    if (error instanceof LoginNeeded) return showLogin();
    show("connection", "lost", "No answer; trying again");
    if (!(error instanceof TypeError)) console.error(error);
  }
  clearTimeout(timer);
  timer = setTimeout(look, EVERY);
}

/** Go where a browser came from that had to log in first; only to where the platform itself answers. */
function goBack() {
  const next = new URLSearchParams(location.search).get("next");
  if (!next) return false;
  if (!URL.canParse(next, location.origin)) return false;
  const address = new URL(next, location.origin);
  if (address.origin !== location.origin || !address.pathname.startsWith("/skaha/v1/")) return false;
  location.replace(address);
  return true;
}

// -- logging in and out ----------------------------------------------------------------------------------

function showLogin() {
  $("emulator").hidden = $("log-out").hidden = true;
  $("summary").textContent = "";
  show("connection", "", "");
  if ($("login").hidden) {
    $("login").hidden = false;
    $("token").focus();
  }
}

async function logIn(event) {
  event.preventDefault();
  const field = $("token");
  let why = "";
  try {
    await ask("/emulator/login", {method: "POST", headers: {Authorization: `Bearer ${field.value}`}});
    field.value = "";
  } catch (error) {
    why = error instanceof LoginNeeded ? "This is not the emulator's token." : "The emulator does not answer.";
    field.select();
  }
  $("login-error").textContent = why;
  if (!why) look();
}

async function logOut() {
  await ask("/emulator/login", {method: "DELETE"});
  if (opened) open(opened);
  showLogin();
}

// -- acting ----------------------------------------------------------------------------------------------

async function act(button, done, tried, doing) {
  button.disabled = true;
  try {
    await doing();
    say(done);
  } catch (error) {
    say(`${tried}: ${error instanceof TypeError ? "there was no answer." : error.message}`, true);
  }
  button.disabled = false;
  look();
}

/** Delete a session as any client of the platform would; faults strike that, too. */
function destroy(button, session) {
  act(button, `Deleted ${session.name}.`, `Could not delete ${session.name}`, async () => {
    const answer = await fetch(`/skaha/v1/session/${session.id}`, {method: "DELETE"});
    if (!answer.ok) throw new Error((await answer.text()).trim());
  });
}

function switchFaults(button, name, wanted) {
  const how = wanted ? {method: "PUT", body: JSON.stringify(wanted)} : {method: "DELETE"};
  const on = wanted && Object.values(wanted)[0] !== null;
  act(button, `${name}: ${on ? "on" : "off"}.`, `Could not switch ${name}`, () => ask("/emulator/faults", how));
}

function say(sentence, bad = false) {
  $("said").textContent = sentence;
  $("said").classList.toggle("error", bad);
}

// -- showing ---------------------------------------------------------------------------------------------

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(id, kind, text) {
  $(id).className = `${id} ${kind}`;
  put($(id), text);
}

function showEmulator(user) {
  $("login").hidden = true;
  $("emulator").hidden = $("log-out").hidden = false;
  show("connection", "live", "Live");
  const running = sessions.filter((session) => session.live && session.status === "Running").length;
  const live = sessions.filter((session) => session.live).length;
  put($("summary"), `${user}: ${running} running, ${live - running} waiting, ${sessions.length - live} ended`);
  showFaults();
  showSessions();
}

function showFaults() {
  const shown = FAULTS.map(([name, meaning, wanted]) => [Object.keys(wanted)[0], name, meaning, wanted]);
  const known = new Set(shown.map(([kind]) => kind));
  for (const kind of Object.keys(faults)) {
    if (!known.has(kind)) shown.push([kind, kind, "switched on elsewhere", {[kind]: {}}]);
  }
  const list = $("faults");
  for (const button of [...list.children]) {
    if (!shown.some(([kind]) => kind === button.dataset.fault)) button.remove();
  }
  for (const [kind, name, meaning, wanted] of shown) {
    const button = list.querySelector(`[data-fault="${kind}"]`) || newSwitch(kind, name, wanted);
    const on = faults[kind];
    button.setAttribute("aria-pressed", String(Boolean(on)));
    put(button.querySelector(".meaning"), meaning);
    put(button.querySelector(".struck"), on && on.struck ? `${on.struck}×` : "");
  }
  const count = Object.keys(faults).length;
  put($("faults-on"), count ? `${count} on: things go wrong on purpose` : "none on: all goes well");
  $("faults-off").disabled = !count;
}

function newSwitch(kind, name, wanted) {
  const button = $("switch").content.firstElementChild.cloneNode(true);
  button.dataset.fault = kind;
  button.querySelector("strong").textContent = name;
  button.setAttribute("aria-label", name);
  button.querySelector(".meaning").id = `fault-${kind}`;
  button.setAttribute("aria-describedby", `fault-${kind}`);
  button.addEventListener("click", () => switchFaults(button, name, faults[kind] ? {[kind]: null} : wanted));
  $("faults").append(button);
  return button;
}

function showSessions() {
  const forgotten = sessions.filter((session) => session.forgotten !== null).length;
  put($("forgotten"), forgotten ? `${forgotten} deleted or forgotten, too` : "deleted and forgotten ones, too");
  const all = $("show-forgotten").checked;
  const listed = sessions.filter((session) => all || session.forgotten === null).reverse();
  const wanted = new Set(listed.map((session) => session.id));
  for (const [id, row] of rows) {
    if (!wanted.has(id)) {
      row.remove();
      rows.delete(id);
    }
  }
  let before = $("rows").firstElementChild;
  for (const session of listed) {
    const row = rows.get(session.id) || newRow(session);
    showRow(row, session);
    if (row === before) before = row.nextElementSibling;
    else $("rows").insertBefore(row, before);
  }
  $("sessions").hidden = !listed.length;
  $("empty").hidden = Boolean(listed.length);
}

function newRow(session) {
  const row = $("row").content.firstElementChild.cloneNode(true);
  row.dataset.session = session.id;
  rows.set(session.id, row);
  const name = row.querySelector(".name");
  name.textContent = session.name;
  name.title = `id ${session.id}`;
  name.addEventListener("click", () => open(session.id));
  const command = row.querySelector(".command");
  command.textContent = command.title = session.command;
  const link = row.querySelector(".opens");
  link.href = session.connect_url;
  link.textContent = `Open ${session.kind}`;
  link.setAttribute("aria-label", `Open ${session.kind} ${session.name}`);
  row.querySelector(".kind").textContent = session.kind;
  row.querySelector(".replica").textContent =
    session.replica_count > 1 ? `${session.replica_id} of ${session.replica_count}` : "";
  const remove = row.querySelector(".delete");
  remove.setAttribute("aria-label", `Delete ${session.name}`);
  remove.addEventListener("click", () => destroy(remove, session));
  return row;
}

function showRow(row, session) {
  const gone = session.forgotten !== null;
  row.classList.toggle("ended", !session.live);
  row.classList.toggle("open", session.id === opened);
  row.querySelector(".name").setAttribute("aria-expanded", String(session.id === opened));
  const pill = row.querySelector(".pill");
  pill.className = `pill ${gone ? "forgotten" : session.status.toLowerCase()}`;
  put(pill, stateOf(session));
  put(row.querySelector(".state .small"), detailOf(session));
  row.querySelector(".opens").hidden = !(session.connect_url && session.live && session.status === "Running");
  const since = row.querySelector(".since");
  put(since, words(now - session.created));
  since.title = new Date(session.created * 1000).toLocaleString();
  put(row.querySelector(".age .small"), ranFor(session));
  row.querySelector(".delete").hidden = gone;
}

function stateOf(session) {
  if (session.deleted !== null) return "Deleted";
  return session.forgotten !== null ? "Forgotten" : session.status;
}

function detailOf(session) {
  if (session.exit_code !== null) return `exit code ${session.exit_code}`;
  if (session.live && session.status === "Pending") {
    return {queued: "in the queue", pulling: "image not pulled", ending: "about to end"}[session.state] || "";
  }
  return "";
}

function ranFor(session) {
  if (session.started === null) return "";
  const end = session.ended ?? session.forgotten;
  if (end !== null) return `ran ${words(end - session.started)}`;
  const waited = session.started - session.created > 5;
  return session.status === "Running" && waited ? `runs ${words(now - session.started)}` : "";
}

/** Say a number of seconds as people do. */
function words(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return days === 1 ? "1 day" : `${days} days`;
}

// -- the panel -------------------------------------------------------------------------------------------

function open(id) {
  opened = opened === id ? null : id;
  $("panel").hidden = true;
  $("panel-log").textContent = "";
  showSessions();
  if (opened) look();
}

function close() {
  const name = rows.get(opened)?.querySelector(".name");
  open(opened);
  name?.focus();
}

function showPanel(session) {
  if (session.id !== opened) return;
  const isNew = $("panel").hidden;
  $("panel").hidden = false;
  put($("panel-title"), session.name);
  const {cores, ram, gpus} = session.resources;
  const asked = [cores && `${cores} cores`, ram && `${ram} GB`, gpus && `${gpus} GPUs`].filter(Boolean);
  showFacts({
    Id: session.id,
    State: [stateOf(session), detailOf(session)].filter(Boolean).join(", "),
    Kind: session.kind,
    Image: session.image,
    Resources: asked.join(", ") || "flexible",
    Folder: session.folder,
    Starts: session.starts > 1 ? String(session.starts) : "",
  });
  showWords($("panel-program"), session.program);
  showWords($("panel-words"), session.words);
  $("panel-carrier").hidden = session.words.join("\n") === session.program.join("\n");
  showLog($("panel-log"), session);
  put($("panel-events"), session.events);
  $("panel-events-all").hidden = !session.events;
  const isBelow = matchMedia("(max-width: 1119px)").matches;
  if (isNew && isBelow) $("panel").scrollIntoView({block: "nearest"});
}

function showFacts(facts) {
  const said = Object.entries(facts).filter(([, value]) => value);
  const list = $("panel-facts");
  const text = JSON.stringify(said);
  if (list.dataset.said === text) return;
  list.dataset.said = text;
  list.replaceChildren(...said.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

function showWords(list, said) {
  const text = JSON.stringify(said);
  if (list.dataset.said === text) return;
  list.dataset.said = text;
  const items = said.map((word) => {
    const item = document.createElement("li");
    item.append(element("code", word));
    return item;
  });
  list.replaceChildren(...(items.length ? items : [element("li", "what the image runs by itself")]));
}

/** Follow the log, unless somebody has scrolled up in it; what was there stays, so that it can be selected. */
function showLog(log, session) {
  const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const old = log.textContent;
  log.classList.toggle("nothing", !session.log);
  log.dataset.nothing = session.live ? "Nothing yet." : "It has written nothing.";
  if (old !== session.log) {
    if (old && session.log.startsWith(old)) log.append(session.log.slice(old.length));
    else log.textContent = session.log;
  }
  if (follows) log.scrollTop = log.scrollHeight;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

// -- the beginning ---------------------------------------------------------------------------------------

const address = `${location.origin}/skaha/v1`;
$("empty-address").textContent = address;
$("empty-command").textContent = [
  'curl -H "Authorization: Bearer $CANFAR_TOKEN" \\',
  "     -d name=hello -d image=images.canfar.net/skaha/astroml:24.07 -d cmd=date \\",
  `     ${address}/session`,
].join("\n");
if (new URLSearchParams(location.search).has("next")) {
  $("login-why").textContent = "What you have opened is shown to who has the token. The emulator printed it when it started.";
}
$("login-form").addEventListener("submit", logIn);
$("log-out").addEventListener("click", logOut);
$("faults-off").addEventListener("click", () => switchFaults($("faults-off"), "All faults", null));
$("show-forgotten").addEventListener("change", showSessions);
$("panel-close").addEventListener("click", close);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && opened) close();
});
look();
