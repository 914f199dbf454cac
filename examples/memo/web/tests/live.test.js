import assert from "node:assert/strict";
import { test } from "node:test";
import { stay } from "../src/live.js";

class Socket {
  static all = [];
  constructor(url) {
    this.url = url;
    Socket.all.push(this);
  }
  close() {
    this.onclose();
  }
}

test("a socket that ends is opened again, later each time that it fails, until it is left", () => {
  Socket.all = [];
  const told = [];
  const pauses = [];
  let again;
  const wait = (open, pause) => {
    pauses.push(pause);
    again = open;
  };
  const leave = stay("ws://memo.example/api/live", (one) => told.push(one), { Socket, wait });
  Socket.all[0].onmessage({ data: '{"id": 1}' });
  for (let turn = 0; turn < 7; turn += 1) {
    Socket.all.at(-1).onclose();
    again();
  }
  assert.deepEqual(told, [{ id: 1 }]);
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 15000, 15000]);
  Socket.all.at(-1).onopen();
  Socket.all.at(-1).onclose();
  assert.equal(pauses.at(-1), 500);
  again();
  const before = Socket.all.length;
  leave();
  again();
  assert.equal(Socket.all.length, before);
});
