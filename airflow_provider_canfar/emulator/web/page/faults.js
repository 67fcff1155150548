// The switches for faults.

import {runAction} from "./actions.js";
import {$, setText} from "./dom.js";
import {fetchJson} from "./http.js";
import {state} from "./state.js";

const FAULTS = [
  ["Slow responses", "each is delayed by 2 s", {latency: {seconds: 2}}],
  ["Busy", "every other one is a 503", {busy: {rate: 0.5, retry_after: 2}}],
  ["Outage", "every connection closes", {outage: {mode: "close"}}],
  ["Lost responses", "created, but unconfirmed", {drop_after: {method: "POST", path: "^/skaha/v1/session$"}}],
  ["No image", "every pull fails", {pull: {image: "*"}}],
  ["No metrics", "lists lack CPU and RAM in use", {no_metrics: {}}],
  ["Expired token", "every request is a 401", {expired_token: {}}],
];

export function switchFaults(button, name, changes) {
  const options = changes ? {method: "PUT", body: JSON.stringify(changes)} : {method: "DELETE"};
  const isOn = changes && Object.values(changes)[0] !== null;
  const switchAll = () => fetchJson("/emulator/faults", options);
  runAction(button, `${name}: ${isOn ? "on" : "off"}.`, `Could not switch ${name}`, switchAll);
}

export function showFaults() {
  const {faults} = state;
  const switches = FAULTS.map(([name, meaning, changes]) => [Object.keys(changes)[0], name, meaning, changes]);
  const known = new Set(switches.map(([kind]) => kind));
  for (const kind of Object.keys(faults)) {
    if (!known.has(kind)) switches.push([kind, kind, "switched on elsewhere", {[kind]: {}}]);
  }
  const list = $("faults");
  for (const button of [...list.children]) {
    if (!switches.some(([kind]) => kind === button.dataset.fault)) button.remove();
  }
  for (const [kind, name, meaning, changes] of switches) {
    const button = list.querySelector(`[data-fault="${kind}"]`) || newSwitch(kind, name, changes);
    const fault = faults[kind];
    button.setAttribute("aria-pressed", String(Boolean(fault)));
    setText(button.querySelector(".meaning"), meaning);
    setText(button.querySelector(".fired"), fault && fault.fired ? `${fault.fired}×` : "");
  }
  const count = Object.keys(faults).length;
  setText($("faults-on"), count ? `${count} on: things go wrong on purpose` : "none on");
  $("faults-off").disabled = !count;
}

function newSwitch(kind, name, changes) {
  const button = $("switch").content.firstElementChild.cloneNode(true);
  button.dataset.fault = kind;
  button.querySelector("strong").textContent = name;
  button.setAttribute("aria-label", name);
  button.querySelector(".meaning").id = `fault-${kind}`;
  button.setAttribute("aria-describedby", `fault-${kind}`);
  button.addEventListener("click", () => switchFaults(button, name, state.faults[kind] ? {[kind]: null} : changes));
  $("faults").append(button);
  return button;
}
