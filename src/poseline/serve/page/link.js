// Link: the WebSocket to the server, opened again when it breaks, and the difference between the two clocks.

const FIRST_PAUSE = 1000, LONGEST_PAUSE = 10000, PING_EVERY = 2000;

export class Link {
  // `heard` gets each message in words, `pictured` the head, the JPEG and its size; `changed` is told of the link's state.
  constructor(heard, pictured, changed) {
    Object.assign(this, { heard, pictured, changed, offset: null, best: Infinity, pause: FIRST_PAUSE, wanted: "{}", decodes: false });
    this.open();
    setInterval(() => this.ping(), PING_EVERY);
  }

  open() {
    clearTimeout(this.timer);
    this.changed("starting", "connecting");
    const socket = this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.pause = FIRST_PAUSE;
      this.best = Infinity;
      this.changed("live", "connected");
      if (this.decodes) this.send({ h264: true });
      socket.send(`{"watch":${this.wanted}}`);
      this.ping();
    };
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.take(JSON.parse(data)) : this.split(data));
    socket.onclose = () => this.socket === socket && this.retry();
  }

  retry() {
    const due = performance.now() + this.pause;
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
    const count = () => {
      const left = due - performance.now();
      if (left <= 0) return this.open();
      this.changed("lost", `no connection: trying again in ${Math.ceil(left / 1000)} s`);
      this.timer = setTimeout(count, Math.min(left, 1000));
    };
    count();
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // Says whether H.264 may come in place of JPEG; not unless it is said.
  decodesH264(can) {
    if (can !== this.decodes) this.send({ h264: can });
    this.decodes = can;
  }

  // Asks for pictures: {camera: width in pixels}; none of a camera that is left out.
  watch(wanted) {
    const text = JSON.stringify(wanted);
    if (text === this.wanted) return;
    this.wanted = text;
    this.send({ watch: wanted });
  }

  ping() { this.send({ ping: performance.now() }); }

  take(message) {
    if (message.type !== "pong") return this.heard(message);
    const now = performance.now(), round = now - message.ping;
    if (round <= this.best) {  // the shortest way tells the clocks' difference best; clocks drift, so it is forgotten slowly
      this.offset = message.now - (message.ping + round / 2);
      this.best = round;
    }
    this.best += 0.2;
  }

  split(data) {
    const length = new DataView(data).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.pictured(head, new Uint8Array(data, 4 + length), data.byteLength);
  }

  // Milliseconds since the server got the frame; null until the clocks have been compared.
  age(head) { return this.offset === null ? null : Math.max(0, performance.now() + this.offset - head.arrival); }
}
