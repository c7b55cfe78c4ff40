// Ask: a dialog with a few fields, made for one question.

const byId = (id) => document.getElementById(id);

// Ask for the values of `fields`: {label, name, options: [[value, text]]} or {label, name, type, value, ...attributes}.
// Resolves to {name: value}, or to null where it is cancelled.
export function ask(title, fields) {
  const dialog = byId("ask"), form = dialog.querySelector("form");
  byId("ask-title").textContent = title;
  byId("ask-fields").replaceChildren(...fields.map(({ label, name, options, ...attributes }) => {
    const element = document.createElement("label"), field = document.createElement(options ? "select" : "input");
    if (options) field.append(...options.map(([value, text]) => new Option(text, value)));
    field.name = name;
    field.required = true;
    for (const [key, value] of Object.entries(attributes)) if (value !== undefined) field.setAttribute(key, value);
    element.append(`${label} `, field);
    return element;
  }));
  dialog.returnValue = "cancel";
  form.onkeydown = (event) => {  // the first button of a form is what Enter presses: here that would be Cancel
    if (event.key !== "Enter" || event.target.tagName === "BUTTON") return;
    event.preventDefault();
    byId("ask-ok").click();
  };
  dialog.showModal();
  byId("ask-fields").querySelector("input, select")?.focus();
  return new Promise((done) => {
    dialog.onclose = () => done(dialog.returnValue === "ok" ? Object.fromEntries(new FormData(form)) : null);
  });
}
