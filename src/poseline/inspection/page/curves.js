// Curves: an angle of the chosen person over the clip; a click leads to the frame.

import { getJson, Refused } from "./api.js";
import { words } from "./state.js";

const LEFT = 40, BOTTOM = 20, STEPS = [1, 2, 5, 10, 20, 30, 45, 90, 180];
const byId = (id) => document.getElementById(id);

export class Curves {
  constructor(state) {
    Object.assign(this, { state, found: null, of: "", due: false });
    this.canvas = byId("curve");
    this.chooser = byId("angle");
    this.chooser.onchange = () => this.later();
    this.canvas.onpointerdown = (event) => { this.dragging = true; this.canvas.setPointerCapture(event.pointerId); this.lead(event); };
    this.canvas.onpointermove = (event) => this.dragging && this.lead(event);
    this.canvas.onpointerup = this.canvas.onpointercancel = () => { this.dragging = false; };
    new ResizeObserver(() => this.later()).observe(this.canvas);
    state.on("choice run history", () => this.fetch());
    state.on("place span", () => this.later());
  }

  get person() { return this.state.person ?? this.state.run.main ?? [...this.state.run.persons].sort((a, b) => b.frames - a.frames)[0]?.id ?? null; }

  // Only where it is seen: to work angles out takes the server a while.
  async fetch() {
    const { person, state } = this, wanted = `${person} ${state.revision}`;
    if (byId("angles").hidden || person === null || wanted === this.of) return;
    this.of = wanted;
    try {
      const found = await getJson(`api/angles?person=${person}`);
      if (this.of !== wanted) return;
      this.found = found;
      this.refused("");
      const before = this.chooser.value;
      this.chooser.replaceChildren(...found.names.map((name, index) => new Option(words(name), index)));
      const kept = [...this.chooser.options].findIndex(({ value }) => value === before);
      this.chooser.selectedIndex = before && kept >= 0 ? kept : Math.max(0, found.names.indexOf("left_knee"));
    } catch (error) {
      if (this.of !== wanted) return;
      this.found = null;
      if (error instanceof Refused) this.refused(error.message);
      else this.of = "";
    }
    this.later();
  }

  refused(text) {
    byId("no-angles").textContent = text;
    byId("no-angles").hidden = !text;
  }

  lead(event) {
    const box = this.canvas.getBoundingClientRect();
    this.state.go(Math.round((event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT - 4) * this.state.last));
  }

  later() {
    if (this.due || byId("angles").hidden) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.draw(); });
  }

  draw() {
    const { canvas, state, found } = this, ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement), tone = (name) => style.getPropertyValue(name);
    pen.scale(ratio, ratio);
    const degrees = found?.degrees[Number(this.chooser.value)] ?? [], places = found?.places ?? [], values = degrees.filter((value) => value !== null);
    const here = degrees[places.indexOf(state.place)];
    byId("angle-value").textContent = here == null ? "–" : here.toFixed(1);
    let least = Infinity, most = -Infinity;
    for (const value of values) { least = Math.min(least, value); most = Math.max(most, value); }
    const room = values.length ? Math.max(5, (most - least) * 0.08) : 0, [low, high] = values.length ? [least - room, most + room] : [0, 1];
    const x = (place) => LEFT + place / Math.max(1, state.last) * (width - LEFT - 4), y = (value) => 6 + (high - value) / (high - low) * (height - BOTTOM - 12);
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = tone("--faint");
    pen.strokeStyle = tone("--line");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const step = STEPS.find((size) => (high - low) / size < 6) ?? 360;
    if (values.length) for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      pen.fillText(value.toFixed(0), LEFT - 6, y(value));
      pen.beginPath(); pen.moveTo(LEFT, Math.round(y(value)) + 0.5); pen.lineTo(width - 4, Math.round(y(value)) + 0.5); pen.stroke();
    }
    pen.textBaseline = "alphabetic";
    for (const place of [0, state.last]) {
      pen.textAlign = place ? "right" : "left";
      pen.fillText(`${(state.times[place] ?? 0).toFixed(1)} s`, x(place), height - 4);
    }
    pen.strokeStyle = tone("--accent");
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.beginPath();
    let before = null;
    degrees.forEach((value, index) => {
      if (value !== null) pen[before === places[index] - 1 ? "lineTo" : "moveTo"](x(places[index]), y(value));
      before = value === null ? null : places[index];
    });
    pen.stroke();
    pen.fillStyle = tone("--late");
    pen.fillRect(Math.round(x(state.place)) - 1, 0, 2, height - BOTTOM);
    const label = values.length ? `${words(found.names[Number(this.chooser.value)])} angle of ${state.nameOf(this.person)}: from ${least.toFixed(0)} to ${most.toFixed(0)} degrees` : "Angle over time: nothing to show";
    canvas.setAttribute("aria-label", label);
  }
}
