// Main: the page's parts, joined together.

import { Acts } from "./acts.js";
import { getBytes, getJson, Link, Refused } from "./api.js";
import { Correct } from "./correct.js";
import { Curves } from "./curves.js";
import { keys } from "./keys.js";
import { chosen, History, Marks, tabs } from "./panel.js";
import { Pictures } from "./pictures.js";
import { Player } from "./player.js";
import { Poses } from "./poses.js";
import { Stage } from "./stage.js";
import { State, words } from "./state.js";
import { Timeline } from "./timeline.js";

const LAYERS = "poseline-inspect-layers", MARKS_AFTER = 600, MARKS_SHARE = 4;
const byId = (id) => document.getElementById(id);

class Page {
  constructor() {
    const state = this.state = new State();
    this.poses = new Poses(state);
    this.pictures = new Pictures(state);
    this.stage = new Stage(state, this.poses, this.pictures, (...placed) => this.correct.set(...placed), (point) => this.correct.identify(point));
    this.acts = new Acts(state, this.poses, { told: (answer) => this.told(answer), refused: (text) => this.refused(text), changed: () => this.saving() });
    this.correct = new Correct(state, this.poses, this.stage, this.acts, (text) => this.toast(text));
    this.player = new Player(state, this.pictures);
    this.timeline = new Timeline(state);
    this.timeline.onPerson = (id) => state.choose(id, state.keypoint);
    this.marks = new Marks(state, this.timeline, (mark) => this.showMark(mark));
    this.curves = new Curves(state);
    this.history = new History(state, this.acts);
    this.connected = null;
    chosen(state, this.poses);
    keys(this);
    this.controls();
    this.load().then(() => { this.acts.resume(); this.link = new Link((news) => this.hear(news), (connected) => this.linked(connected)); });
  }

  // The run.

  async load() {
    try {
      const [run, bytes] = await Promise.all([getJson("api/run"), getBytes("api/frames")]), count = run.frames, { state } = this;
      if (bytes.byteLength !== 32 * count || run.revision < state.revision) return this.load();  // it grew between the two, or an act was made
      state.times = new Float64Array(bytes, 0, count);
      state.numbers = new Float64Array(bytes, 8 * count, count);
      state.sizes = new Float64Array(bytes, 16 * count, 2 * count);
      const first = state.run.frames === 0;
      state.run = run;
      state.revision = run.revision;
      this.told(run);
      this.describe();
      state.tell("run");
      if (first) { this.poses.at(0); state.tell("place"); }
      this.poses.renew();
      this.findMarks();
    } catch (error) {
      if (error instanceof Refused) this.notice(error.message);
      else { await new Promise((done) => setTimeout(done, 1000)); await this.load(); }
    }
  }

  describe() {
    const { run } = this.state;
    document.title = `${run.name}: Poseline inspect`;
    byId("name").textContent = run.name;
    byId("name").title = run.source;
    byId("frame").max = this.state.numbers.at(-1) ?? 0;
    const notices = [run.no_pictures && `Poses are shown without pictures: ${run.no_pictures}`, { killed: "The run was killed, or still goes on: this page follows a log that grows.", interrupted: "The run was interrupted: the log ends where it was.", failed: "The run failed: the log holds the frames before that." }[run.ended]];
    this.notice(notices.filter(Boolean).join(" "));
  }

  notice(text) {
    if (byId("notice").textContent === text) return;
    byId("notice").textContent = text;
    byId("notice").hidden = !text;
  }

  // What the server says after an act of this page.
  told(answer) {
    const { state } = this, { revision, acts, undone, main, scale, floor, facings } = answer;
    if (revision < state.revision) return;  // it was overtaken by a newer one
    const changed = revision > state.revision;
    Object.assign(state.run, { acts, undone, main, scale, floor, facings });
    state.revision = revision;
    this.history.show();
    state.tell("history");
    if (changed) { this.poses.renew(); this.later(); }
  }

  // What another page or program has done.
  hear(news) {
    if (news.type === "replaced") return this.notice(news.why);
    if (news.frames !== this.state.run.frames) return void this.load();
    if (news.revision === this.state.revision) return;
    getJson("api/corrections").then((answer) => this.told(answer)).catch(() => {});
  }

  // Persons and marks follow acts a little later: several acts come one after another.
  later() {
    clearTimeout(this.persons);
    this.persons = setTimeout(async () => {
      try {
        const run = await getJson("api/run");
        if (run.revision !== this.state.revision) return this.later();
        Object.assign(this.state.run, { persons: run.persons });
        this.state.tell("run");
        this.history.show();
      } catch { return; }
      clearTimeout(this.marking);
      this.marking = setTimeout(() => this.findMarks(), Math.max(MARKS_AFTER, MARKS_SHARE * (this.took ?? 0)));
    }, 60);
  }

  async findMarks() {
    const began = performance.now();
    try {
      const { marks } = await getJson("api/marks");
      this.took = performance.now() - began;
      this.marks.take(marks);
    } catch (error) {
      if (error instanceof Refused) byId("no-marks").textContent = error.message;
    }
  }

  refused(text) {
    this.toast(text);
    this.poses.forget();
    this.history.show();
  }

