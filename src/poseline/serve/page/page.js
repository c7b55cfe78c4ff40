// Page: everything on it, joined together.

import { Link } from "./link.js";
import { Plot, quantities } from "./plot.js";
import { Tile } from "./tile.js";
import { canDecode } from "./video.js";

const byId = (id) => document.getElementById(id);
const LAYERS = "poseline-layers", MOST_EVENTS = 100, ANNOUNCE_EVERY = 1500;

class Page {
  constructor() {
    this.tiles = [];
    this.big = null;
    this.layers = { skeleton: true, boxes: true, labels: true, trails: false, ...remembered() };
    this.spoken = [];
    this.linkState = { state: "starting", text: "connecting" };
    this.plot = new Plot(byId("plot-canvas"), byId("plot-value"), byId("plot-unit"));
    this.link = new Link((message) => this.hear(message), (head, jpeg, size) => this.picture(head, jpeg, size), (state, text) => this.linked(state, text));
    canDecode().then((can) => this.link.decodesH264(can));
    this.controls();
    setInterval(() => this.refresh(), 200);
    setInterval(() => this.numbers(), 500);
    setInterval(() => this.announce(), ANNOUNCE_EVERY);
  }

  // Messages.

  hear(message) {
    if (message.type === "camera") this.tile(message.index).describe(message), this.choices();
    else if (message.type === "event") this.event(message);
    else if (message.type === "status") message.cameras.forEach((status, index) => this.status(this.tile(index), status));
  }

  picture(head, jpeg, size) {
    const tile = this.tile(head.camera);
    tile.show(head, jpeg, size);
    if (byId("plot-camera").value === String(head.camera)) {
      this.plot.add(head, tile.camera);
      this.people(head);
    }
  }

  linked(state, text) {
    if (state !== this.linkState.state && state !== "starting") this.say(state === "live" ? "connected to the server" : "no connection to the server");
    this.linkState = { state, text };
    byId("link").dataset.state = state;
    byId("link-text").textContent = text;
  }

  status(tile, status) {
    if (status.state !== tile.status.state) {
      this.say(`${tile.camera.name}: ${status.text}`);
      if (tile.status.processed !== undefined) this.list({ kind: "state", at: Date.now() / 1000, camera: tile.index, text: status.text });
    }
    tile.status = status;
  }

  tile(index) {
    while (this.tiles.length <= index) {
      const tile = new Tile(this, this.tiles.length);
      this.tiles.push(tile);
      byId("none").hidden = true;
      byId("cameras").append(tile.element);
    }
    for (const id of ["cameras", "event-list"]) byId(id).classList.toggle("single", this.tiles.length === 1);
    return this.tiles[index];
  }

  // Which pictures are wanted: those that are seen, in the size in which they are seen.
  want() {
    const wanted = {};
    if (!document.hidden) for (const tile of this.tiles) if (tile.wanted) wanted[tile.index] = tile.wanted;
    this.link.watch(wanted);
  }

  // What buttons and keys do.

  controls() {
    for (const button of document.querySelectorAll("[data-layer]")) {
      button.onclick = () => this.setLayers({ [button.dataset.layer]: !this.layers[button.dataset.layer] });
    }
    this.setLayers({});
    byId("all").onclick = () => this.enlarge(null);
    byId("help").onclick = () => byId("keys").showModal();
    byId("share").onclick = () => this.share();
    tabs();
    for (const id of ["plot-camera", "plot-person", "plot-quantity"]) byId(id).onchange = () => this.choosePlot(id);
    document.onvisibilitychange = () => this.want();
    document.onkeydown = (event) => this.key(event);
    document.onfullscreenchange = () => this.tiles.forEach((tile) => tile.fit());
  }

