// The API is a path of the same origin, whatever the environment: nothing of it is built in.
const API = "/api";
const REFUSED_PAUSE = 2000; // milliseconds before a stream that was refused is asked for again

/** What the API refused, in words for whoever sees it. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function ask(path, { method = "GET", json, body } = {}) {
  const headers = json === undefined ? {} : { "Content-Type": "application/json" };
  const content = json === undefined ? body : JSON.stringify(json);
  let answer;
  try {
    answer = await fetch(API + path, { method, headers, body: content });
  } catch {
    throw new Refused(0, "The server cannot be reached. Try again in a moment.");
  }
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, inWords(answer.status, told));
  return told;
}

/** Say what an answer of the API means that is no success. */
export function inWords(status, told) {
  if (typeof told?.detail === "string") return told.detail;
  if (Array.isArray(told?.detail)) return told.detail.map((one) => `${one.loc.at(-1)}: ${one.msg}`).join("; ");
  return `The server answered ${status}.`;
}

export const newest = () => ask("/memos");
export const memo = (number) => ask(`/memos/${number}`);
export const rubric = () => ask("/rubric");
export const handIn = (title, text) => ask("/memos", { method: "POST", json: { title, text } });
export const attachments = (number) => ask(`/memos/${number}/attachments`);
export const attach = (number, file) =>
  ask(`/memos/${number}/attachments/${encodeURIComponent(file.name)}`, { method: "PUT", body: file });

/**
 * Call back once a memo is scored, by the stream of its events; return what ends the waiting.
 *
 * A stream that breaks is opened again by the browser, one that was refused is not.
 */
export function whenScored(number, callback, { Stream = EventSource, wait = setTimeout } = {}) {
  let events;
  let over = false;
  const open = () => {
    if (over) return;
    events = new Stream(`${API}/memos/${number}/events`);
    events.addEventListener("end", (told) => {
      events.close();
      callback(JSON.parse(told.data));
    });
    events.onerror = () => {
      if (events.readyState === Stream.CLOSED) wait(open, REFUSED_PAUSE);
    };
  };
  open();
  return () => {
    over = true;
    events.close();
  };
}

/** Return the address at which scores are told as they are given. */
export const liveUrl = (page) => new URL(`${API}/live`, page.replace(/^http/, "ws")).href;
