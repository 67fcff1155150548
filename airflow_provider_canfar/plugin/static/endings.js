// What a task's log says of the sessions that had not ended when the task did. Pure.

const LIST = /^Destroyed [\d,]+ sessions: ([a-z0-9]{8}(?:, [a-z0-9]{8})*)(?: and [\d,]+ more)?\.$/;
const ONE = /^Destroyed session ([a-z0-9]{8})\b/;
const COUNT = /^Destroyed (\d+) of (\d+) sessions: /;
const DOUBT = /^Could not destroy\b|\bnot confirmed\b/;

export class Endings {
  constructor() {
    /** The ids of those that the platform has destroyed. */
    this.destroyed = new Set();
    this.hasDestroyedAll = false;
    this.isInDoubt = false;
  }

  add(text) {
    for (const id of (LIST.exec(text) ?? ONE.exec(text))?.[1].split(", ") ?? []) this.destroyed.add(id);
    const [, count, total] = COUNT.exec(text) ?? [];
    if (count) this.hasDestroyedAll = count === total;
    if (DOUBT.test(text) || (count && count !== total)) this.isInDoubt = true;
  }

  /**
   * What became of a replica's session, or "" where that is not known.
   *
   * @param {string} word that the table has for it, which says what the task meant to do
   */
  of(sessionId, word) {
    if (sessionId && (this.hasDestroyedAll || this.destroyed.has(sessionId))) return "destroyed";
    return word === "destroyed" && this.isInDoubt ? "" : word;
  }
}
