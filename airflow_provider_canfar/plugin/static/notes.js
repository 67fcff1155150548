// The lines of a task's log that are about one session. Pure.

/** How many lines are kept of one session. */
export const NOTES = 12;

/** Where an error is broken into several messages (LINE_LENGTH in operators/_errors.py). */
const LINE_LENGTH = 100;

/** How a line names the session that it is about; the first way counts, as a line may quote another one. */
const ABOUT = [
  /^[a-z0-9-]+ ([a-z0-9]{8})(?=:| is | does | has )/g,
  /^(?:Could not destroy|Not launching until) ([a-z0-9]{8})(?=:| is )/g,
  /\b[Ss]ession ([a-z0-9]{8})\b/g,
  /: ([a-z0-9]{8})\.$/g,
];

/** The id of the one session that a line is about; null if it is about none, or names several. */
export function sessionOf(text) {
  for (const pattern of ABOUT) {
    const ids = new Set([...text.matchAll(pattern)].map(([, id]) => id));
    if (ids.size) return ids.size === 1 ? [...ids][0] : null;
  }
  return null;
}

export class Notes {
  constructor() {
    /** Session id -> its lines. */
    this.lists = new Map();
    /** The last line of an error, and the note that it belongs to. */
    this.error = null;
  }

  add(text, when, isError) {
    const isRest = isError && this.error !== null && isTorn(this.error.text, text);
    const note = isRest ? this.error.note : this.begin(text, when, isError);
    if (isRest && note) note.text += ` ${text}`;
    this.error = isError ? { text, note } : null;
  }

  begin(text, when, isError) {
    const id = sessionOf(text);
    if (id === null) return null;
    if (!this.lists.has(id)) this.lists.set(id, []);
    const list = this.lists.get(id);
    const note = { text, when, isError };
    list.push(note);
    if (list.length > NOTES) list.shift();
    return note;
  }

  /** What to show of a session. The error of a task repeats what the log has said before it. */
  of(sessionId) {
    const list = this.lists.get(sessionId) ?? [];
    const isRepeated = (one, at) => one.isError && list.slice(0, at).some((before) => before.text.startsWith(one.text));
    return list.filter((one, at) => !isRepeated(one, at)).map(({ text, when }) => (when ? `${when.slice(11, 19)}  ${text}` : text));
  }
}

/** Whether the next line goes on with a sentence that has been broken for its length. */
function isTorn(text, next) {
  return !/[.!?]$/.test(text) && text.length + 1 + next.trimStart().split(" ", 1)[0].length > LINE_LENGTH;
}
