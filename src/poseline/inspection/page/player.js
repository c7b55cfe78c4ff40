// Player: the clip at any speed. A frame is shown with its own picture or not at all: where that is late, time waits.

export class Player {
  constructor(state, pictures) {
    Object.assign(this, { state, pictures });
    state.on("playing", () => state.playing && this.begin());
  }

  toggle() {
    const { state } = this;
    if (!state.playing && state.place === state.last) state.go(0);
    state.playing = !state.playing;
    state.tell("playing");
  }

  setSpeed(speed) {
    this.state.speed = speed;
    this.restart();
  }

  restart() {
    this.began = performance.now();
    this.from = this.state.times[this.state.place] ?? 0;
  }

  begin() {
    this.restart();
    requestAnimationFrame(() => this.step());
  }

  step() {
    const { state, pictures } = this;
    if (!state.playing) return;
    const time = this.from + (performance.now() - this.began) / 1000 * state.speed, place = state.placeAt(time);
    if (place < state.place) this.restart();  // somebody has gone elsewhere
    if (place > state.place) {
      const ready = state.run.no_pictures || pictures.get(place) || pictures.failure(place);
      if (ready) this.show(place);
      else {
        const stride = Math.max(1, place - state.place), next = state.place + stride;
        pictures.want(next, stride);
        if (pictures.get(next)) this.show(next);
        this.restart();
      }
    }
    if (state.place === state.last) { state.playing = false; state.tell("playing"); return; }
    requestAnimationFrame(() => this.step());
  }

  show(place) {
    const { state, pictures } = this, stride = Math.max(1, place - state.place);
    state.go(place);
    pictures.want(Math.min(state.last, place + stride), stride);
  }
}
