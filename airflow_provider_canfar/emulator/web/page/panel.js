// The panel with the details of one session.

import {$, element, setText} from "./dom.js";
import {state} from "./state.js";
import {detailText, replicaText, resourcesText, stateText, taskText, usageText} from "./text.js";

export function showPanel(session) {
  if (session.id !== state.openId) return;
  const isNew = $("panel").hidden;
  $("panel").hidden = false;
  setText($("panel-title"), session.name);
  showFacts({
    Id: session.id,
    State: [stateText(session), detailText(session)].filter(Boolean).join(", "),
    Task: taskText(session),
    Replica: replicaText(session),
    Kind: session.kind,
    Image: session.image,
    Resources: resourcesText(session),
    [session.live ? "In use" : "Last used"]: usageText(session),
    Folder: session.folder,
    Starts: session.starts > 1 ? String(session.starts) : "",
  });
  showArgv($("panel-argv"), session.argv);
  showArgv($("panel-container-argv"), session.container_argv);
  $("panel-encoded").hidden = session.container_argv.join("\n") === session.argv.join("\n");
  showLog($("panel-log"), session);
  setText($("panel-events"), session.events);
  $("panel-events-all").hidden = !session.events;
  const isBelow = matchMedia("(max-width: 1119px)").matches;
  if (isNew && isBelow) $("panel").scrollIntoView({block: "nearest"});
}

function showFacts(facts) {
  const known = Object.entries(facts).filter(([, value]) => value);
  const list = $("panel-facts");
  if (!isChanged(list, known)) return;
  list.replaceChildren(...known.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

function showArgv(list, argv) {
  if (!isChanged(list, argv)) return;
  const items = argv.map((argument) => {
    const item = document.createElement("li");
    item.append(element("code", argument));
    return item;
  });
  list.replaceChildren(...(items.length ? items : [element("li", "the image's own command")]));
}

/** Return whether an element shows something else so far, and remember what it shows now. */
function isChanged(list, content) {
  const text = JSON.stringify(content);
  if (list.dataset.content === text) return false;
  list.dataset.content = text;
  return true;
}

/** Follow the log unless the reader has scrolled up; append to it, so that a selection survives. */
function showLog(log, session) {
  const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const old = log.textContent;
  log.classList.toggle("empty", !session.log);
  log.dataset.placeholder = session.live ? "No output yet." : "No output.";
  if (old !== session.log) {
    if (old && session.log.startsWith(old)) log.append(session.log.slice(old.length));
    else log.textContent = session.log;
  }
  if (follows) log.scrollTop = log.scrollHeight;
}
