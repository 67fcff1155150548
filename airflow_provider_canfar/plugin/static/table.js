// The replicas as a table, a page at a time: what the grid shows, in words.

import { button, element } from "./dom.js";
import { LABELS } from "./replicas.js";
import { number } from "./wording.js";

const ROWS = 100;

export class ReplicaTable {
  /** @param {(replica: number) => void} onOpen */
  constructor(box, onOpen) {
    this.box = box;
    this.onOpen = onOpen;
    this.page = 0;
  }

  show(replicas, selected) {
    this.last = { replicas, selected };
    const pages = Math.max(1, Math.ceil(replicas.length / ROWS));
    this.page = Math.min(this.page, pages - 1);
    const from = this.page * ROWS;
    const rows = replicas.slice(from, from + ROWS).map((one) => this.row(one, selected));
    const heads = ["Replica", "State", "Session", "Try", "Name"].map((text) => element("th", { scope: "col" }, text));
    // A new table at each update: put the focus back where it was.
    const focused = this.box.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.box.replaceChildren(
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)),
      ...(pages > 1 ? [this.pager(from, replicas.length, pages)] : []),
    );
    if (focused) this.box.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  row(one, selected) {
    const open = button(String(one.replica), { class: "plain", "data-key": `replica-${one.replica}` }, () => this.onOpen(one.replica));
    const attributes = one.replica === selected ? { "aria-selected": "true" } : {};
    return element(
      "tr",
      attributes,
      element("td", {}, open),
      element("td", {}, element("span", { class: "state", "data-state": one.state }, LABELS[one.state])),
      element("td", {}, element("code", {}, one.sessionId || "–")),
      element("td", {}, one.launchedIn === null ? "–" : String(one.launchedIn)),
      element("td", {}, element("code", {}, one.name || "–")),
    );
  }

  pager(from, total, pages) {
    const turn = (by) => () => {
      this.page += by;
      this.show(this.last.replicas, this.last.selected);
    };
    const previous = button("Previous", { "data-key": "previous" }, turn(-1));
    const next = button("Next", { "data-key": "next" }, turn(1));
    previous.disabled = this.page === 0;
    next.disabled = this.page === pages - 1;
    const shown = `${number(from + 1)} to ${number(Math.min(total, from + ROWS))} of ${number(total)}`;
    return element("p", { class: "pager" }, previous, element("span", {}, shown), next);
  }
}
