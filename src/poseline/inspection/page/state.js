// State: what is looked at now, and who wants to know when that changes.

export class State {
  constructor() {
    this.heard = new Map();
    // Of the run, as the server tells it.
    this.run = { frames: 0, width: 16, height: 9, pixel_aspect: 1, keypoints: [], edges: [], sides: [], persons: [], acts: [], undone: [] };
    this.times = new Float64Array(0);    // seconds, by place in the log
    this.numbers = new Float64Array(0);  // frames' numbers, by place
    this.sizes = new Float64Array(0);    // width and height of each frame's picture in pixels, NaN where not known
    this.revision = 0;
    // Of the page. A place is where in the log a frame stands, from 0.
    this.place = 0;
    this.person = null;    // id of the chosen one
    this.keypoint = null;  // index of the chosen one
    this.span = { start: null, end: null };  // places, both included
    this.layers = { picture: true, skeleton: true, boxes: true, labels: true };
    this.playing = false;
    this.speed = 1;
  }

  // Topics: run, place, choice, span, poses, picture, playing, layers, history.
  on(topics, call) { for (const topic of topics.split(" ")) this.heard.set(topic, [...(this.heard.get(topic) ?? []), call]); }

  tell(topic) { for (const call of this.heard.get(topic) ?? []) call(); }

  get last() { return Math.max(0, this.run.frames - 1); }

  // (width, height) of the present frame's picture in pixels.
  get size() {
    const size = [this.sizes[2 * this.place], this.sizes[2 * this.place + 1]];
    return size.every((side) => side > 0) ? size : [this.run.width, this.run.height];
  }

  go(place) {
    const wanted = Math.max(0, Math.min(this.last, Math.round(place)));
    if (wanted === this.place) return;
    this.place = wanted;
    this.tell("place");
  }

  choose(person, keypoint = null) {
    if (person === this.person && keypoint === this.keypoint) return;
    this.person = person;
    this.keypoint = person === null ? null : keypoint;
    this.tell("choice");
  }

  setSpan(start, end) {
    this.span = start !== null && end !== null && start > end ? { start: end, end: start } : { start, end };
    this.tell("span");
  }

  setLayers(changed) {
    Object.assign(this.layers, changed);
    this.tell("layers");
  }

  personOf(id) { return this.run.persons.find((person) => person.id === id); }

  nameOf(id) { return this.personOf(id)?.name || `#${id}`; }

  // The place of the frame with this number, or of the next one after it.
  placeOf(number) {
    let low = 0, high = this.numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.numbers[middle] < number) low = middle + 1; else high = middle;
    }
    return Math.min(low, this.last);
  }

  // The place whose time is the last one up to `time` seconds.
  placeAt(time) {
    let low = 0, high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= time) low = middle + 1; else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

export const words = (name) => name.replaceAll("_", " ");
