/** Return the field of a question, with its label and a place for what is wrong with the answer. */
export function field(question) {
  const place = document.createElement("div");
  const label = document.createElement("label");
  const problem = document.createElement("small");
  const input = inputOf(question);
  label.textContent = question.text;
  label.htmlFor = input.id = `answer-${question.id}`;
  problem.id = `problem-${question.id}`;
  input.name = question.id;
  input.setAttribute("aria-describedby", problem.id);
  place.className = question.kind === "flag" ? "field flag" : "field";
  place.append(...(question.kind === "flag" ? [input, label] : [label, input]), problem);
  return place;
}

function inputOf(question) {
  const input = document.createElement(question.kind === "choice" ? "select" : "input");
  if (question.kind === "flag") Object.assign(input, { type: "checkbox", checked: question.default });
  else input.autocomplete = "off";
  for (const option of question.options ?? []) input.add(new Option(option));
  return input;
}

/** Show what is wrong with answers where they are given; put the cursor into the first. */
export function show(form, problems) {
  for (const input of form.elements) {
    if (!input.name) continue;
    const problem = problems[input.name] ?? "";
    input.setAttribute("aria-invalid", String(Boolean(problem)));
    document.getElementById(`problem-${input.name}`).textContent = problem;
  }
  form.querySelector('[aria-invalid="true"]')?.focus();
}
