// live.js: news of one node as they come, and what is measured of them. A node's word, all of it: the page shows it as that.

const KEPT = 60; // samples of events per second, blocks whose latency is known
const RETRY_MS = 1000;

/**
 * Follows /v1/stream. After a break it connects again by itself, and measures nothing across the gap: the first message of a
 * connection says where the chain is, and is no news.
 */
export class Stream {
  connected = false;
  rates = []; // events per second; null: the connection was down
  latencies = []; // ms from a block's own time to its being final at this node, by the node's clock
  cosignings = []; // ms from there until a quorum's cosignatures were here
  #source;
  #timer;
  #retry;
  #first = true;
  #events = null;
  #counted = null;
  #committed = null; // the last block's height, and when its news came

  constructor(url, { changed }) {
    Object.assign(this, { url, changed });
    this.#open();
    this.#timer = setInterval(() => this.#sample(), 1000);
  }

  close() {
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    this.#first = true;
    const source = this.#source = new EventSource(new URL("/v1/stream", this.url));
    source.addEventListener("block", ({ data }) => this.#block(JSON.parse(data)));
    source.addEventListener("checkpoint", ({ data }) => this.#checkpoint(JSON.parse(data)));
    for (const name of ["charter", "alarm"]) source.addEventListener(name, () => this.changed(name));
    source.addEventListener("error", () => {
      [this.connected, this.#first, this.#counted, this.#committed] = [false, true, null, null];
      this.changed("lost");
      source.close(); // browsers wait longer, and give up on whoever refuses once: too many streams may be open for a while
      if (this.#source === source) this.#retry = setTimeout(() => this.#open(), RETRY_MS);
    });
  }

  #block({ height, time_ms: time, now_ms: now, events }) {
    this.#events = events;
    if (this.#first) {
      [this.#first, this.connected, this.#counted] = [false, true, events];
      this.changed("found");
      return;
    }
    keep(this.latencies, Math.max(0, now - time));
    this.#committed = { height, at: performance.now() };
    this.changed("block");
  }

  #checkpoint({ height }) {
    if (this.#committed?.height === height) {
      keep(this.cosignings, performance.now() - this.#committed.at);
      this.#committed = null;
    }
    this.changed("checkpoint");
  }

  #sample() {
    keep(this.rates, this.connected ? Math.max(0, this.#events - this.#counted) : null);
    this.#counted = this.connected ? this.#events : null;
    this.changed("sample");
  }
}

function keep(list, value) {
  list.push(value);
  if (list.length > KEPT) list.shift();
}

/** Half of them are below; undefined of none. */
export const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
