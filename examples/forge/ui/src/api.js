/** The questionnaire's interface, at the address that is baked into the page. */
export class Api {
  constructor(base) {
    this.base = base;
  }

  async #ask(method, path, body) {
    const headers = body ? { "content-type": "application/json" } : {};
    const answer = await fetch(this.base + path, { method, headers, body: body && JSON.stringify(body) });
    const told = await answer.json().catch(() => ({}));
    // What is wrong with answers is told by question, and shown there.
    if (!answer.ok && !told.problems) throw new Error(told.detail ?? `The server answered ${answer.status}.`);
    return told;
  }

  questions() {
    return this.#ask("GET", "/questions");
  }

  plan(answers) {
    return this.#ask("POST", "/plans", answers);
  }

  create(answers) {
    return this.#ask("POST", "/workspaces", answers);
  }

  forge(id) {
    return this.#ask("POST", `/workspaces/${id}/forge`);
  }

  newest() {
    return this.#ask("GET", "/workspaces");
  }

  eventsUrl(id) {
    return `${this.base}/workspaces/${id}/events`;
  }

  shellUrl(id, page) {
    return new URL(`${this.base}/workspaces/${id}/shell`, page.replace(/^http/, "ws")).href;
  }
}
