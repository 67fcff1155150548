// Many replicas on one canvas. One element stands for the cell that the keyboard is at, so that a screen reader
// can read it; it also is the frame around that cell.

import { element } from "./dom.js";
import { nextIndex } from "./keys.js";
import { cellAt, cellSize, layout, paint } from "./paint.js";
import { cellLabel } from "./wording.js";

export class CanvasGrid {
  /** @param {(replica: number) => void} onOpen */
  constructor(box, onOpen) {
    this.onOpen = onOpen;
    this.replicas = [];
    this.active = 0;
    this.selected = null;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.cell = element("div", { role: "option", id: "active-cell", class: "frame active" });
    this.chosen = element("div", { class: "frame chosen", "aria-hidden": "true", hidden: "" });
    this.list = element(
      "div",
      { role: "listbox", class: "canvas", tabindex: "0", "aria-label": "Replicas", "aria-activedescendant": "active-cell" },
      this.canvas,
      this.cell,
      this.chosen,
    );
    this.list.addEventListener("keydown", (event) => this.press(event));
    this.canvas.addEventListener("click", (event) => this.at(event, (index) => this.open(index)));
    this.canvas.addEventListener("mousemove", (event) => {
      this.canvas.title = "";
      this.at(event, (index) => (this.canvas.title = cellLabel(this.replicas[index])));
    });
    box.replaceChildren(this.list);
    new ResizeObserver(() => {
      if (this.list.clientWidth !== this.place?.width) this.draw();
    }).observe(this.list);
  }

  show(replicas, selected) {
    this.replicas = replicas;
    this.selected = selected;
    this.active = Math.min(this.active, Math.max(0, replicas.length - 1));
    this.draw();
  }

  draw() {
    const start = performance.now();
    this.cells = cellSize(this.replicas.length);
    this.place = layout(this.replicas.length, this.list.clientWidth, this.cells);
    paint(this.canvas, this.replicas, this.place, this.cells.size);
    this.mark();
    performance.clearMeasures("draw replicas");
    performance.measure("draw replicas", { start, detail: this.replicas.length });
  }

  mark() {
    const one = this.replicas[this.active];
    if (!one) return;
    this.frame(this.cell, this.active);
    this.cell.setAttribute("aria-label", cellLabel(one));
    this.cell.setAttribute("aria-posinset", String(this.active + 1));
    this.cell.setAttribute("aria-setsize", String(this.replicas.length));
    this.cell.setAttribute("aria-selected", String(one.replica === this.selected));
    const chosen = this.replicas.findIndex((other) => other.replica === this.selected);
    this.chosen.hidden = chosen < 0;
    if (chosen >= 0) this.frame(this.chosen, chosen);
  }

  frame(box, index) {
    const { columns, step } = this.place;
    box.style.left = `${(index % columns) * step}px`;
    box.style.top = `${Math.floor(index / columns) * step}px`;
    box.style.width = box.style.height = `${this.cells.size}px`;
  }

  at(event, call) {
    const index = cellAt(event.offsetX, event.offsetY, this.place, this.replicas.length);
    if (index >= 0) call(index);
  }

  open(index) {
    this.active = index;
    this.mark();
    this.onOpen(this.replicas[index].replica);
  }

  press(event) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.open(this.active);
      return;
    }
    const next = nextIndex(event.key, this.active, this.place.columns, this.replicas.length);
    if (next === null) return;
    event.preventDefault();
    this.active = next;
    this.mark();
    this.cell.scrollIntoView({ block: "nearest" });
  }
}
