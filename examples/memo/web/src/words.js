const UNITS = ["bytes", "KB", "MB"];

/** Say how large a file is. */
export function size(bytes) {
  let unit = 0;
  let left = bytes;
  while (left >= 1000 && unit < UNITS.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit ? left.toFixed(1) : left} ${UNITS[unit]}`;
}

/** Say how a score is meant: the word stands beside the colour, which not everybody sees. */
export function grade(score) {
  if (score >= 80) return { word: "strong", tone: "good" };
  if (score >= 50) return { word: "getting there", tone: "fair" };
  return { word: "needs work", tone: "weak" };
}

/** Say where a memo is on its way. */
export function state(memo) {
  if (memo.state === "scored") return `${memo.score} of 100, ${grade(memo.score).word}`;
  return memo.state === "failed" ? "could not be scored" : "waits for its score";
}

/** Say how many words a text has. */
export function words(text) {
  const count = text.split(/\s+/).filter(Boolean).length;
  return count === 1 ? "1 word" : `${count} words`;
}

/** Return a list of memos, newest first, with a score that was heard of just now. */
export function withScore(memos, { id, title, score }) {
  const scored = { state: "scored", score };
  if (memos.some((memo) => memo.id === id)) return memos.map((memo) => (memo.id === id ? { ...memo, ...scored } : memo));
  return [{ id, title, ...scored }, ...memos];
}
