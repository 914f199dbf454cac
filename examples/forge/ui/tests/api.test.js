import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Api } from "../src/api.js";

const { fetch } = globalThis;
const api = new Api("/api");
afterEach(() => {
  globalThis.fetch = fetch;
});

function answering(status, body) {
  const asked = [];
  globalThis.fetch = async (url, options) => {
    asked.push({ url, ...options });
    return new Response(body, { status });
  };
  return asked;
}

test("stream and socket stand where the page was told that its interface is", async () => {
  const asked = answering(201, '{"id": "ab12"}');
  assert.deepEqual(await api.create({ name: "my-tool" }), { id: "ab12" });
  assert.deepEqual([asked[0].method, asked[0].url, asked[0].body], ["POST", "/api/workspaces", '{"name":"my-tool"}']);
  assert.equal(api.eventsUrl("ab12"), "/api/workspaces/ab12/events");
  assert.equal(api.shellUrl("ab12", "https://forge.example/"), "wss://forge.example/api/workspaces/ab12/shell");
});

test("wrong answers are told by question, all else in words", async () => {
  answering(422, '{"problems": {"name": "is too short"}}');
  assert.deepEqual(await api.create({}), { problems: { name: "is too short" } });
  answering(404, '{"detail": "there is no workspace of that number"}');
  await assert.rejects(api.forge("none"), { message: "there is no workspace of that number" });
  answering(502, "<h1>Bad gateway</h1>");
  await assert.rejects(api.newest(), { message: "The server answered 502." });
});
