// Acts: what is corrected. Each is drawn at once, then sent until the server has it; by its id it counts once.

import { post, Refused } from "./api.js";
import { draw } from "./ahead.js";
import { words } from "./state.js";

const FIRST_PAUSE = 500, LONGEST_PAUSE = 5000;

const newId = () => [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export class Acts {
  // `told` gets what the server answers, `refused` its words where it says no; `changed` is called when the queue is.
  constructor(state, poses, { told, refused, changed }) {
    Object.assign(this, { state, poses, told, refused, changed, sending: false, trouble: "" });
    this.store = "";
    this.queue = [];  // [path, record]
    poses.patch = (chunk) => {
      for (const [path, record] of this.queue) if (path === "act") draw(record, [chunk], state);
      return this.queue.length > 0;
    };
  }

  // Go on with what another page of this tab could not send before it was left. A run is known by its name and source.
  resume() {
    this.store = `poseline-acts ${this.state.run.name} ${this.state.run.source}`;
    try { this.queue = JSON.parse(sessionStorage.getItem(this.store)) ?? []; } catch { /* the browser keeps nothing */ }
    this.send();
  }

  make(change) {
    const record = { act: newId(), ...change };
    draw(record, this.poses.chunks.values(), this.state);
    this.state.tell("poses");
    this.push("act", record);
    return record;
  }

  // The acts as they will be when all is sent.
  get effective() {
    let acts = [...this.state.run.acts], undone = [...this.state.run.undone];
    for (const [path, record] of this.queue) {
      if (path === "act") { acts = [...acts, record]; continue; }
      const [from, to] = path === "undo" ? [acts, undone] : [undone, acts], found = from.find(({ act }) => act === record.act);
      if (!found) continue;
      from.splice(from.indexOf(found), 1);
      to.push(found);
    }
    return { acts, undone };
  }

  undo(act = this.effective.acts.at(-1)?.act) {
    if (act) this.push("undo", { act });
    return act !== undefined;
  }

  redo(act = this.effective.undone.at(-1)?.act) {
    if (act) this.push("redo", { act });
    return act !== undefined;
  }

  push(path, record) {
    this.queue.push([path, record]);
    this.keep();
    this.send();
  }

  keep() {
    try { sessionStorage.setItem(this.store, JSON.stringify(this.queue)); } catch { /* the browser keeps nothing */ }
    this.changed();
  }

  // One after another, in their order: an act may need the one before.
  async send() {
    if (this.sending) return;
    this.sending = true;
    let pause = FIRST_PAUSE;
    while (this.queue.length) {
      const [path, record] = this.queue[0];
      try {
        const answer = await post(`api/${path}`, record);
        this.queue.shift();
        this.trouble = "";
        this.keep();
        this.told(answer);
        this.poses.settle();
        pause = FIRST_PAUSE;
      } catch (error) {
        if (error instanceof Refused && error.final) {
          this.queue.shift();
          this.keep();
          this.refused(error.message);
        } else {
          this.trouble = `not saved yet: ${error instanceof Refused ? error.message : "the server does not answer"}`;
          this.changed();
          await new Promise((done) => setTimeout(done, pause));
          pause = Math.min(2 * pause, LONGEST_PAUSE);
        }
      }
    }
    this.sending = false;
  }
}

// An act in words, such as `person 2: left and right swapped, frames 3 to 5`.
export function inWords(act, state) {
  const person = act.person === undefined ? "" : `${state.nameOf(act.person)}: `, keypoints = (act.keypoints ?? []).map(words).join(", ");
  const frames = Object.keys(act.at ?? {}), span = frames.length ? spanWords(Number(frames[0]), Number(frames.at(-1))) : spanWords(act.from, act.to);
  const what = {
    place: () => `${words(act.keypoint)} set${frames.length > 1 ? " and filled in between" : ""}`, hide: () => `${keypoints} hidden`, drop: () => `${keypoints} wrong`,
    swap_sides: () => "left and right swapped", swap_persons: () => `${act.persons.map((id) => state.nameOf(id)).join(" and ")} swapped`,
    join: () => `joined with ${state.nameOf(act.into)}`, split: () => `from frame ${act.from} on #${act.new}`, rename: () => `called ${act.name}`, delete: () => "deleted",
    add: () => "added", identify: () => "given to a pose without an id", main: () => "the main person", facing: () => `faces ${{ front: "the camera", back: "away" }[act.facing] ?? `the picture's ${act.facing}`}`,
    scale: () => `scale: ${act.metres} m`, floor: () => "floor line",
  }[act.do]?.() ?? act.do;
  return `${person}${what}${act.do === "split" || !span ? "" : `, ${span}`}`;
}

function spanWords(start, end) {
  if (start == null && end == null) return "";
  if (start == null) return `up to frame ${end}`;
  if (end == null) return `from frame ${start} on`;
  return start === end ? `frame ${start}` : `frames ${start} to ${end}`;
}
