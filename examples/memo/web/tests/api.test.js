import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import * as api from "../src/api.js";

const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
});

function answering(status, told) {
  const asked = [];
  globalThis.fetch = async (url, options) => {
    asked.push({ url, ...options });
    return new Response(JSON.stringify(told), { status });
  };
  return asked;
}

test("the API is a path of the page's own origin", async () => {
  const asked = answering(201, { id: 7 });
  assert.deepEqual(await api.handIn("Boxes", "Buy some."), { id: 7 });
  assert.equal(asked[0].url, "/api/memos");
  assert.deepEqual(JSON.parse(asked[0].body), { title: "Boxes", text: "Buy some." });
  assert.equal(api.liveUrl("https://memo.example/memos/1"), "wss://memo.example/api/live");
});

test("a file goes as it is, under its name", async () => {
  const asked = answering(201, {});
  await api.attach(7, { name: "a plan.txt" });
  assert.deepEqual([asked[0].method, asked[0].url], ["PUT", "/api/memos/7/attachments/a%20plan.txt"]);
});

class Stream extends EventTarget {
  static CLOSED = 2;
  static all = [];
  readyState = 0;
  constructor(url) {
    super();
    this.url = url;
    Stream.all.push(this);
  }
  close() {
    this.readyState = Stream.CLOSED;
  }
}

test("whoever waits for a score asks again where the stream is refused, and ends it once there is one", () => {
  const told = [];
  let again;
  api.whenScored(7, (memo) => told.push(memo.score), { Stream, wait: (open) => (again = open) });
  Stream.all[0].onerror();
  assert.equal(again, undefined);
  Stream.all[0].close();
  Stream.all[0].onerror();
  again();
  assert.equal(Stream.all[1].url, "/api/memos/7/events");
  Stream.all[1].dispatchEvent(new MessageEvent("end", { data: '{"score": 70}' }));
  assert.deepEqual([told, Stream.all[1].readyState], [[70], Stream.CLOSED]);
});

test("what is refused is said in words", async () => {
  answering(404, { detail: "there is no memo 9" });
  await assert.rejects(api.memo(9), { status: 404, message: "there is no memo 9" });
  answering(422, { detail: [{ loc: ["body", "title"], msg: "too long" }, { loc: ["body", "text"], msg: "missing" }] });
  await assert.rejects(api.handIn("", ""), { message: "title: too long; text: missing" });
  globalThis.fetch = async () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  await assert.rejects(api.newest(), { status: 502, message: "The server answered 502." });
  globalThis.fetch = async () => Promise.reject(new TypeError("failed"));
  await assert.rejects(api.newest(), { message: /cannot be reached/ });
});
