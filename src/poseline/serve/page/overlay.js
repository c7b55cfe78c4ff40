// Overlay: boxes, skeletons, labels and trails, drawn from the keypoints. Colours as in annotated video.

export const LIMBS = { left: "#56b4e9", right: "#e69f00", middle: "#e1e1e1" };
export const JOINTS = { left: "#0072b2", right: "#d55e00", middle: "#6e6e6e" };
const IDS = ["#0072b2", "#f0e442", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#332288", "#117733", "#661166", "#44aa99", "#ddcc77"];
const UNTRACKED = "#3c5a82", SURE = 0.5, TRAIL_SECONDS = 2;

export const colour = (id) => (id < 0 ? UNTRACKED : IDS[(id - 1) % IDS.length]);

export const bright = (hex) => {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
};

// Draws on `pen`, whose canvas is `scale` times as large as the frame, across and down.
export function draw(pen, head, camera, layers, scale, trails) {
  const unit = Math.max(1.5, Math.min(pen.canvas.width, pen.canvas.height) / 320);
  const at = ([x, y]) => [x * scale[0], y * scale[1]];
  pen.lineCap = pen.lineJoin = "round";
  if (layers.trails) drawTrails(pen, trails, at, unit);
  for (const person of [...head.persons].reverse()) {  // the surest last, on top
    if (layers.boxes && finite(person.box)) {
      pen.strokeStyle = colour(person.id);
      pen.lineWidth = unit;
      const [left, top] = at(person.box), [right, bottom] = at(person.box.slice(2));
      pen.strokeRect(left, top, right - left, bottom - top);
    }
    if (layers.skeleton) drawSkeleton(pen, person.keypoints, camera, at, unit);
  }
  if (layers.labels) for (const person of [...head.persons].reverse()) drawLabel(pen, person, at, unit);
}

export const finite = (numbers) => numbers.every(Number.isFinite);
export const sure = (point) => finite(point) && point[2] >= SURE;

function drawSkeleton(pen, points, camera, at, unit) {
  pen.lineWidth = 1.5 * unit;
  for (const [first, second] of camera.edges) {
    if (!sure(points[first]) || !sure(points[second])) continue;
    const ends = new Set([camera.sides[first], camera.sides[second]].filter((side) => side !== "middle"));
    pen.strokeStyle = LIMBS[ends.size === 1 ? [...ends][0] : "middle"];
    pen.beginPath();
    pen.moveTo(...at(points[first]));
    pen.lineTo(...at(points[second]));
    pen.stroke();
  }
  points.forEach((point, index) => {
    if (!sure(point)) return;
    pen.fillStyle = JOINTS[camera.sides[index]];
    pen.beginPath();
    pen.arc(...at(point), 1.6 * unit, 0, 2 * Math.PI);
    pen.fill();
  });
}

function drawLabel(pen, person, at, unit) {
  if (!finite(person.box)) return;
  const size = Math.max(12, 6.5 * unit), text = `${person.id < 0 ? "person" : `#${person.id}`} ${person.score.toFixed(2)}`;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const [left, top] = at(person.box), width = pen.measureText(text).width + size * 0.6, height = size * 1.35;
  const x = Math.max(0, Math.min(left - unit / 2, pen.canvas.width - width)), y = top >= height ? top - height : Math.max(0, top);
  pen.fillStyle = colour(person.id);
  pen.fillRect(x, y, width, height);
  pen.fillStyle = bright(colour(person.id)) ? "#000" : "#fff";
  pen.textBaseline = "middle";
  pen.fillText(text, x + size * 0.3, y + height / 2 + unit * 0.2);
}

function drawTrails(pen, trails, at, unit) {
  pen.lineWidth = 1.5 * unit;
  for (const [id, path] of trails.paths) {
    pen.strokeStyle = colour(id);
    pen.beginPath();
    path.forEach(([, x, y], index) => (index ? pen.lineTo(...at([x, y])) : pen.moveTo(...at([x, y]))));
    pen.stroke();
  }
}

// Where each id stood in the last seconds.
export class Trails {
  constructor() { this.paths = new Map(); this.time = -Infinity; }

  add(head) {
    if (head.time < this.time) this.paths.clear();
    this.time = head.time;
    for (const { id, box } of head.persons) {
      if (id < 0 || !finite(box)) continue;
      if (!this.paths.has(id)) this.paths.set(id, []);
      this.paths.get(id).push([head.time, (box[0] + box[2]) / 2, box[3]]);
    }
    for (const [id, path] of this.paths) {
      while (path.length && path[0][0] < head.time - TRAIL_SECONDS) path.shift();
      if (!path.length) this.paths.delete(id);
    }
  }
}
