// Up to 1,000 replicas as elements, with a roving tabindex.

import { element } from "./dom.js";
import { nextIndex } from "./keys.js";
import { cellSize } from "./paint.js";
import { cellLabel } from "./wording.js";

const GLYPHS = { succeeded: "✓", failed: "✕", running: "▸", launched: "", pending: "", waiting: "", unfinished: "–" };

export class ElementGrid {
  /** @param {(replica: number) => void} onOpen */
  constructor(box, onOpen) {
    this.onOpen = onOpen;
    this.replicas = [];
    this.active = 0;
    this.list = element("div", { role: "listbox", class: "cells", "aria-label": "Replicas" });
    this.list.addEventListener("keydown", (event) => this.press(event));
    this.list.addEventListener("click", (event) => {
      const cell = event.target.closest("[role=option]");
      if (cell) this.open([...this.list.children].indexOf(cell));
    });
    box.replaceChildren(this.list);
  }

  show(replicas, selected) {
    this.replicas = replicas;
    this.active = Math.min(this.active, Math.max(0, replicas.length - 1));
    const { size } = cellSize(replicas.length);
    this.list.dataset.size = size > 20 ? "large" : "small";
    while (this.list.children.length > replicas.length) this.list.lastChild.remove();
    while (this.list.children.length < replicas.length) this.list.append(element("div", { role: "option" }));
    replicas.forEach((one, index) => this.update(this.list.children[index], one, index, selected));
  }

  update(cell, one, index, selected) {
    const label = cellLabel(one);
    if (cell.dataset.state !== one.state) cell.dataset.state = one.state;
    if (cell.title !== label) {
      cell.title = label;
      cell.setAttribute("aria-label", label);
    }
    const text = this.list.dataset.size === "large" ? String(one.replica) : "";
    if (cell.dataset.number !== text) cell.dataset.number = text;
    if (cell.dataset.glyph !== GLYPHS[one.state]) cell.dataset.glyph = GLYPHS[one.state];
    cell.setAttribute("aria-selected", String(one.replica === selected));
    cell.tabIndex = index === this.active ? 0 : -1;
  }

  open(index) {
    this.move(index);
    this.onOpen(this.replicas[index].replica);
  }

  move(index) {
    const { children } = this.list;
    if (children[this.active]) children[this.active].tabIndex = -1;
    this.active = index;
    children[index].tabIndex = 0;
    children[index].focus();
  }

  press(event) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.open(this.active);
      return;
    }
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const next = nextIndex(event.key, this.active, columns, this.replicas.length);
    if (next === null) return;
    event.preventDefault();
    this.move(next);
  }
}
