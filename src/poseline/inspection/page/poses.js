// Poses: those of the frames around the present one, fetched in chunks and kept for a while.

import { getBytes, Refused } from "./api.js";

const CHUNK = 64, KEPT = 160, PAUSE = 1000;

export class Poses {
  // `patch` draws what is corrected and not yet saved into a chunk that has come; true where there is any.
  constructor(state) {
    Object.assign(this, { state, chunks: new Map(), coming: new Map(), patch: () => false });
  }

  // The persons at a place, the surest first; null while they are on their way.
  at(place) {
    const chunk = this.chunk(Math.floor(place / CHUNK));
    return chunk?.at(place) ?? null;
  }

  find(place, id) { return this.at(place)?.find((person) => person.id === id) ?? null; }

  chunk(number) {
    const chunk = this.chunks.get(number);
    if (chunk) {
      this.chunks.delete(number);  // as the newest
      this.chunks.set(number, chunk);
    }
    const count = Math.min(CHUNK, this.state.run.frames - number * CHUNK);  // more where the log has grown
    if (count > 0 && (!(chunk?.revision >= this.state.revision) || chunk.count < count)) this.fetch(number);
    return chunk ?? null;
  }

  // Chunks are out of date, but for those that were here before the news: those in use are fetched again, and shown until then.
  renew() {
    const shown = Math.floor(this.state.place / CHUNK);
    for (const number of [...this.chunks.keys()]) if (Math.abs(number - shown) > 1) this.chunks.delete(number);
    this.chunk(shown);
  }

  // Also where the server's number has not changed: what was drawn ahead was refused.
  forget() {
    for (const chunk of this.chunks.values()) chunk.revision = -1;
    this.renew();
  }

  // The server has answered to an act: chunks into which it was drawn may hold the act already, and a swap that is drawn twice is none.
  settle() {
    for (const chunk of this.chunks.values()) if (chunk.patched) chunk.revision = -1;
    this.chunk(Math.floor(this.state.place / CHUNK));
  }

  async fetch(number) {
    if (this.coming.has(number)) return this.coming.get(number);
    const coming = this.load(number).finally(() => this.coming.delete(number));
    this.coming.set(number, coming);
    return coming;
  }

  async load(number) {
    const first = number * CHUNK, last = Math.min(first + CHUNK - 1, this.state.last);
    try {
      const chunk = new Chunk(await getBytes(`api/poses?from=${first}&to=${last}`), first, last - first + 1);
      this.chunks.set(number, chunk);
      while (this.chunks.size > KEPT) this.chunks.delete(this.chunks.keys().next().value);
      chunk.patched = this.patch(chunk);
      if (chunk.revision < this.state.revision) setTimeout(() => this.chunk(number));
      this.state.tell("poses");
    } catch (error) {
      if (error instanceof Refused) return;
      setTimeout(() => this.state.tell("poses"), PAUSE);  // no connection: what is drawn asks again
    }
  }
}

class Chunk {
  // `data` as the server's wire.poses writes it; of `count` places from `first` on.
  constructor(data, first, count) {
    const [revision, rows, keypoints] = new Uint32Array(data, 0, 4);
    let at = 16;
    const take = (kind, length) => { const part = new kind(data, at, length); at += part.byteLength; return part; };
    Object.assign(this, { revision, rows, keypoints, first, count });
    this.ids = take(Float64Array, rows);
    this.places = take(Int32Array, rows);
    this.scores = take(Float32Array, rows);
    this.boxes = take(Float32Array, 4 * rows);
    this.points = take(Float32Array, 3 * rows * keypoints);
    this.states = take(Uint8Array, rows * keypoints);
    this.starts = new Int32Array(count + 1);
    for (const place of this.places) this.starts[place - first + 1] += 1;
    for (let place = 0; place < count; place++) this.starts[place + 1] += this.starts[place];
  }

  // The persons at a place; null where the chunk ends before it.
  at(place) {
    const index = place - this.first;
    if (index >= this.count) return null;
    return Array.from({ length: this.starts[index + 1] - this.starts[index] }, (_, each) => this.person(this.starts[index] + each));
  }

  // Views of one row: what is written into them stays.
  person(row) {
    const many = this.keypoints;
    return {
      chunk: this, row, id: this.ids[row], score: this.scores[row], box: this.boxes.subarray(4 * row, 4 * row + 4),
      points: this.points.subarray(3 * row * many, 3 * (row + 1) * many), states: this.states.subarray(row * many, (row + 1) * many),
    };
  }
}
