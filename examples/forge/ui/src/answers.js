/** Return what a form answers, by question: flags as true or false, all else as text. */
export function answers(elements) {
  const given = {};
  for (const { name, type, checked, value } of elements) {
    if (name) given[name] = type === "checkbox" ? checked : value;
  }
  return given;
}

/** Say how far a workspace is. */
export function told(done, planned) {
  if (!done) return `${files(planned)} will be written.`;
  return done < planned ? `${done} of ${files(planned)} written …` : `${files(done)} written.`;
}

function files(count) {
  return count === 1 ? "1 file" : `${count} files`;
}
