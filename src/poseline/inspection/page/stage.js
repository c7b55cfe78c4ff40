// Stage: the canvas with the picture and the poses; what the pointer and the arrow keys do on it.

import { drawCross, drawLine, drawPersons, pointOf } from "./drawing.js";
import { finite } from "./overlay.js";
import { words } from "./state.js";

const NEAR = { mouse: 12, pen: 16, touch: 28 };  // CSS pixels from a keypoint at which it is taken
const MOST_ZOOM = 16, MOVED = 2;

export class Stage {
  // `set` gets a keypoint's new place: (person's id, index, [x, y]); `identify` a point of somebody without an id.
  constructor(state, poses, pictures, set, identify) {
    Object.assign(this, { state, poses, pictures, set, identify });
    this.canvas = document.getElementById("view");
    this.pen = this.canvas.getContext("2d", { alpha: false });
    this.zoom = 1;
    this.middle = null;    // of the view, in pixels of the picture; null: the picture's middle
    this.draft = null;     // {person, keypoint, at: [x, y]}: a keypoint that is being moved
    this.picking = null;   // {points, count, text, done}: points of the picture that are asked for
    this.cursor = null;    // [x, y]: where the arrow keys are
    this.pointers = new Map();
    this.due = false;
    new ResizeObserver(() => this.later()).observe(this.canvas);
    state.on("place", () => { this.leave(); this.later(); });
    state.on("choice", () => this.leave());
    state.on("choice poses picture layers run history", () => this.later());
    this.listen();
  }

  // From pixels of the picture to pixels of the canvas, and back.

  get shown() {
    const { canvas } = this, aspect = this.state.run.pixel_aspect, [width, height] = this.state.size;
    const fit = Math.min(canvas.width / (width * aspect), canvas.height / height) || 1;
    const scale = fit * this.zoom, [x, y] = this.center;
    return { across: scale * aspect, down: scale, left: canvas.width / 2 - x * scale * aspect, top: canvas.height / 2 - y * scale };
  }

  to(x, y) { const { across, down, left, top } = this.shown; return [left + x * across, top + y * down]; }

  from(event) {
    const { across, down, left, top } = this.shown, box = this.canvas.getBoundingClientRect(), ratio = this.canvas.width / box.width;
    return [((event.clientX - box.left) * ratio - left) / across, ((event.clientY - box.top) * ratio - top) / down];
  }

