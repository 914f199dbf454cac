// The API is a path of the same origin, whatever the environment: nothing of it is built in.
const api = "/api";
const form = document.querySelector("#submit");
const result = document.querySelector("#result");

function show(memo) {
  result.hidden = false;
  result.querySelector("h2").textContent = `${memo.title}: ${memo.score} of 100`;
  result.querySelector("meter").value = memo.score;
  const rows = memo.criteria.map((criterion) => {
    const row = document.createElement("li");
    row.textContent = `${criterion.name}: ${criterion.points} of ${criterion.weight}. ${criterion.reason}`;
    return row;
  });
  result.querySelector("ul").replaceChildren(...rows);
}

async function list() {
  const memos = await (await fetch(`${api}/memos`)).json();
  const rows = memos.map((memo) => {
    const row = document.createElement("li");
    row.textContent = `${memo.title} ${memo.state === "scored" ? memo.score : memo.state}`;
    return row;
  });
  document.querySelector("#memos").replaceChildren(...rows);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(form));
  const answer = await fetch(`${api}/memos`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(given),
  });
  const { id } = await answer.json();
  const events = new EventSource(`${api}/memos/${id}/events`);
  events.addEventListener("end", (told) => {
    events.close();
    show(JSON.parse(told.data));
    list();
  });
});

list();
