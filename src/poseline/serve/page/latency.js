// Latency: shows the server's time as a code, and tells how long it takes until a camera's picture of it is on a page.

import { Link } from "./link.js";

const REMEMBERED = 150;
const canvas = document.getElementById("code"), pen = canvas.getContext("2d", { alpha: false });
const cameras = new Map();
let code = null, interval = 16.7, before = 0;

const link = new Link(heard, pictured, (state) => state === "live" && link && begin());
const median = (values) => (values.length ? [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] : null);

function begin() {
  link.send({ latency: true });
  watch();
}

// Small pictures of every camera: their way here is a part of the delay.
function watch() { link.watch(Object.fromEntries([...cameras.keys()].map((index) => [index, 640]))); }

function camera(index) {
  if (!cameras.has(index)) cameras.set(index, { name: "", camera: [], processing: [], network: [], drawing: [], screen: document.createElement("canvas"), newest: 0, read: 0, shown: 0 });
  return cameras.get(index);
}

function heard(message) {
  if (message.type === "camera") {
    camera(message.index).name = message.name;
    begin();
  } else if (message.type === "latency") {
    const found = camera(message.camera);
    keep(found.camera, message.camera_ms);
    keep(found.processing, message.processing_ms);
    found.read += 1;
    table();
  }
}

async function pictured(head, jpeg) {
  const found = camera(head.camera), age = link.age(head), at = performance.now();
  const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
  if (picture) {
    found.screen.width = picture.width;
    found.screen.height = picture.height;
    found.screen.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    keep(found.drawing, performance.now() - at);
    if (age !== null && found.processing.length) keep(found.network, Math.max(0, age - found.processing.at(-1)));
  }
  found.shown += 1;
  requestAnimationFrame(() => link.send({ ack: [head.camera, head.number] }));
}

function keep(values, value) {
  values.push(value);
  if (values.length > REMEMBERED) values.shift();
}

function show(now) {
  requestAnimationFrame(show);
  if (before) interval += 0.05 * (Math.min(100, now - before) - interval);
  before = now;
  if (!code || link.offset === null) return;
  const first = Math.floor((performance.now() + link.offset) / code.step) % code.markers.length;
  draw(first, (first + code.check) % code.markers.length);
}

function draw(...numbers) {
  const width = canvas.clientWidth, height = canvas.clientHeight, ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  const cell = Math.floor(Math.min(canvas.width / (2 * code.cells + 6), canvas.height / (code.cells + 4))), side = cell * code.cells;
  const top = Math.round((canvas.height - side) / 2), left = Math.round((canvas.width - 2 * side - 2 * cell) / 2);
  numbers.forEach((number, place) => {
    const x = left + place * (side + 2 * cell);
    pen.fillStyle = "#000";
    pen.fillRect(x, top, side, side);
    pen.fillStyle = "#fff";
    [...code.markers[number]].forEach((bit, at) => {
      if (bit === "1") pen.fillRect(x + (at % code.cells) * cell, top + Math.floor(at / code.cells) * cell, cell, cell);
    });
  });
}

function table() {
  const rows = document.getElementById("rows");
  rows.closest("table").hidden = false;
  rows.replaceChildren(...[...cameras.values()].filter(({ camera: values }) => values.length).map((found) => {
    const parts = [found.camera, found.processing, found.network, found.drawing].map(median), row = document.createElement("tr");
    const whole = parts.reduce((sum, part) => sum + (part ?? 0), 0) + interval / 2;
    for (const text of [found.name, `${Math.round(whole)} ms`, ...parts.map((part) => (part === null ? "–" : `${Math.round(part)} ms`)), `${Math.round(interval)} ms`, `${found.read}`]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  }));
}

document.getElementById("full").onclick = () => document.documentElement.requestFullscreen?.();
code = await (await fetch("api/code.json")).json();
requestAnimationFrame(show);
