// Tile: one camera on the page: its picture, its state, and its buttons.

import { draw, Trails } from "./overlay.js";
import { Video } from "./video.js";

const LATE = 500, REMEMBERED = 300;

export class Tile {
  // `page` knows the link and the layers, and does what buttons ask for.
  constructor(page, index) {
    this.page = page;
    this.index = index;
    const element = this.element = document.getElementById("tile").content.firstElementChild.cloneNode(true);
    const find = (name) => element.querySelector(name);
    this.canvas = find("canvas");
    this.pen = this.canvas.getContext("2d", { alpha: false });
    this.parts = Object.fromEntries(["chip", "word", "name", "age", "fps", "drops", "veil", "enlarge", "record", "length"].map((name) => [name, find(`.${name}`)]));
    this.camera = { title: "", name: "", width: 16, height: 9, pixel_aspect: 1, edges: [], sides: [], keypoints: [] };
    this.status = { state: "starting", text: "waiting for the first picture" };
    this.trails = new Trails();
    this.video = new Video(() => page.link.decodesH264(false));
    this.ages = [];
    this.bytes = [];
    this.newest = this.drawn = this.visible = 0;
    find(".screen").onclick = () => page.enlarge(index);
    this.parts.enlarge.onclick = () => page.enlarge(index);
    find(".full").onclick = () => page.fullScreen(index);
    find(".snapshot").onclick = () => page.snapshot(index);
    this.parts.record.onclick = () => page.record(index);
    new ResizeObserver(() => { this.fit(); page.want(); }).observe(this.canvas);
    new IntersectionObserver((entries) => { this.visible = entries.at(-1).isIntersecting; page.want(); }).observe(element);
  }

  describe(camera) {
    const { width, height } = this.camera;
    this.camera = camera;
    this.parts.name.textContent = this.name = camera.name;
    this.parts.name.title = camera.title;
    if (camera.width && (camera.width !== width || camera.height !== height)) this.shape(camera.width, camera.height);
    for (const button of this.element.querySelectorAll("button")) button.setAttribute("aria-description", camera.name);
  }

  shape(width, height) {
    this.size = [width, height];
    this.canvas.style.setProperty("--aspect", `${width * this.camera.pixel_aspect} / ${height}`);
    this.fit();
  }

  // As many pixels as are seen, so that what is drawn over a small picture is sharp.
  fit() {
    const ratio = Math.min(devicePixelRatio || 1, 2), { clientWidth, clientHeight } = this.canvas;
    const width = Math.round(clientWidth * ratio), height = Math.round(clientHeight * ratio);
    if (!width || (this.canvas.width === width && this.canvas.height === height)) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.paint();
  }

  get wanted() { return this.visible && this.element.offsetParent !== null ? Math.min(8192, Math.max(16, this.canvas.width)) : 0; }

  async show(head, data, size) {
    this.newest = head.number;
    const coded = head.codec !== undefined;  // empty of what is no key frame
    const picture = await (coded ? this.video.decode(head, data) : createImageBitmap(new Blob([data], { type: "image/jpeg" })).catch(() => null));
    if (picture && head.number >= this.drawn) {  // else a newer one was decoded sooner
      this.picture?.close();
      this.picture = picture;
      this.head = head;
      this.drawn = head.number;
      if (!this.size || this.size[0] !== head.width || this.size[1] !== head.height) this.shape(head.width, head.height);
      this.trails.add(head);
      this.paint();
      this.note(size);
      this.parts.veil.hidden = true;
    } else picture?.close();
    // From the next animation frame, so that a page that is not seen, or is busy, gets no more than it can draw.
    requestAnimationFrame(() => this.page.link.send({ ack: [this.index, head.number] }));
  }

  paint() {
    const { pen, canvas, head, picture } = this;
    if (!picture) return;
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    draw(pen, head, this.camera, this.page.layers, [canvas.width / head.width, canvas.height / head.height], this.trails);
  }

  note(size) {
    const now = performance.now(), age = this.page.link.age(this.head);
    if (age !== null) this.ages.push(age);
    if (this.ages.length > REMEMBERED) this.ages.shift();
    this.bytes.push([now, size]);
    while (this.bytes[0][0] < now - 2000) this.bytes.shift();
  }

  get fps() {
    const now = performance.now(), recent = this.bytes.filter(([at]) => at > now - 2000);
    return recent.length < 2 ? 0 : (recent.length - 1) / ((recent.at(-1)[0] - recent[0][0]) / 1000);
  }

  get rate() { return this.bytes.filter(([at]) => at > performance.now() - 2000).reduce((sum, [, size]) => sum + size, 0) / 2; }

  // Words and colour of the state; a picture that is old is late, whatever the reason.
  get state() {
    const link = this.page.linkState;
    if (link.state !== "live") return link;
    const age = this.head ? this.page.link.age(this.head) : null;
    if (this.status.state === "live" && age !== null && age > LATE && this.wanted) return { state: "late", text: `late by ${(age / 1000).toFixed(1)} s` };
    return this.status;
  }

  refresh() {
    const { state, text } = this.state, { parts } = this, { recording, recorded_s: recorded } = this.status;
    parts.record.hidden = recording === undefined || state === "ended" || state === "failed";
    parts.record.setAttribute("aria-pressed", Boolean(recording));
    parts.record.title = recording ? `Recording, ${recorded} s: end it (space)` : "Record (space)";
    write(parts.length, recording ? `recording ${recorded.toFixed(0)} s` : "");
    parts.chip.dataset.state = state;
    write(parts.word, state);
    const age = this.head ? this.page.link.age(this.head) : null, over = state === "ended" || state === "failed";
    const ageText = age === null || over ? "–" : age < 10000 ? `${Math.round(age)} ms` : `${Math.round(age / 1000)} s`;
    write(parts.age, ageText);
    write(parts.fps, `${this.fps.toFixed(0)} fps`);
    write(parts.drops, `${this.status.dropped ?? 0} dropped`);
    this.element.querySelector(".snapshot").disabled = !this.head;
    parts.veil.hidden = state === "live" || (state === "late" && this.status.state === "live");
    write(parts.veil, text);
    const persons = this.status.persons ?? 0;
    const words = `${this.camera.name}: ${text}, ${persons} ${persons === 1 ? "person" : "persons"}`;
    if (this.canvas.getAttribute("aria-label") !== words) this.canvas.setAttribute("aria-label", words);
  }
}

// Only what has changed, so that the browser lays out and paints nothing for the rest.
function write(part, text) {
  if (part.textContent !== text) part.textContent = text;
}
