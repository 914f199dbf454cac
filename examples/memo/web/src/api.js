// The API is a path of the same origin, whatever the environment: nothing of it is built in.
const API = "/api";

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

/** Call back once a memo is scored, by the stream of its events; return what ends the waiting. */
export function whenScored(number, callback) {
  const events = new EventSource(`${API}/memos/${number}/events`);
  events.addEventListener("end", (told) => {
    events.close();
    callback(JSON.parse(told.data));
  });
  return () => events.close();
}

/** Return the address at which scores are told as they are given. */
export const liveUrl = (page) => new URL(`${API}/live`, page.replace(/^http/, "ws")).href;