  // Draws at the next animation frame.
  later() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.draw(); });
  }

  draw() {
    const { canvas, pen, state } = this, { run } = state, aspect = `${run.width * run.pixel_aspect} / ${run.height}`;
    if (canvas.style.getPropertyValue("--aspect") !== aspect) canvas.style.setProperty("--aspect", aspect);
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width) return;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const { across, down, left, top } = this.shown, { size } = state, unit = Math.max(1.5, Math.min(width, height) / 360);
    pen.fillStyle = "#14181c";
    pen.fillRect(0, 0, width, height);
    const picture = this.pictures.get(state.place), persons = this.poses.at(state.place);
    this.drawn = { place: state.place, complete: Boolean(persons && (picture || run.no_pictures || this.pictures.failure(state.place))) };
    if (picture && state.layers.picture) pen.drawImage(picture, left, top, size[0] * across, size[1] * down);
    else { pen.fillStyle = "#242b32"; pen.fillRect(left, top, size[0] * across, size[1] * down); }
    const at = (x, y) => [left + x * across, top + y * down];
    if (persons) drawPersons(pen, this.withDraft(persons), { run, layers: state.layers, chosen: state.person, keypoint: state.keypoint, at, unit, nameOf: (id) => state.nameOf(id) });
    if (run.floor) drawLine(pen, run.floor.points, "floor", at, unit);
    if (run.scale) drawLine(pen, run.scale.points, `${run.scale.metres} m`, at, unit);
    if (this.picking) drawLine(pen, this.picking.points, "", at, unit);
    if (this.cursor) drawCross(pen, at(...this.cursor), unit);
    this.describe(persons, picture);
  }

  withDraft(persons) {
    const { draft } = this;
    if (!draft) return persons;
    return persons.map((person) => {
      if (person.id !== draft.person) return person;
      const points = person.points.slice();
      points.set([...draft.at, 1], 3 * draft.keypoint);
      return { ...person, points };
    });
  }

  describe(persons, picture) {
    const { state, canvas } = this, failure = state.run.no_pictures ? "" : this.pictures.failure(state.place);
    const waiting = document.getElementById("waiting"), text = failure || (!picture && !state.run.no_pictures && state.run.frames ? "loading" : "");
    waiting.hidden = !text;
    if (waiting.textContent !== text) waiting.textContent = text;
    const who = persons?.find(({ id }) => id === state.person), parts = [`Frame ${state.numbers[state.place] ?? 0}`, persons ? `${persons.length} ${persons.length === 1 ? "person" : "persons"}` : "loading"];
    if (state.person !== null) parts.push(`person ${state.nameOf(state.person)}${who ? "" : ", not in this frame"}`);
    if (who && state.keypoint !== null) {
      const [x, y] = pointOf(who, state.keypoint);
      parts.push(`${words(state.run.keypoints[state.keypoint])} ${finite([x, y]) ? `at ${Math.round(x)}, ${Math.round(y)}` : "missing"}`);
    }
    const label = parts.join(", ");
    if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  }

  // What is under the pointer: {person, keypoint, distance}; the chosen person's keypoints come first.
  under(event) {
    const persons = this.poses.at(this.state.place) ?? [], ratio = this.canvas.width / this.canvas.getBoundingClientRect().width;
    const [x, y] = this.to(...this.from(event)), near = (NEAR[event.pointerType] ?? NEAR.touch) * ratio;
    let best = null;
    for (const person of persons) {
      const own = person.id === this.state.person;
      for (let index = 0; index < this.state.run.keypoints.length; index++) {
        const [px, py, confidence] = pointOf(person, index);
        if (!finite([px, py]) || (!own && confidence < 0.5)) continue;
        const [left, top] = this.to(px, py), distance = Math.hypot(left - x, top - y) - (own ? near / 2 : 0);
        if (Math.hypot(left - x, top - y) <= near && distance < (best?.distance ?? Infinity)) best = { person: person.id, keypoint: index, distance };
      }
    }
    if (best) return best;
    const [px, py] = this.from(event);
    const inside = persons.filter(({ box }) => px >= box[0] && px <= box[2] && py >= box[1] && py <= box[3]);
    inside.sort((a, b) => (a.box[2] - a.box[0]) * (a.box[3] - a.box[1]) - (b.box[2] - b.box[0]) * (b.box[3] - b.box[1]));
    return inside.length ? { person: inside[0].id, keypoint: null } : null;
  }

  // The pointer: mouse, pen and fingers.

  listen() {
    const { canvas } = this;
    canvas.onpointerdown = (event) => this.press(event);
    canvas.onpointermove = (event) => this.drag(event);
    canvas.onpointerup = (event) => this.release(event);
    canvas.onpointercancel = (event) => { this.pointers.delete(event.pointerId); this.held = null; this.draft = null; this.later(); };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 400), this.from(event));
    }, { passive: false });
    // A finger on a keypoint drags it, and so do two fingers the view; otherwise the page scrolls as ever.
    canvas.addEventListener("touchstart", (event) => {
      const touch = event.touches[0];
      const taken = event.touches.length > 1 || this.zoom > 1 || this.picking || this.under({ clientX: touch.clientX, clientY: touch.clientY, pointerType: "touch" })?.keypoint != null;
      if (taken) event.preventDefault();
    }, { passive: false });
  }

  press(event) {
    if (event.button) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) { this.held = null; this.draft = null; this.pinch = this.fingers(); return; }
    const at = this.from(event);
    this.held = { id: event.pointerId, x: event.clientX, y: event.clientY, moved: false, view: this.center };
    if (this.picking) return;
    const found = this.under(event), { state } = this;
    const missing = state.keypoint !== null && this.missing();
    if (found?.keypoint != null && found.person >= 0) {
      if (state.playing) { state.playing = false; state.tell("playing"); }
      state.choose(found.person, found.keypoint);
      this.held.keypoint = found;
      const { points } = this.poses.find(state.place, found.person);
      this.held.offset = [points[3 * found.keypoint] - at[0], points[3 * found.keypoint + 1] - at[1]];
    } else if (missing && found?.person === state.person) {
      this.held.keypoint = { person: state.person, keypoint: state.keypoint };
      this.held.offset = [0, 0];
      this.held.moved = true;
      this.draft = { person: state.person, keypoint: state.keypoint, at };
    } else if (found) this.held.choice = found.person;
    this.later();
  }

  // Whether the chosen keypoint has no place in this frame: a click sets it.
  missing() {
    const person = this.poses.find(this.state.place, this.state.person);
    return person !== null && !finite(pointOf(person, this.state.keypoint).slice(0, 2));
  }

  drag(event) {
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) return this.pinched();
    const { held } = this;
    if (!held || held.id !== event.pointerId) return;
    if (Math.hypot(event.clientX - held.x, event.clientY - held.y) > MOVED) held.moved = true;
    if (!held.moved) return;
    if (held.keypoint) {
      const [x, y] = this.from(event);
      this.draft = { ...held.keypoint, at: this.inside([x + held.offset[0], y + held.offset[1]]) };
    } else if (this.zoom > 1) {
      const { across, down } = this.shown, ratio = this.canvas.width / this.canvas.getBoundingClientRect().width, [x, y] = held.view;
      this.middle = [x - (event.clientX - held.x) * ratio / across, y - (event.clientY - held.y) * ratio / down];
    }
    this.later();
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    const { held, draft } = this;
    if (!held || held.id !== event.pointerId) return;
    this.held = null;
    if (this.picking && !held.moved) this.pick(this.inside(this.from(event)));
    else if (held.choice < 0 && !held.moved) this.identify(this.inside(this.from(event)));
    else if (held.keypoint && held.moved && draft) {
      this.draft = null;
      this.set(draft.person, draft.keypoint, draft.at);
    } else if (!held.moved && !held.keypoint) this.state.choose(held.choice ?? null);
    this.later();
  }

  inside([x, y]) {
    const [width, height] = this.state.size;
    return [Math.max(0, Math.min(width, x)), Math.max(0, Math.min(height, y))].map((value) => Math.round(10 * value) / 10);
  }

  // Zoom.

  fingers() {
    const [one, other] = [...this.pointers.values()];
    return { apart: Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY), middle: { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 } };
  }

  pinched() {
    const now = this.fingers(), before = this.pinch;
    const was = this.from(before.middle);
    this.zoomBy(now.apart / Math.max(1, before.apart), was);
    const is = this.from(now.middle);
    this.middle = [this.center[0] + was[0] - is[0], this.center[1] + was[1] - is[1]];
    this.pinch = now;
    this.later();
  }

  get center() { return this.middle ?? this.state.size.map((side) => side / 2); }

  // About a point of the picture, which stays where it is; about the chosen keypoint or the middle if none is given.
  zoomBy(factor, about = this.place() ?? this.center) {
    const before = this.zoom, [x, y] = this.center;
    this.zoom = Math.max(1, Math.min(MOST_ZOOM, before * factor));
    const share = before / this.zoom;
    this.middle = this.zoom === 1 ? null : [about[0] + (x - about[0]) * share, about[1] + (y - about[1]) * share];
    this.later();
  }

  // Where the chosen keypoint is.
  place() {
    const person = this.state.keypoint === null ? null : this.poses.find(this.state.place, this.state.person);
    const at = person && pointOf(person, this.state.keypoint).slice(0, 2);
    return at && finite(at) ? at : null;
  }

  // The arrow keys: they move a keypoint, or a cross that sets points. Both end by Enter or Escape.

  get steered() { return this.cursor !== null; }

  // Begin to move the chosen keypoint.
  move() {
    const person = this.poses.find(this.state.place, this.state.person);
    if (!person || this.state.keypoint === null) return false;
    const { box } = person;
    this.cursor = this.place() ?? [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    this.draft = { person: person.id, keypoint: this.state.keypoint, at: this.cursor };
    this.hint("Arrow keys move the keypoint, with Shift by 10 pixels; Enter sets it, Esc leaves it");
    this.later();
    return true;
  }

  // Ask for points of the picture; `done` gets them.
  ask(count, text, done) {
    this.leave();
    this.picking = { points: [], count, text, done };
    this.cursor = this.center.map(Math.round);
    this.hint(`${text}: click, or move the cross with the arrow keys and press Enter; Esc ends it`);
    this.canvas.focus({ preventScroll: true });
    this.canvas.scrollIntoView({ block: "nearest" });
    this.later();
  }

  steer(dx, dy) {
    this.cursor = this.inside([this.cursor[0] + dx, this.cursor[1] + dy]);
    if (this.draft) this.draft.at = this.cursor;
    this.later();
  }

  enter() {
    if (this.picking) return this.pick(this.cursor);
    const { draft } = this;
    this.leave();
    if (draft) this.set(draft.person, draft.keypoint, draft.at);
  }

  pick(point) {
    const { picking } = this;
    if (picking.points.some(([x, y]) => Math.hypot(x - point[0], y - point[1]) <= 1)) return;
    picking.points.push(point);
    if (picking.points.length === picking.count) { this.leave(); picking.done(picking.points); }
    this.later();
  }

  leave() {
    this.picking = this.cursor = this.draft = null;
    this.hint("");
    this.later();
  }

  hint(text) {
    const hint = document.getElementById("hint");
    hint.textContent = text;
    hint.hidden = !text;
  }
}
