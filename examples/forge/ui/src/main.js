import { answers, told } from "./answers.js";
import { Api } from "./api.js";
import { field, show } from "./form.js";

const api = new Api(document.documentElement.dataset.api);
const of = (id) => document.getElementById(id);
let leave = () => {};

function say(text) {
  of("state").textContent = text;
}

function item(list, ...content) {
  const one = document.createElement("li");
  one.append(...content);
  of(list).append(one);
}

async function forge() {
  const made = await api.create(answers(of("answers").elements));
  show(of("answers"), made.problems ?? {});
  if (made.problems) return;
  await api.forge(made.id);
  watch(made);
}

/** Follow a workspace's story to its end; then one can look at its files. */
function watch({ id, name, plan }) {
  leave();
  let done = 0;
  const tell = () => {
    say(`${name}: ${told(done, plan.length)}`);
    Object.assign(of("progress"), { value: done, max: plan.length });
  };
  const story = new EventSource(api.eventsUrl(id));
  leave = () => story.close();
  // A stream that ends early, as in a rollout, is opened again by the browser and tells all from the beginning.
  story.onopen = () => {
    done = 0;
    of("story").replaceChildren();
    tell();
  };
  story.addEventListener("file", (event) => {
    done += 1;
    item("story", JSON.parse(event.data).path);
    tell();
  });
  story.addEventListener("end", () => {
    story.close();
    look(id);
    list().catch((error) => say(error.message));
  });
}

/** Open a workspace's shell. */
function look(id) {
  const socket = new WebSocket(api.shellUrl(id, location.href));
  const [said, run] = of("line").elements;
  const ready = (yes) => {
    said.disabled = run.disabled = !yes;
  };
  const show = (text) => {
    of("shell").textContent += `${text}\n`;
    of("shell").scrollTop = of("shell").scrollHeight;
  };
  of("shell").textContent = "";
  socket.onopen = () => ready(true);
  socket.onclose = () => {
    ready(false);
    show("The connection has ended. Open the workspace again to go on.");
  };
  leave = () => {
    socket.onclose = null;
    socket.close();
    ready(false);
  };
  socket.onmessage = (event) => show(event.data);
  of("line").onsubmit = (event) => {
    event.preventDefault();
    show(`$ ${said.value}`);
    socket.send(said.value);
    said.value = "";
  };
}

async function list() {
  const workspaces = await api.newest();
  of("workspaces").replaceChildren();
  if (!workspaces.length) item("workspaces", "No workspace yet.");
  for (const workspace of workspaces) {
    const open = document.createElement("button");
    open.className = "plain";
    open.textContent = workspace.name;
    open.onclick = () => watch(workspace);
    item("workspaces", open, ` ${workspace.state}, ${workspace.plan.length} files`);
  }
}

of("answers").onsubmit = (event) => {
  event.preventDefault();
  forge().catch((error) => say(error.message));
};
// What would be written is shown while somebody answers.
of("answers").oninput = async () => {
  const planned = await api.plan(answers(of("answers").elements)).catch(() => ({}));
  if (planned.files) say(`${planned.name}: ${told(0, planned.files.length)}`);
};

try {
  const { questions } = await api.questions();
  of("questions").append(...questions.map(field));
  await list();
} catch (error) {
  say(error.message);
}
