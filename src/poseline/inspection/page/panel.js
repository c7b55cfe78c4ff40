// Panel: the list of marks, what is chosen, and the history of acts.

import { inWords } from "./acts.js";
import { words } from "./state.js";

const MOST = 500;
const KINDS = { identity: "Identity", sides: "Left and right", jump: "Jump", low_confidence: "Unsure", gap: "Gap", brief: "Seen briefly" };
const byId = (id) => document.getElementById(id);

function part(parent, tag, name, text) {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  parent.append(element);
  return element;
}

export function tabs(chosenNow) {
  const all = [...document.querySelectorAll("[role=tab]")];
  const choose = (chosen) => {
    all.forEach((tab) => {
      tab.setAttribute("aria-selected", tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    });
    chosenNow();
  };
  all.forEach((tab, at) => {
    tab.onclick = () => choose(tab);
    tab.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.stopPropagation();  // here arrows go from tab to tab, not from frame to frame
      const next = all[(at + step + all.length) % all.length];
      choose(next);
      next.focus();
    };
  });
}

// Within its own panel alone: the page itself stays, and with it the picture.
function scrollTo(panel, element) {
  const box = panel.getBoundingClientRect(), own = element.getBoundingClientRect();
  if (own.top < box.top) panel.scrollTop -= box.top - own.top;
  else if (own.bottom > box.bottom) panel.scrollTop += own.bottom - box.bottom;
}

export class Marks {
  // `goTo` shows a mark.
  constructor(state, timeline, goTo) {
    Object.assign(this, { state, timeline, goTo, all: [], present: null });
    byId("mark-next").onclick = () => this.step(1);
    byId("mark-before").onclick = () => this.step(-1);
    byId("mark-kind").onchange = () => { this.present = null; this.list(); };
  }

  take(marks) {
    const before = this.present && this.key(this.present);
    this.all = marks;
    this.present = marks.find((mark) => this.key(mark) === before) ?? null;
    const chooser = byId("mark-kind"), kind = chooser.value, counts = new Map();
    for (const mark of marks) counts.set(mark.kind, (counts.get(mark.kind) ?? 0) + 1);
    chooser.replaceChildren(new Option(`all ${marks.length}`, ""), ...[...counts].map(([name, count]) => new Option(`${KINDS[name] ?? words(name)}: ${count}`, name)));
    chooser.value = counts.has(kind) ? kind : "";
    byId("no-marks").textContent = "Nothing in this run deserves a look.";
    this.list();
  }

  key(mark) { return `${mark.kind} ${mark.persons} ${mark.start}`; }

  get shown() { const kind = byId("mark-kind").value; return kind ? this.all.filter((mark) => mark.kind === kind) : this.all; }

  step(by) {
    const { shown } = this, at = shown.indexOf(this.present);
    if (!shown.length) return;
    this.show(shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : (at + by + shown.length) % shown.length]);
  }

  show(mark) {
    this.present = mark;
    for (const button of byId("mark-list").querySelectorAll("button")) {
      const own = button.mark === mark;
      button.setAttribute("aria-current", own);
      if (own) scrollTo(byId("marks"), button);
    }
    this.goTo(mark);
  }

  list() {
    const { shown } = this;
    this.timeline.show(shown);
    byId("mark-list").replaceChildren(...shown.slice(0, MOST).map((mark) => {
      const row = document.createElement("li"), button = part(row, "button", mark.severity >= 0.66 ? "worst" : mark.severity >= 0.33 ? "" : "slight", "");
      button.type = "button";
      button.mark = mark;
      button.setAttribute("aria-current", mark === this.present);
      part(button, "span", "bad", "").setAttribute("aria-hidden", "true");
      part(button, "span", "what", `${KINDS[mark.kind] ?? words(mark.kind)}: ${mark.persons.map((id) => this.state.nameOf(id)).join(", ")}`);
      part(button, "span", "when", `${(this.state.times[mark.place] ?? 0).toFixed(2)} s`);
      part(button, "span", "why", mark.why);
      button.onclick = () => this.show(mark);
      return row;
    }));
  }
}

// What is chosen, by lists: for screen readers, for fingers, and for keypoints that have no place.
export function chosen(state, poses) {
  const person = byId("person"), keypoint = byId("keypoint");
  person.onchange = () => state.choose(person.value === "" ? null : Number(person.value), state.keypoint);
  keypoint.onchange = () => state.person !== null && state.choose(state.person, keypoint.value === "" ? null : Number(keypoint.value));
  const fill = () => {
    const here = new Set((poses.at(state.place) ?? []).map(({ id }) => id)), key = JSON.stringify([state.run.persons.map(({ id, name }) => [id, name]), [...here]]);
    if (person !== document.activeElement && key !== person.filled) {
      person.filled = key;
      const listed = [...state.run.persons].sort((a, b) => here.has(b.id) - here.has(a.id) || a.id - b.id).slice(0, MOST);
      person.replaceChildren(new Option("nobody", ""), ...listed.map(({ id }) => new Option(`${state.nameOf(id)}${here.has(id) ? "" : ", not in this frame"}`, id)));
    }
    if (keypoint.options.length !== state.run.keypoints.length + 1) keypoint.replaceChildren(new Option("none", ""), ...state.run.keypoints.map((name, index) => new Option(words(name), index)));
    person.value = state.person ?? "";
    keypoint.value = state.keypoint ?? "";
    keypoint.disabled = state.person === null;
  };
  const span = () => {
    const { start, end } = state.span, number = (place) => state.numbers[place];
    byId("span").textContent = start === null && end === null ? "No span: the present frame" : `Span: ${start === null ? "up to" : `frame ${number(start)}`}${end === null ? " on" : ` ${start === null ? "" : "to "}frame ${number(end)}`}`;
  };
  state.on("run choice place poses", fill);
  state.on("run span", span);
}

export class History {
  constructor(state, acts) {
    Object.assign(this, { state, acts });
    byId("undo").onclick = () => acts.undo();
    byId("redo").onclick = () => acts.redo();
  }

  show() {
    const { acts, undone } = this.acts.effective;
    byId("undo").disabled = !acts.length;
    byId("redo").disabled = !undone.length;
    const saved = new Set([...this.state.run.acts, ...this.state.run.undone].map(({ act }) => act));
    const row = (act, isUndone) => {
      const item = document.createElement("li");
      item.className = isUndone ? "undone" : "";
      part(item, "span", "what", inWords(act, this.state));
      const button = part(item, "button", "", isUndone ? "Redo" : "Undo");
      button.type = "button";
      button.setAttribute("aria-label", `${isUndone ? "Redo" : "Undo"}: ${inWords(act, this.state)}`);
      button.onclick = () => (isUndone ? this.acts.redo(act.act) : this.acts.undo(act.act));
      part(item, "span", "who", saved.has(act.act) ? [act.by, act.when && new Date(act.when).toLocaleString()].filter(Boolean).join(", ") : "not saved yet");
      return item;
    };
    byId("act-list").replaceChildren(...[...undone].map((act) => row(act, true)), ...[...acts].reverse().slice(0, MOST).map((act) => row(act, false)));
  }
}
