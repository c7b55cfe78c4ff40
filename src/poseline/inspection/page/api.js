// Api: requests to the server, and the socket by which it tells of changes.

const FIRST_PAUSE = 500, LONGEST_PAUSE = 8000;

// An answer that says no, in the server's words.
export class Refused extends Error {
  constructor(words, status) {
    super(words);
    this.final = status < 500 && status !== 401;  // not a full disk, or a server that was started anew
  }
}

async function answered(path, options) {
  const answer = await fetch(path, options);  // a TypeError where there is no connection
  if (!answer.ok) throw new Refused((await answer.text()).trim() || `The server answers ${answer.status}.`, answer.status);
  return answer;
}

export const getJson = async (path) => (await answered(path)).json();
export const getBytes = async (path) => (await answered(path)).arrayBuffer();
export const getBlob = async (path, signal) => (await answered(path, { signal })).blob();
export const post = async (path, record) => (await answered(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(record) })).json();

export class Link {
  // `heard` gets each message; `changed` is told whether there is a connection, and when it is tried again.
  constructor(heard, changed) {
    Object.assign(this, { heard, changed, pause: FIRST_PAUSE });
    this.open();
  }

  open() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    socket.onopen = () => { this.pause = FIRST_PAUSE; this.changed(true); };
    socket.onmessage = ({ data }) => this.heard(JSON.parse(data));
    socket.onclose = () => {
      this.changed(false);
      setTimeout(() => this.open(), this.pause);
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
    };
  }
}
