// Pictures: exact frames as JPEG from the server, decoded, and kept as long as there is room.

import { getBlob, Refused } from "./api.js";

const ROOM = 96e6;  // bytes of decoded pictures
const AHEAD = 4;

export class Pictures {
  constructor(state) {
    Object.assign(this, { state, kept: new Map(), bytes: 0, coming: new Map(), failed: new Map() });
  }

  // The picture of a place as ImageBitmap; null where it is not here.
  get(place) {
    const picture = this.kept.get(place);
    if (picture) {
      this.kept.delete(place);  // as the newest
      this.kept.set(place, picture);
    }
    return picture ?? null;
  }

  // Why there is no picture of a place, in words; empty where there may be one.
  failure(place) { return this.failed.get(place) ?? ""; }

  // Fetch the picture of a place, and then those that come next in steps of `step`; what else is on its way is given up.
  async want(place, step = 1) {
    if (this.state.run.no_pictures || !this.state.run.frames) return;
    const next = Array.from({ length: AHEAD }, (_, index) => place + (index + 1) * step).filter((each) => each >= 0 && each <= this.state.last);
    for (const [other, { control }] of this.coming) if (other !== place && !next.includes(other)) control.abort();
    await this.fetch(place);
    if (this.state.place === place || this.state.playing) for (const each of next) this.fetch(each);
  }

  fetch(place) {
    if (this.kept.has(place) || this.failed.has(place)) return null;
    if (!this.coming.has(place)) {
      const control = new AbortController();
      this.coming.set(place, { control, done: this.load(place, control.signal) });
    }
    return this.coming.get(place).done;
  }

  async load(place, signal) {
    try {
      const blob = await getBlob(`api/picture/${place}`, signal), picture = await createImageBitmap(blob);
      this.keep(place, picture);
    } catch (error) {
      if (error instanceof Refused) this.failed.set(place, error.message);
      else if (error.name !== "AbortError") setTimeout(() => place === this.state.place && this.want(place), 1000);
    } finally {
      this.coming.delete(place);
    }
    this.state.tell("picture");
  }

  keep(place, picture) {
    this.kept.set(place, picture);
    this.bytes += 4 * picture.width * picture.height;
    for (const [other, old] of this.kept) {
      if (this.bytes <= ROOM || other === this.state.place) break;
      this.kept.delete(other);
      this.bytes -= 4 * old.width * old.height;
      old.close();
    }
  }
}