  key(event) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName), pressing = event.target.tagName === "BUTTON";
    if (event.ctrlKey || event.metaKey || event.altKey || typing || document.querySelector("dialog[open]")) return;
    const chosen = this.big ?? this.tiles.find((tile) => tile.element.contains(document.activeElement))?.index ?? 0;
    const actions = {
      s: () => this.snapshot(chosen), f: () => this.fullScreen(chosen), o: () => this.overlay(), "?": () => byId("keys").showModal(),
      Escape: () => this.enlarge(null), " ": () => pressing ? null : this.record(chosen),
    };
    if (/^[1-9]$/.test(event.key)) this.enlarge(Number(event.key) - 1);
    else if (actions[event.key]) actions[event.key]();
    else return;
    if (!(event.key === " " && pressing)) event.preventDefault();
  }

  setLayers(changed) {
    Object.assign(this.layers, changed);
    try { localStorage.setItem(LAYERS, JSON.stringify(this.layers)); } catch { /* the browser keeps nothing */ }
    for (const button of document.querySelectorAll("[data-layer]")) button.setAttribute("aria-pressed", this.layers[button.dataset.layer]);
    this.tiles.forEach((tile) => tile.paint());
  }

  // All off, or back to what was on.
  overlay() {
    const shown = Object.values(this.layers).some(Boolean);
    if (shown) this.before = { ...this.layers };
    this.setLayers(shown ? { skeleton: false, boxes: false, labels: false, trails: false } : this.before ?? { skeleton: true, boxes: true, labels: true });
    this.say(shown ? "overlay off" : "overlay on");
  }

  enlarge(index) {
    if (index !== null && !this.tiles[index]) return;
    this.big = this.big === index ? null : index;
    byId("cameras").classList.toggle("one", this.big !== null);
    byId("all").hidden = this.big === null;
    this.tiles.forEach((tile) => {
      tile.element.classList.toggle("big", tile.index === this.big);
      tile.parts.enlarge.setAttribute("aria-pressed", tile.index === this.big);
    });
    if (this.big !== null && this.tiles.length > 1) {
      byId("plot-camera").value = String(this.big);
      this.choosePlot("plot-camera");
    }
    this.say(this.big === null ? "all cameras" : `${this.tiles[this.big].camera.name} enlarged`);
    requestAnimationFrame(() => {
      if (this.big !== null) this.tiles[this.big].element.scrollIntoView({ block: "nearest" });
      this.want();
    });
  }

  fullScreen(index) {
    const tile = this.tiles[index];
    if (!tile) return;
    if (document.fullscreenElement) document.exitFullscreen();
    else if (tile.element.requestFullscreen) tile.element.requestFullscreen().catch(() => this.toast("This browser does not allow full screen here"));
    else this.enlarge(index);  // a phone that has no full screen for pages
  }

  async snapshot(index) {
    const { name } = this.tiles[index].camera;
    const answer = await fetch(`api/${encodeURIComponent(name)}/snapshot`).catch(() => null);
    if (!answer?.ok) return this.toast("No picture to keep yet");
    const data = await answer.arrayBuffer(), length = new DataView(data).getUint32(0, true);
    const record = new Uint8Array(data, 4, length), { frame } = JSON.parse(new TextDecoder().decode(record));
    const stem = `${name}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}-frame${frame}`;
    save(`${stem}.jpg`, new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    save(`${stem}.json`, new Blob([record], { type: "application/json" }));
    this.toast(`Snapshot of ${name} saved, picture and keypoints`);
  }

  async record(index) {
    const tile = this.tiles[index];
    if (!tile || tile.parts.record.hidden) return;
    const on = !tile.status.recording;
    const answer = await fetch(`api/${encodeURIComponent(tile.camera.name)}/record?on=${Number(on)}`, { method: "POST" }).catch(() => null);
    if (!answer?.ok) this.toast("The recording could not be " + (on ? "started" : "ended"));
  }

  async share() {
    const answer = await fetch("qr.svg").catch(() => null), code = byId("code");
    code.replaceChildren();
    if (answer?.ok) {
      const picture = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", "QR code of this page's address");
      code.append(picture);
    }
    byId("phone-text").textContent = answer?.ok ? "Scan it with a phone in the same network. Whoever has the code can watch." : await answer?.text() ?? "The server does not answer.";
    byId("phone").showModal();
  }

  // The panel.

  event(event) {
    const tile = this.tile(event.camera);
    if (event.number <= (tile.told ?? 0)) return;  // told again after a reconnection
    tile.told = event.number;
    this.list(event);
    this.say(`${tile.camera.name}: ${event.text}`);
  }

  list({ kind, at, camera, text, file }) {
    const list = byId("event-list"), row = document.createElement("li"), when = new Date(1000 * at);
    row.className = kind;
    const part = (tag, name, content) => { const element = document.createElement(tag); element.className = name; element.textContent = content; row.append(element); return element; };
    part("time", "when", when.toLocaleTimeString([], { hour12: false })).dateTime = when.toISOString();
    const what = part("span", "what", text);
    if (file) {
      const path = `api/${encodeURIComponent(this.tiles[camera].camera.name)}/recordings/`;
      for (const [name, words] of [[file, "video"], [file.replace(/mp4$/, "jsonl"), "keypoints"]]) {
        const link = document.createElement("a");
        Object.assign(link, { href: path + encodeURIComponent(name), download: name, textContent: words });
        what.append(" ", link);
      }
    }
    part("span", "where", this.tiles[camera].camera.name);
    row.dataset.at = at;
    const older = [...list.children].find((other) => Number(other.dataset.at) <= at);  // those of before come camera by camera
    list.insertBefore(row, older ?? null);
    while (list.children.length > MOST_EVENTS) list.lastElementChild.remove();
  }

  choices() {
    const cameras = byId("plot-camera"), before = cameras.value;
    cameras.replaceChildren(...this.tiles.map((tile) => new Option(tile.camera.name, tile.index)));
    cameras.value = before && this.tiles[before] ? before : "0";
    this.choosePlot("plot-camera");
  }

  choosePlot(changed) {
    const names = this.tiles[byId("plot-camera").value]?.camera.keypoints ?? [], chooser = byId("plot-quantity");
    if (changed === "plot-camera" && names.join() !== this.plotted) {
      this.plotted = names.join();
      chooser.replaceChildren(...quantities(names).map(([title, entries]) => {
        const group = document.createElement("optgroup");
        group.label = title;
        group.append(...entries.map(([value, text]) => new Option(text, value)));
        return group;
      }));
      if ([...chooser.options].some(({ value }) => value === "angle:left_knee")) chooser.value = "angle:left_knee";
    }
    if (changed === "plot-camera") this.plot.points = [];
    this.plot.choose(chooser.value, byId("plot-person").value);
  }

  people(head) {
    const chooser = byId("plot-person"), ids = head.persons.map(({ id }) => id).filter((id) => id >= 0).sort((a, b) => a - b);
    if (chooser === document.activeElement || ids.join() === this.listed) return;
    this.listed = ids.join();
    const before = chooser.value, kept = before && !ids.includes(Number(before)) ? [Number(before)] : [];
    chooser.replaceChildren(new Option("the nearest", ""), ...[...ids, ...kept].map((id) => new Option(`#${id}`, id)));
    chooser.value = before;
  }

  numbers() {
    if (byId("numbers").hidden) return;
    const share = (tile, part) => { const sorted = [...tile.ages].sort((a, b) => a - b); return sorted.length ? `${Math.round(sorted[Math.floor(part * (sorted.length - 1))])} ms` : "–"; };
    const rows = [
      ["State", ({ state }) => state.state], ["Camera gives", ({ status }) => unit(status.given_fps, "fps")], ["Processed", ({ status }) => unit(status.processed_fps, "fps")],
      ["Shown here", ({ fps }) => `${fps.toFixed(1)} fps`], ["Age, median", (tile) => share(tile, 0.5)], ["Age, 95 %", (tile) => share(tile, 0.95)],
      ["Sent until drawn", ({ status }) => unit(status.delay_ms, "ms")], ["Inference", ({ status }) => unit(status.inference_ms, "ms")], ["Frames", ({ status }) => status.processed ?? 0],
      ["Dropped", ({ status }) => status.dropped ?? 0], ["Persons", ({ status }) => status.persons ?? 0], ["Picture", ({ picture, status }) => picture ? `${picture.displayWidth ?? picture.width} × ${picture.displayHeight ?? picture.height}${status.h264 ? ", H.264" : ""}` : "–"],
      ["Data", ({ rate }) => `${(rate / 125000).toFixed(1)} Mbit/s`], ["Device", ({ camera }) => (camera.device || "–").slice(0, 24)],
    ];
    const tiles = this.big === null ? this.tiles : [this.tiles[this.big]];
    fill(byId("number-head"), [["", ...tiles.map(({ camera }) => camera.name)]], "th");
    fill(byId("number-rows"), rows.map(([title, value]) => [title, ...tiles.map((tile) => String(value(tile)))]), "td");
  }

  refresh() { if (!document.hidden) this.tiles.forEach((tile) => tile.refresh()); }

  // For screen readers: not more than one sentence at a time, so that none is cut off.
  say(text) { this.spoken.push(text); }

  announce() {
    if (!this.spoken.length) return;
    byId("announce").textContent = this.spoken.slice(-4).join("; ");
    this.spoken = [];
  }

  toast(text) {
    this.say(text);
    const note = document.createElement("p");
    note.textContent = text;
    byId("toasts").append(note);
    setTimeout(() => note.remove(), 3500);
  }
}

const unit = (value, name) => (value === undefined || value === null ? "–" : `${value} ${name}`);

function remembered() {
  try { return JSON.parse(localStorage.getItem(LAYERS)) ?? {}; } catch { return {}; }
}

function save(name, content) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(content);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
}

function fill(body, rows, tag) {
  rows.forEach((texts, at) => {
    const row = body.rows[at] ?? body.insertRow();
    texts.forEach((text, column) => {
      let cell = row.cells[column];
      if (!cell) row.append(cell = document.createElement(tag));
      if (cell.textContent !== text) cell.textContent = text;
    });
    while (row.cells.length > texts.length) row.lastElementChild.remove();
  });
}

function tabs() {
  const all = [...document.querySelectorAll("[role=tab]")];
  const choose = (chosen) => all.forEach((tab) => {
    tab.setAttribute("aria-selected", tab === chosen);
    tab.tabIndex = tab === chosen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  });
  all.forEach((tab, at) => {
    tab.onclick = () => choose(tab);
    tab.onkeydown = ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = all[(at + step + all.length) % all.length];
      choose(next);
      next.focus();
    };
  });
}

new Page();
