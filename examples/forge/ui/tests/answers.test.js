import assert from "node:assert/strict";
import { test } from "node:test";
import { answers, told } from "../src/answers.js";

test("answers are by question, flags as true or false", () => {
  const elements = [
    { name: "name", type: "text", value: "my-tool", checked: false },
    { name: "tests", type: "checkbox", value: "on", checked: false },
    { name: "", type: "submit", value: "" },
  ];
  assert.deepEqual(answers(elements), { name: "my-tool", tests: false });
});

test("it is told how far a workspace is", () => {
  assert.equal(told(0, 1), "1 file will be written.");
  assert.equal(told(2, 5), "2 of 5 files written …");
  assert.equal(told(5, 5), "5 files written.");
});
