// The address of the interface is baked into the page: a path of its own origin.
const api = document.documentElement.dataset.api;
const of = (id) => document.getElementById(id);

async function ask(method, path, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
  return answer.json();
}

function field(question) {
  const label = document.createElement("label");
  label.textContent = question.text;
  const input = document.createElement(question.kind === "choice" ? "select" : "input");
  input.name = question.id;
  if (question.kind === "flag") Object.assign(input, { type: "checkbox", checked: question.default });
  for (const option of question.options || []) input.add(new Option(option));
  label.append(input);
  return label;
}

function answers() {
  const given = {};
  for (const input of of("answers").elements) given[input.name] = input.type === "checkbox" ? input.checked : input.value;
  return given;
}

function tell(text) {
  const item = document.createElement("li");
  item.textContent = text;
  of("story").append(item);
}

function shell(id) {
  const socket = new WebSocket(new URL(`${api}/workspaces/${id}/shell`, location.href.replace(/^http/, "ws")));
  socket.onmessage = (event) => (of("shell").textContent += `${event.data}\n`);
  of("line").onsubmit = (event) => {
    event.preventDefault();
    socket.send(of("said").value);
  };
}

of("begin").onclick = async () => {
  of("story").replaceChildren();
  const made = await ask("POST", "/workspaces", answers());
  if (made.problems) return Object.entries(made.problems).forEach(([name, problem]) => tell(`${name}: ${problem}`));
  await ask("POST", `/workspaces/${made.id}/forge`);
  const story = new EventSource(`${api}/workspaces/${made.id}/events`);
  story.addEventListener("file", (event) => tell(JSON.parse(event.data).path));
  story.addEventListener("end", () => story.close() || shell(made.id));
};

const { questions } = await ask("GET", "/questions");
of("answers").append(...questions.map(field));
