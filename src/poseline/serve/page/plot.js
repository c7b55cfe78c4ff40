// Plot: a keypoint's place or a joint's angle over the last seconds.

import { finite, sure } from "./overlay.js";

const SECONDS = 10, MOST = 1200, STEPS = [1, 2, 5, 10, 20, 30, 45, 50, 100, 200, 500, 1000];
const JOINTS = { elbow: ["shoulder", "elbow", "wrist"], shoulder: ["hip", "shoulder", "elbow"], hip: ["shoulder", "hip", "knee"], knee: ["hip", "knee", "ankle"], ankle: ["knee", "ankle", "big_toe"] };

const words = (name) => name.replaceAll("_", " ");

// Everything that a skeleton allows to be plotted: [value, text] by group.
export function quantities(names) {
  const angles = Object.entries(JOINTS).flatMap(([joint, points]) =>
    ["left", "right"].filter((side) => points.every((point) => names.includes(`${side}_${point}`))).map((side) => [`angle:${side}_${joint}`, `${side} ${joint} angle`]));
  const places = (axis) => names.map((name) => [`${axis}:${name}`, words(name)]);
  return [["Joint angle, 180° is straight", angles], ["Height of a keypoint", places("y")], ["Place across", places("x")]].filter(([, entries]) => entries.length);
}

// What `quantity` is for a person, in degrees or pixels; null where a keypoint is not sure.
export function measure(quantity, person, names, height, aspect) {
  const [kind, name] = quantity.split(":"), point = (of) => person.keypoints[names.indexOf(of)];
  if (kind !== "angle") {
    const found = point(name);
    return found && sure(found) ? (kind === "x" ? found[0] : height - found[1]) : null;
  }
  const [side, ...joint] = name.split("_"), [a, b, c] = JOINTS[joint.join("_")].map((of) => point(`${side}_${of}`));
  if (![a, b, c].every((found) => found && sure(found))) return null;
  const first = [(a[0] - b[0]) * aspect, a[1] - b[1]], second = [(c[0] - b[0]) * aspect, c[1] - b[1]];
  const degrees = Math.abs(Math.atan2(first[0] * second[1] - first[1] * second[0], first[0] * second[0] + first[1] * second[1])) * 180 / Math.PI;
  return finite([degrees]) ? degrees : null;
}

export class Plot {
  constructor(canvas, output, unit) {
    Object.assign(this, { canvas, output, unit, points: [], quantity: "", person: "", due: false });
    new ResizeObserver(() => this.later()).observe(canvas);
  }

  choose(quantity, person) {
    if (quantity !== this.quantity || person !== this.person) this.points = [];
    Object.assign(this, { quantity, person });
    this.unit.textContent = quantity.startsWith("angle") ? "degrees" : "pixels";
    this.later();
  }

  add(head, camera) {
    if (!this.quantity) return;
    const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    const person = this.person ? head.persons.find(({ id }) => String(id) === this.person) : [...head.persons].sort((a, b) => area(b) - area(a))[0];
    const value = person ? measure(this.quantity, person, camera.keypoints, head.height, camera.pixel_aspect) : null;
    if (this.points.length && head.time < this.points.at(-1)[0]) this.points = [];
    this.points.push([head.time, value, person?.id]);
    while (this.points.length > MOST || this.points[0][0] < head.time - SECONDS) this.points.shift();
    this.later();
  }

  later() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.draw(); });
  }

  draw() {
    const { canvas, points } = this, ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement), tone = (name) => style.getPropertyValue(name);
    pen.scale(ratio, ratio);
    const values = points.map(([, value]) => value).filter((value) => value !== null), last = points.at(-1);
    this.output.textContent = last?.[1] == null ? "–" : last[1].toFixed(this.quantity.startsWith("angle") ? 0 : 1);
    const least = Math.min(...values), most = Math.max(...values), room = Math.max((most - least) * 0.1, this.quantity.startsWith("angle") ? 5 : 2);
    const [low, high] = values.length ? [least - room, most + room] : [0, 1], left = 40, bottom = height - 20, end = last?.[0] ?? 0;
    const y = (value) => 6 + (high - value) / (high - low) * (bottom - 12), x = (time) => width - 4 - (end - time) / SECONDS * (width - left - 4);
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = tone("--faint");
    pen.strokeStyle = tone("--line");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const step = STEPS.find((size) => (high - low) / size < 5) ?? (high - low) / 4;
    if (values.length) for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      pen.fillText(value.toFixed(0), left - 6, y(value));
      pen.beginPath(); pen.moveTo(left, Math.round(y(value)) + 0.5); pen.lineTo(width - 4, Math.round(y(value)) + 0.5); pen.stroke();
    }
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    for (const back of [10, 5]) pen.fillText(`−${back} s`, Math.max(left + 14, x(end - back)), height - 4);
    pen.textAlign = "right";
    pen.fillText("now", width - 4, height - 4);
    pen.strokeStyle = tone("--accent");
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.beginPath();
    let joined = null;
    for (const [time, value, person] of points) {
      if (value !== null) pen[joined === person ? "lineTo" : "moveTo"](x(time), y(value));
      joined = value === null ? null : person;
    }
    pen.stroke();
    canvas.setAttribute("aria-label", values.length ? `Plot of the last ${SECONDS} seconds: from ${least.toFixed(0)} to ${most.toFixed(0)} ${this.unit.textContent}` : "Plot: nothing to show yet");
  }
}
