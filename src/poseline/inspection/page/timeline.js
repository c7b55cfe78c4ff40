// Timeline: a lane for each person with the frames in which they are, and the marks above.

import { colour } from "./overlay.js";

const LANE = 18, TOP = 26, LEFT = 92, RIGHT = 12, MOST = 120, MOST_ZOOM = 200;

export class Timeline {
  constructor(state) {
    Object.assign(this, { state, marks: [], due: false, from: 0, zoom: 1, onPerson: () => {} });
    this.canvas = document.getElementById("timeline");
    this.pen = this.canvas.getContext("2d");
    new ResizeObserver(() => this.later()).observe(this.canvas.parentElement);
    state.on("run place choice span marks", () => this.later());
    this.listen();
  }

  show(marks) { this.marks = marks; this.later(); }

  get persons() { return this.listed ?? []; }

  // Those who are seen longest, in the order of their ids.
  list() {
    const all = this.state.run.persons;
    this.listed = [...all].sort((a, b) => b.frames - a.frames).slice(0, MOST).sort((a, b) => a.id - b.id);
    const left = all.length - this.listed.length, more = document.getElementById("more-persons");
    more.hidden = !left;
    more.textContent = `${left} more ${left === 1 ? "person" : "persons"}, who are seen for a shorter time, have no lane`;
  }

  later() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.draw(); });
  }

  get inner() { return Math.max(1, this.canvas.clientWidth - LEFT - RIGHT); }
  get shown() { return Math.max(1, this.state.run.frames) / this.zoom; }  // frames
  x(place) { return LEFT + (place + 0.5 - this.from) / this.shown * this.inner; }
  placeAt(x) { return Math.max(0, Math.min(this.state.last, Math.floor(this.from + (x - LEFT) / this.inner * this.shown))); }

  draw() {
    if (this.of !== this.state.run.persons) { this.of = this.state.run.persons; this.list(); }
    const { canvas, pen, state } = this, ratio = Math.min(devicePixelRatio || 1, 2), height = TOP + LANE * Math.max(1, this.persons.length) + 6;
    canvas.style.height = `${height}px`;
    const width = canvas.parentElement.clientWidth;
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    this.follow();
    const style = getComputedStyle(document.documentElement), tone = (name) => style.getPropertyValue(name);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.drawSpan(height, tone);
    this.drawLanes(width, tone);
    this.drawMarks(tone);
    const x = this.x(state.place);
    pen.fillStyle = tone("--accent");
    pen.fillRect(Math.round(x) - 1, 0, 2, height);
    pen.beginPath();
    pen.moveTo(x - 6, 0); pen.lineTo(x + 6, 0); pen.lineTo(x, 8);
    pen.fill();
    this.describe();
  }

  // Keep the present frame in view.
  follow() {
    const { place } = this.state, { shown } = this;
    if (place < this.from || place >= this.from + shown) this.from = place - shown / 2;
    this.from = Math.max(0, Math.min(this.state.run.frames - shown, this.from));
  }

  drawSpan(height, tone) {
    const { start, end } = this.state.span;
    if (start === null && end === null) return;
    const left = this.x((start ?? end) - 0.5), right = this.x((end ?? start) + 0.5);
    this.pen.globalAlpha = 0.18;
    this.pen.fillStyle = tone("--accent");
    this.pen.fillRect(left, 0, Math.max(2, right - left), height);
    this.pen.globalAlpha = 1;
  }

  drawLanes(width, tone) {
    const { pen, state } = this;
    pen.textBaseline = "middle";
    pen.font = "12px system-ui, sans-serif";
    this.persons.forEach((person, lane) => {
      const y = TOP + LANE * lane, chosen = person.id === state.person;
      if (chosen) { pen.fillStyle = tone("--hover"); pen.fillRect(0, y, width, LANE); }
      pen.fillStyle = chosen ? tone("--ink") : tone("--faint");
      pen.font = `${chosen ? 600 : 400} 12px system-ui, sans-serif`;
      pen.fillText(`${person.id === state.run.main ? "★ " : ""}${state.nameOf(person.id)}`.slice(0, 14), 12, y + LANE / 2 + 1);
      pen.fillStyle = colour(person.id);
      for (const [first, last] of person.spans) {
        const left = Math.max(LEFT, this.x(first - 0.5)), right = Math.min(width - RIGHT, this.x(last + 0.5));
        if (right > left) pen.fillRect(left, y + 4, Math.max(1, right - left), LANE - 8);
      }
    });
  }

  drawMarks(tone) {
    const { pen } = this, lanes = new Map(this.persons.map(({ id }, lane) => [id, lane]));
    for (const mark of [...this.marks].reverse()) {  // the worst last, on top
      const left = this.x(mark.place - 0.5), right = Math.max(left + 3, this.x(mark.last + 0.5));
      if (right < LEFT || left > LEFT + this.inner) continue;
      pen.fillStyle = tone(mark.severity >= 0.66 ? "--lost" : mark.severity >= 0.33 ? "--late" : "--rest");
      const x = Math.max(LEFT, left), wide = Math.min(LEFT + this.inner, right) - x;
      pen.fillRect(x, 11, wide, 9);
      for (const person of mark.persons) if (lanes.has(person)) pen.fillRect(x, TOP + LANE * lanes.get(person) + 1, wide, 3);
    }
  }

  describe() {
    const { canvas, state } = this;
    canvas.setAttribute("aria-valuemax", state.last);
    canvas.setAttribute("aria-valuenow", state.place);
    canvas.setAttribute("aria-valuetext", `frame ${state.numbers[state.place] ?? 0}, ${(state.times[state.place] ?? 0).toFixed(2)} seconds`);
  }

  listen() {
    const { canvas } = this, at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    canvas.onpointerdown = (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.dragging = true;
      const [x, y] = at(event), person = this.persons[Math.floor((y - TOP) / LANE)];
      if (y >= TOP && person) this.onPerson(person.id);
      if (x >= LEFT - 4) this.state.go(this.placeAt(x));
    };
    canvas.onpointermove = (event) => { if (this.dragging && at(event)[0] >= LEFT - 4) this.state.go(this.placeAt(at(event)[0])); };
    canvas.onpointerup = canvas.onpointercancel = () => { this.dragging = false; };
    canvas.ondblclick = () => { this.zoom = 1; this.later(); };
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && Math.abs(event.deltaX) < Math.abs(event.deltaY) && !event.shiftKey) return;  // the list of lanes scrolls
      event.preventDefault();
      if (event.ctrlKey) this.zoomBy(Math.exp(-event.deltaY / 300), this.placeAt(at(event)[0]));
      else { this.from += (event.deltaX || event.deltaY) / this.inner * this.shown; this.later(); }
    }, { passive: false });
  }

  zoomBy(factor, about = this.state.place) {
    const most = Math.max(1, Math.min(MOST_ZOOM, this.state.run.frames / 20)), share = (about - this.from) / this.shown;
    this.zoom = Math.max(1, Math.min(most, this.zoom * factor));
    this.from = about - share * this.shown;
    this.later();
  }
}
