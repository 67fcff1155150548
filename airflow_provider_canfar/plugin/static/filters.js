// The counts of the states as buttons; a pressed one shows only its replicas.

import { button, element } from "./dom.js";
import { LABELS, MEANINGS, STATES } from "./replicas.js";
import { number } from "./wording.js";

export class Filters {
  /** @param {(state: string | null) => void} onChoose */
  constructor(box, bar, onChoose) {
    this.bar = bar;
    this.chosen = null;
    this.buttons = Object.fromEntries(
      STATES.map((state) => {
        const count = element("strong");
        const made = button("", { class: "filter", "data-state": state, title: `${LABELS[state]}: ${MEANINGS[state]}` }, () => {
          this.chosen = this.chosen === state ? null : state;
          onChoose(this.chosen);
        });
        made.append(element("span", { class: "swatch", "data-state": state }), `${LABELS[state]} `, count);
        return [state, { made, count }];
      }),
    );
    this.segments = Object.fromEntries(STATES.map((state) => [state, element("span", { "data-state": state })]));
    box.replaceChildren(...STATES.map((state) => this.buttons[state].made));
    bar.replaceChildren(...["succeeded", "failed", "unfinished", "running", "launched", "pending", "waiting"].map((state) => this.segments[state]));
  }

  show(counts) {
    for (const state of STATES) {
      const { made, count } = this.buttons[state];
      // These five always stand there, so that nothing moves while replicas pass through them.
      const isRare = state === "launched" || state === "unfinished";
      made.hidden = isRare && !counts[state] && this.chosen !== state;
      made.setAttribute("aria-pressed", String(this.chosen === state));
      made.disabled = !counts[state] && this.chosen !== state;
      count.textContent = number(counts[state]);
      this.segments[state].style.flexGrow = String(counts[state]);
    }
  }
}
