// Correct: each thing that can be corrected, from what is chosen to the act that says it.

import { ask } from "./ask.js";
import { words } from "./state.js";

export class Correct {
  // `say` shows a sentence, and has it read out.
  constructor(state, poses, stage, acts, say) {
    Object.assign(this, { state, poses, stage, acts, say, between: false, lastSet: null });
    state.on("choice", () => { this.lastSet = null; });
  }

  // The frame shown, and the span's frames or the present one; null: no bound.
  get frame() { return this.state.numbers[this.state.place]; }

  get frames() {
    const { span, numbers } = this.state;
    if (span.start === null && span.end === null) return { from: this.frame, to: this.frame };
    return { from: span.start === null ? null : numbers[span.start], to: span.end === null ? null : numbers[span.end] };
  }

  get hasSpan() { return this.state.span.start !== null || this.state.span.end !== null; }

  // What is chosen, or a sentence that says what to choose.

  person() {
    if (this.state.person === null) this.say("Choose a person first: click on one, or press s");
    return this.state.person;
  }

  keypoint() {
    if (this.person() === null) return null;
    if (this.state.keypoint === null) this.say("Choose a keypoint first: click on one, or press k");
    return this.state.keypoint === null ? null : this.state.run.keypoints[this.state.keypoint];
  }

  make(change, said) {
    const made = this.acts.make(change);
    this.say(said);
    return made;
  }

  // Keypoints.

  set(person, keypoint, [x, y]) {
    const name = this.state.run.keypoints[keypoint], frame = this.frame, at = { [frame]: [x, y] };
    const last = this.lastSet, inForce = this.acts.effective.acts.some(({ act }) => act === last?.act);  // not undone, nor refused
    const filled = this.between && inForce && last.person === person && last.keypoint === keypoint && last.frame !== frame;
    if (filled) at[last.frame] = last.at;
    const { act } = this.make({ do: "place", person, keypoint: name, at: Object.fromEntries(Object.entries(at).sort(([a], [b]) => a - b)) }, filled ? `${words(name)} set, and filled in from frame ${last.frame} to ${frame}` : `${words(name)} set`);
    this.lastSet = { act, person, keypoint, frame, at: [x, y] };
  }

  move() { if (this.keypoint() !== null && !this.stage.move()) this.say("The person is not in this frame"); }

  hide() { this.keypoints("hide", "hidden"); }

  drop() { this.keypoints("drop", "removed: it was wrong"); }

  keypoints(kind, said) {
    const name = this.keypoint();
    if (name !== null) this.make({ do: kind, person: this.state.person, keypoints: [name], ...this.frames }, `${words(name)} ${said}`);
  }

  // Whether keypoints that are set are joined by a line of steps.
  toggleBetween() {
    this.between = !this.between;
    document.getElementById("between").setAttribute("aria-pressed", this.between);
    this.say(this.between ? "Filling in is on: set the keypoint in one frame, then in another" : "Filling in is off");
  }

  // Persons.

  swapSides() {
    const person = this.person();
    if (person !== null) this.make({ do: "swap_sides", person, ...this.frames }, `left and right of ${this.state.nameOf(person)} swapped`);
  }

  async swapPersons() {
    const frames = this.hasSpan ? this.frames : { from: this.frame, to: null };  // now: a clip may play on
    const other = await this.other("Swap with whom?", this.hasSpan ? "In the span's frames" : "From this frame on");
    if (other !== null) this.make({ do: "swap_persons", persons: [this.state.person, other], ...frames }, "persons swapped");
  }

  async join() {
    const into = await this.other("Join with whom?", "Both become this person");
    if (into === null) return;
    this.make({ do: "join", person: this.state.person, into }, "persons joined");
    this.state.choose(into, this.state.keypoint);
  }

  async other(title, label) {
    const person = this.person();
    if (person === null) return null;
    const here = new Set((this.poses.at(this.state.place) ?? []).map(({ id }) => id));
    const others = this.state.run.persons.filter(({ id }) => id !== person).sort((a, b) => here.has(b.id) - here.has(a.id) || a.id - b.id);
    if (!others.length) { this.say("There is nobody else"); return null; }
    const found = await ask(title, [{ label, name: "other", options: others.map(({ id, frames }) => [id, `${this.state.nameOf(id)}, ${frames} frames${here.has(id) ? ", in this frame" : ""}`]) }]);
    return found && Number(found.other);
  }