  linked(connected) {
    if (connected === this.connected) return;
    if (this.connected !== null) this.say(connected ? "connected to the server" : "no connection to the server");
    if (connected && this.connected === false) {
      this.state.revision = 0;  // perhaps to a server that was started anew, which counts from elsewhere
      this.poses.forget();
      getJson("api/corrections").then((answer) => this.told(answer)).catch(() => {});
    }
    this.connected = connected;
    this.saving();
  }

  saving() {
    const { queue, trouble } = this.acts, waiting = queue.length;
    const [state, text] = trouble ? ["lost", `${trouble} (${waiting})`] : this.connected === false ? ["lost", "no connection to the server"] : waiting ? ["starting", "saving"] : this.connected ? ["live", "saved"] : ["starting", "connecting"];
    byId("link").dataset.state = state;
    byId("link-text").textContent = text;
    this.history?.show();
  }

  // What is shown.

  showMark(mark) {
    const { state } = this, keypoint = mark.keypoints.length ? state.run.keypoints.indexOf(mark.keypoints[0]) : null;
    state.playing = false;
    state.tell("playing");
    state.choose(mark.persons[0] ?? null, keypoint);
    state.go(mark.place);
    byId("stage").scrollIntoView({ block: "nearest" });  // on a phone the list is below it
    this.say(`${words(mark.kind)}, frame ${mark.start}: ${mark.why}`);
  }

  nextPerson(by) {
    const { state } = this, here = (this.poses.at(state.place) ?? []).map(({ id }) => id).filter((id) => id >= 0).sort((a, b) => a - b);
    if (!here.length) return this.toast("Nobody is in this frame");
    const at = here.indexOf(state.person);
    state.choose(here[at < 0 ? (by > 0 ? 0 : here.length - 1) : (at + by + here.length) % here.length], state.keypoint);
    this.say(`person ${state.nameOf(state.person)}`);
  }

  nextKeypoint(by) {
    const { state } = this, count = state.run.keypoints.length;
    if (this.correct.person() === null) return;
    state.choose(state.person, state.keypoint === null ? (by > 0 ? 0 : count - 1) : (state.keypoint + by + count) % count);
    this.say(words(state.run.keypoints[state.keypoint]));
  }

  faster(by) {
    const speed = byId("speed");
    speed.selectedIndex = Math.max(0, Math.min(speed.options.length - 1, speed.selectedIndex + by));
    this.player.setSpeed(Number(speed.value));
    this.say(`speed ${speed.selectedOptions[0].textContent}`);
  }

  controls() {
    const { state, stage, correct } = this;
    const press = { first: () => state.go(0), back: () => state.go(state.place - 1), play: () => this.player.toggle(), next: () => state.go(state.place + 1), last: () => state.go(state.last), help: () => byId("keys").showModal(), between: () => correct.toggleBetween(), "zoom-in": () => stage.zoomBy(1.4), "zoom-out": () => stage.zoomBy(1 / 1.4), "zoom-all": () => stage.zoomBy(0) };
    for (const [id, call] of Object.entries(press)) byId(id).onclick = call;
    for (const button of document.querySelectorAll("[data-do]")) button.onclick = () => correct[button.dataset.do]();
    byId("frame").onchange = ({ target }) => state.go(state.placeOf(Number(target.value)));
    byId("speed").onchange = ({ target }) => this.player.setSpeed(Number(target.value));
    tabs(() => { this.curves.fetch(); this.curves.later(); });
    this.layers();
    state.on("place run", () => {
      if (byId("frame") !== document.activeElement) byId("frame").value = state.numbers[state.place] ?? 0;
      byId("time").textContent = `${(state.times[state.place] ?? 0).toFixed(3)} s`;
    });
    state.on("place", () => { if (!state.playing) this.pictures.want(state.place, state.place < (this.before ?? 0) ? -1 : 1); this.before = state.place; });
    state.on("playing", () => {
      byId("play").setAttribute("aria-pressed", state.playing);
      byId("play").setAttribute("aria-label", state.playing ? "Stop" : "Play");
    });
  }

  layers() {
    const { state } = this;
    let kept = {};
    try { kept = JSON.parse(localStorage.getItem(LAYERS)) ?? {}; } catch { /* the browser keeps nothing */ }
    const buttons = [...document.querySelectorAll("[data-layer]")];
    const show = () => buttons.forEach((button) => button.setAttribute("aria-pressed", state.layers[button.dataset.layer]));
    for (const button of buttons) button.onclick = () => {
      state.setLayers({ [button.dataset.layer]: !state.layers[button.dataset.layer] });
      try { localStorage.setItem(LAYERS, JSON.stringify(state.layers)); } catch { /* likewise */ }
      show();
    };
    state.setLayers(kept);
    show();
  }

  // Words, for eyes and for screen readers.

  say(text) { byId("announce").textContent = text; }

  toast(text) {
    this.say(text);
    const note = document.createElement("p");
    note.textContent = text;
    byId("toasts").replaceChildren(note);
    setTimeout(() => note.remove(), 4000);
  }
}

window.poseline = new Page();  // for tools/inspect_page.py and for the curious
