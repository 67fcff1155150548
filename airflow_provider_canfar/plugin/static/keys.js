// Moves through a grid with the keyboard. Pure.

/** The index that a key leads to, or null for a key that does not move. */
export function nextIndex(key, index, columns, count) {
  const page = columns * 10;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page };
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (!(key in steps)) return null;
  const next = index + steps[key];
  if (key.startsWith("Arrow")) return next < 0 || next >= count ? index : next;
  return Math.min(count - 1, Math.max(0, next));
}
