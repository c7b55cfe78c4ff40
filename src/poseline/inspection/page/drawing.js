// Drawing: the picture and the poses of one frame on a canvas.

import { bright, colour, finite, JOINTS, LIMBS } from "./overlay.js";

const SURE = 0.5, SET = 2, FILLED_IN = 3;  // SET and FILLED_IN are states of the log's reader

// `at` leads from pixels of the picture to pixels of the canvas; `unit` is the width of a thin line.
export function drawPersons(pen, persons, { run, layers, chosen, keypoint, at, unit, nameOf }) {
  pen.lineCap = pen.lineJoin = "round";
  for (const person of [...persons].reverse()) {  // the surest last, on top
    const own = person.id === chosen;
    pen.globalAlpha = chosen === null || own ? 1 : 0.55;
    if (layers.boxes && finite([...person.box])) drawBox(pen, person, at, own ? 2 * unit : unit);
    if (layers.skeleton) drawSkeleton(pen, person, run, own, own ? keypoint : null, at, unit);
  }
  pen.globalAlpha = 1;
  if (layers.labels) for (const person of [...persons].reverse()) drawLabel(pen, person, at, unit, nameOf);
}

export const pointOf = (person, index) => [person.points[3 * index], person.points[3 * index + 1], person.points[3 * index + 2]];

function drawBox(pen, person, at, width) {
  pen.strokeStyle = colour(person.id);
  pen.lineWidth = width;
  const [left, top] = at(person.box[0], person.box[1]), [right, bottom] = at(person.box[2], person.box[3]);
  pen.strokeRect(left, top, right - left, bottom - top);
}

// Of the chosen person, what the network was not sure of is drawn too, hollow, so that it can be dragged.
function drawSkeleton(pen, person, { edges, sides }, own, chosen, at, unit) {
  const shown = (index) => { const [x, y, confidence] = pointOf(person, index); return finite([x, y]) && (own || confidence >= SURE); };
  pen.lineWidth = 1.5 * unit;
  for (const [first, second] of edges) {
    if (!shown(first) || !shown(second)) continue;
    const ends = new Set([sides[first], sides[second]].filter((side) => side !== "middle"));
    pen.strokeStyle = LIMBS[ends.size === 1 ? [...ends][0] : "middle"];
    pen.beginPath();
    pen.moveTo(...at(...pointOf(person, first)));
    pen.lineTo(...at(...pointOf(person, second)));
    pen.stroke();
  }
  sides.forEach((side, index) => {
    if (!shown(index)) return;
    const [x, y, confidence] = pointOf(person, index), [left, top] = at(x, y), size = (own ? 2.4 : 1.6) * unit;
    pen.fillStyle = pen.strokeStyle = JOINTS[side];
    pen.lineWidth = unit;
    pen.beginPath();
    if (person.states[index] === SET || person.states[index] === FILLED_IN) pen.rect(left - size, top - size, 2 * size, 2 * size);
    else pen.arc(left, top, size, 0, 2 * Math.PI);
    if (confidence >= SURE) pen.fill(); else pen.stroke();
    if (index !== chosen) return;
    pen.strokeStyle = "#fff";
    pen.lineWidth = 1.5 * unit;
    pen.beginPath();
    pen.arc(left, top, 5 * unit, 0, 2 * Math.PI);
    pen.stroke();
  });
}

function drawLabel(pen, person, at, unit, nameOf) {
  if (!finite([...person.box])) return;
  const size = 6.5 * unit, text = person.id < 0 ? "person" : nameOf(person.id);
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const [left, top] = at(person.box[0], person.box[1]), width = pen.measureText(text).width + size * 0.6, height = size * 1.35;
  const x = left - unit / 2, y = top - height;
  pen.fillStyle = colour(person.id);
  pen.fillRect(x, y, width, height);
  pen.fillStyle = bright(colour(person.id)) ? "#000" : "#fff";
  pen.textBaseline = "middle";
  pen.fillText(text, x + size * 0.3, y + height / 2 + unit * 0.2);
}

// A line between two points of the picture, as of the scale or the floor.
export function drawLine(pen, points, text, at, unit) {
  const ends = points.map(([x, y]) => at(x, y));
  pen.strokeStyle = pen.fillStyle = "#ffd23f";
  pen.lineWidth = 1.5 * unit;
  pen.setLineDash([4 * unit, 3 * unit]);
  pen.beginPath();
  ends.forEach(([x, y], index) => pen[index ? "lineTo" : "moveTo"](x, y));
  pen.stroke();
  pen.setLineDash([]);
  for (const [x, y] of ends) { pen.beginPath(); pen.arc(x, y, 2.2 * unit, 0, 2 * Math.PI); pen.fill(); }
  pen.font = `600 ${6 * unit}px system-ui, sans-serif`;
  pen.textBaseline = "bottom";
  if (ends.length) pen.fillText(text, ends[0][0] + 4 * unit, ends[0][1] - 3 * unit);
}

// Where the arrow keys are: a cross.
export function drawCross(pen, [x, y], unit) {
  pen.strokeStyle = "#fff";
  pen.lineWidth = unit;
  pen.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { pen.moveTo(x + 4 * unit * dx, y + 4 * unit * dy); pen.lineTo(x + 14 * unit * dx, y + 14 * unit * dy); }
  pen.stroke();
}