  split() {
    const person = this.person();
    if (person === null) return;
    const ids = [...this.state.run.persons.map(({ id }) => id), ...this.acts.effective.acts.flatMap(({ new: made }) => made ?? [])], made = Math.max(0, ...ids) + 1;
    this.make({ do: "split", person, from: this.frame, new: made }, `from frame ${this.frame} on it is person ${made}`);
    this.state.choose(made, this.state.keypoint);
  }

  async rename() {
    const person = this.person();
    if (person === null) return;
    const found = await ask(`Name of person ${person}`, [{ label: "Name", name: "name", type: "text", maxlength: 60, value: this.state.personOf(person)?.name || undefined }]);
    if (found?.name.trim()) this.make({ do: "rename", person, name: found.name.trim() }, `called ${found.name.trim()}`);
  }

  remove() {
    const person = this.person();
    if (person === null) return;
    this.make({ do: "delete", person, ...(this.hasSpan ? this.frames : { from: null, to: null }) }, `${this.state.nameOf(person)} deleted${this.hasSpan ? " in the span" : ""}`);
    if (!this.hasSpan) this.state.choose(null);
  }

  // Who somebody is to whom the tracker gave no id: the one at `point`, or the first such one in the frame.
  async identify(point = null) {
    const untracked = (this.poses.at(this.state.place) ?? []).filter(({ id }) => id < 0), frame = this.frame;
    if (!untracked.length) return this.say("Everybody in this frame has an id");
    const { box } = untracked[0], at = point ?? [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    const here = new Set((this.poses.at(this.state.place) ?? []).map(({ id }) => id)), all = this.state.run.persons, made = Math.max(0, ...all.map(({ id }) => id)) + 1;
    const absent = all.filter(({ id }) => !here.has(id)).map(({ id }) => [id, this.state.nameOf(id)]);
    const found = await ask("Who is it?", [{ label: "Person", name: "person", options: [...absent, [made, `somebody new, #${made}`]] }]);
    if (found) this.make({ do: "identify", person: Number(found.person), at: { [frame]: at.map((value) => Math.round(10 * value) / 10) } }, "it has an id");
  }

  main() {
    const person = this.person();
    if (person !== null) this.make({ do: "main", person }, `${this.state.nameOf(person)} is the main person`);
  }

  async facing() {
    const person = this.person();
    if (person === null) return;
    const found = await ask("Where does the person face?", [{ label: this.hasSpan ? "In the span's frames" : "In all frames", name: "facing", options: [["right", "the picture's right"], ["left", "the picture's left"], ["front", "the camera"], ["back", "away from the camera"]] }]);
    if (found) this.make({ do: "facing", person, facing: found.facing, ...(this.hasSpan ? this.frames : { from: null, to: null }) }, "facing set");
  }

  // The clip.

  scale() {
    this.stage.ask(2, "Scale: two points whose distance is known", async (points) => {
      const found = await ask("How far are they apart?", [{ label: "Metres", name: "metres", type: "number", min: 0.001, max: 99999, step: "any", inputmode: "decimal" }]);
      if (found) this.make({ do: "scale", points, metres: Number(found.metres) }, "scale set");
    });
  }

  floor() { this.stage.ask(2, "Floor: two points of a level line on it", (points) => this.make({ do: "floor", points }, "floor line set")); }

  // The span.

  spanStart() { const { state } = this; state.setSpan(state.place, state.span.end !== null && state.span.end < state.place ? null : state.span.end); this.say(`span from frame ${this.frame}`); }

  spanEnd() { const { state } = this; state.setSpan(state.span.start !== null && state.span.start > state.place ? null : state.span.start, state.place); this.say(`span to frame ${this.frame}`); }

  spanClear() { this.state.setSpan(null, null); this.say("no span: the present frame"); }
}
