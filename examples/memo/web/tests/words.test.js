import assert from "node:assert/strict";
import { test } from "node:test";
import { grade, size, state, withScore, words } from "../src/words.js";

test("a size is told in the unit that fits", () => {
  assert.deepEqual([0, 999, 1000, 1_048_576].map(size), ["0 bytes", "999 bytes", "1.0 KB", "1.0 MB"]);
});

test("a score has a word beside its colour", () => {
  assert.deepEqual([100, 80, 79, 50, 49].map((score) => grade(score).word), [
    "strong", "strong", "getting there", "getting there", "needs work",
  ]);
});

test("a memo says where it is on its way", () => {
  assert.equal(state({ state: "waiting" }), "waits for its score");
  assert.equal(state({ state: "failed", reason: "no answer" }), "could not be scored");
  assert.equal(state({ state: "scored", score: 85 }), "85 of 100, strong");
});

test("words are counted as people do", () => {
  assert.deepEqual(["", "  ", "one", " two\nwords "].map(words), ["0 words", "0 words", "1 word", "2 words"]);
});

test("a score that is heard of is put where it belongs, or on top", () => {
  const memos = [{ id: 2, title: "B", state: "waiting" }, { id: 1, title: "A", state: "scored", score: 5 }];
  const told = { title: "B", score: 70 };
  assert.deepEqual(withScore(memos, { id: 2, ...told })[0], { id: 2, title: "B", state: "scored", score: 70 });
  assert.deepEqual(withScore(memos, { id: 3, ...told }).map((memo) => memo.id), [3, 2, 1]);
  assert.equal(memos[0].state, "waiting");
});
