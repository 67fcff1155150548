// Calls a function again and again: soon after something has changed, later while nothing does, never while
// the page is hidden.

const SHORTEST = 3_000;
const LONGEST = 30_000;
const AFTER_END = 60_000;

/** How long to wait, in milliseconds. Pure. */
export function nextDelay(previous, outcome) {
  if (outcome === "changed") return SHORTEST;
  if (outcome === "ended") return AFTER_END;
  return Math.min(LONGEST, Math.round(previous * 1.5));
}

/** @param {() => Promise<"changed" | "same" | "ended" | "failed">} look */
export function poll(look) {
  let delay = SHORTEST;
  let timer = 0;
  let isLooking = false;
  async function again() {
    if (isLooking || document.hidden) return;
    clearTimeout(timer);
    isLooking = true;
    try {
      delay = nextDelay(delay, await look());
    } finally {
      isLooking = false;
    }
    timer = setTimeout(again, delay);
  }
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    again();
  });
  again();
}
