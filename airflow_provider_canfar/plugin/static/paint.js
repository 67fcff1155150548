// Draws replicas as cells of a canvas: 10,000 in some milliseconds, where as many elements take seconds.

import { STATES } from "./replicas.js";

/** The side of a cell and the gap after it, in CSS pixels. Pure. */
export function cellSize(count) {
  if (count <= 64) return { size: 34, gap: 4 };
  if (count <= 1_000) return { size: 16, gap: 3 };
  if (count <= 3_000) return { size: 10, gap: 2 };
  return count <= 20_000 ? { size: 7, gap: 1 } : { size: 5, gap: 1 };
}

/** How the cells lie in a width. Pure. */
export function layout(count, width, { size, gap }) {
  const columns = Math.max(1, Math.floor((width + gap) / (size + gap)));
  const rows = Math.ceil(count / columns);
  return { columns, rows, step: size + gap, width, height: Math.max(0, rows * (size + gap) - gap) };
}

/** Which cell is at a point, or -1. Pure. */
export function cellAt(x, y, { columns, step }, count) {
  const column = Math.floor(x / step);
  const index = Math.floor(y / step) * columns + column;
  return x >= 0 && y >= 0 && column < columns && index < count ? index : -1;
}

/** The colours of the states in the current theme. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(STATES.map((state) => [state, style.getPropertyValue(`--${state}`).trim()]));
}

/** @param {(index: number) => boolean} isFaded */
export function paint(canvas, replicas, place, size, isFaded = () => false) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(place.width * scale));
  canvas.height = Math.max(1, Math.round(place.height * scale));
  canvas.style.width = `${place.width}px`;
  canvas.style.height = `${place.height}px`;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const colours = palette();
  replicas.forEach((one, index) => {
    const x = (index % place.columns) * place.step;
    const y = Math.floor(index / place.columns) * place.step;
    context.globalAlpha = isFaded(index) ? 0.3 : 1;
    cell(context, one.state, colours[one.state], x, y, size);
  });
  context.globalAlpha = 1;
}

// The shapes differ too: not everyone can tell the colours apart.
function cell(context, state, colour, x, y, size) {
  context.fillStyle = context.strokeStyle = colour;
  if (state === "waiting" || state === "unfinished") {
    context.lineWidth = 1;
    context.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  }
  if (state === "pending") context.fillRect(x, y + size / 2, size, size / 2);
  if (state === "pending") context.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  if (["running", "launched", "succeeded", "failed"].includes(state)) context.fillRect(x, y, size, size);
  if (state === "failed" || state === "unfinished") {
    context.strokeStyle = state === "failed" ? "#fff" : colour;
    context.lineWidth = Math.max(1, size / 8);
    const inset = size * 0.28;
    context.beginPath();
    context.moveTo(x + inset, y + inset);
    context.lineTo(x + size - inset, y + size - inset);
    if (state === "failed") {
      context.moveTo(x + size - inset, y + inset);
      context.lineTo(x + inset, y + size - inset);
    }
    context.stroke();
  }
}
