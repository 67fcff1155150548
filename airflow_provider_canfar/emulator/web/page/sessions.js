// The table of sessions.

import {requestRefresh, runAction} from "./actions.js";
import {$, setText} from "./dom.js";
import {state} from "./state.js";
import {
  coresText, detailText, durationText, ramText, replicaText, runtimeText, stateText, taskText,
} from "./text.js";

const rows = new Map(); // id -> row

export function showSessions() {
  const {sessions} = state;
  const forgotten = sessions.filter((session) => session.forgotten !== null).length;
  setText($("forgotten"), forgotten ? `show ${forgotten} deleted or forgotten` : "show deleted and forgotten");
  const all = $("show-forgotten").checked;
  const listed = sessions.filter((session) => all || session.forgotten === null).reverse();
  const ids = new Set(listed.map((session) => session.id));
  for (const [id, row] of rows) {
    if (!ids.has(id)) {
      row.remove();
      rows.delete(id);
    }
  }
  let next = $("rows").firstElementChild;
  for (const session of listed) {
    const row = rows.get(session.id) || newRow(session);
    updateRow(row, session);
    if (row === next) next = row.nextElementSibling;
    else $("rows").insertBefore(row, next);
  }
  $("sessions").hidden = !listed.length;
  $("empty").hidden = Boolean(listed.length);
}

/** Open a session in the panel, or close the panel if it shows that session. */
export function togglePanel(id) {
  state.openId = state.openId === id ? null : id;
  $("panel").hidden = true;
  $("panel-log").textContent = "";
  showSessions();
  if (state.openId) requestRefresh();
}

export function closePanel() {
  const name = rows.get(state.openId)?.querySelector(".name");
  togglePanel(state.openId);
  name?.focus();
}

/** Delete a session as any client of the platform would; faults affect that call, too. */
function destroy(button, session) {
  runAction(button, `Deleted ${session.name}.`, `Could not delete ${session.name}`, async () => {
    const response = await fetch(`/skaha/v1/session/${session.id}`, {method: "DELETE"});
    if (!response.ok) throw new Error((await response.text()).trim());
  });
}

function newRow(session) {
  const row = $("row").content.firstElementChild.cloneNode(true);
  row.dataset.session = session.id;
  rows.set(session.id, row);
  const name = row.querySelector(".name");
  name.textContent = session.name;
  name.title = `id ${session.id}`;
  name.addEventListener("click", () => togglePanel(session.id));
  const command = row.querySelector(".command");
  command.textContent = command.title = session.command;
  const link = row.querySelector(".link");
  link.href = session.connect_url;
  link.textContent = `Open ${session.kind}`;
  link.setAttribute("aria-label", `Open ${session.kind} ${session.name}`);
  row.querySelector(".kind").textContent = session.kind;
  const replica = row.querySelector(".replica");
  replica.querySelector("span").textContent =
    session.replica_count > 1 ? `${session.replica_id} of ${session.replica_count}` : "";
  replica.querySelector(".small").textContent = session.task ? `try ${session.task.try}` : "";
  replica.title = [taskText(session), replicaText(session)].filter(Boolean).join(", ");
  const remove = row.querySelector(".delete");
  remove.setAttribute("aria-label", `Delete ${session.name}`);
  remove.addEventListener("click", () => destroy(remove, session));
  return row;
}

function updateRow(row, session) {
  const isForgotten = session.forgotten !== null;
  const isOpen = session.id === state.openId;
  row.classList.toggle("ended", !session.live);
  row.classList.toggle("open", isOpen);
  row.querySelector(".name").setAttribute("aria-expanded", String(isOpen));
  const pill = row.querySelector(".pill");
  pill.className = `pill ${isForgotten ? "forgotten" : session.status.toLowerCase()}`;
  setText(pill, stateText(session));
  setText(row.querySelector(".state .small"), detailText(session));
  row.querySelector(".link").hidden = !(session.connect_url && session.live && session.status === "Running");
  setText(row.querySelector(".use span"), session.live ? coresText(session) : "");
  setText(row.querySelector(".use .small"), session.live ? ramText(session) : "");
  const since = row.querySelector(".since");
  setText(since, durationText(state.now - session.created));
  since.title = new Date(session.created * 1000).toLocaleString();
  setText(row.querySelector(".age .small"), runtimeText(session, state.now));
  row.querySelector(".delete").hidden = isForgotten || session.deleted !== null;
}
