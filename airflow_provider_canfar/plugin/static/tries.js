// The tries of a task side by side: what was kept, and what ran again.

import { element } from "./dom.js";
import { layout, paint } from "./paint.js";
import { compareTry, countStates, LABELS, STATES } from "./replicas.js";
import { clock, duration, number } from "./wording.js";

/** The most tries that are shown; a task that tries for days has hundreds. */
const MOST = 6;

export class Tries {
  constructor(box, logs) {
    this.box = box;
    this.logs = logs;
    this.shown = "";
  }

  /** @param {object[]} tries as Airflow's API lists them @param {object[]} current the replicas of the last one */
  async show(tries, current) {
    const last = [...tries].sort((one, other) => one.try_number - other.try_number).slice(-MOST);
    if (last.length < 2) {
      this.box.hidden = true;
      return;
    }
    const cards = await Promise.all(last.map((one, at) => this.read(one, at === last.length - 1 ? current : null)));
    const key = JSON.stringify(cards.map(({ one, replicas }) => [one.try_number, one.state, one.duration, replicas?.map((each) => each.state + each.launchedIn)]));
    if (this.shown === key) return;
    this.shown = key;
    this.box.hidden = false;
    const row = element("div", { class: "cards" });
    this.box.replaceChildren(element("h2", {}, "Tries"), element("p", { class: "muted small" }, "Faded: kept from an earlier try."), row);
    for (const card of cards) row.append(this.card(card));
    this.redraw = () => row.querySelectorAll("canvas").forEach((canvas) => canvas.repaint());
    this.redraw();
  }

  async read(one, current) {
    if (current) return { one, replicas: current };
    try {
      return { one, replicas: (await this.logs.read(one.try_number, true)).replicas(one.try_number) };
    } catch {
      return { one, replicas: null };
    }
  }

  card({ one, replicas }) {
    const start = one.start_date ? new Date(one.start_date) : null;
    const parts = [(one.state ?? "no state").replaceAll("_", " ")];
    if (start) parts.push(clock(start, new Date()));
    if (one.duration !== null) parts.push(duration(one.duration));
    const head = [element("h3", {}, `Try ${one.try_number}`), element("p", { class: "muted small" }, parts.join(" · "))];
    if (!replicas?.length) return element("article", {}, ...head, element("p", { class: "small" }, "Its log lists no replica."));
    const text = summary(replicas, one.try_number);
    const canvas = element("canvas", { role: "img", "aria-label": text });
    const cells = replicas.length <= 64 ? { size: 14, gap: 3 } : replicas.length <= 1_000 ? { size: 7, gap: 1 } : { size: 3, gap: 1 };
    const { isKept } = compareTry(replicas, one.try_number);
    canvas.repaint = () => paint(canvas, replicas, layout(replicas.length, canvas.parentElement.clientWidth, cells), cells.size, (index) => isKept[index]);
    return element("article", {}, ...head, element("div", { class: "mini" }, canvas), element("p", { class: "small" }, text));
  }
}

/** "1 ran, 7 kept: 8 succeeded". Pure. */
export function summary(replicas, tryNumber) {
  const { kept, ran } = compareTry(replicas, tryNumber);
  const counts = countStates(replicas);
  const states = STATES.filter((state) => counts[state]).map((state) => `${number(counts[state])} ${LABELS[state].toLowerCase()}`);
  const word = tryNumber > 1 ? "ran again" : "ran";
  return `${number(ran)} ${word}${kept ? `, ${number(kept)} kept` : ""}: ${states.join(", ")}`;
}
