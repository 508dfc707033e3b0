// nodes.js: asking nodes, and the log's tiles. Nothing that comes from here is believed before verifier.js has judged it.

/** What a node answers with a status of its own: `problem` is its document (RFC 9457). */
export class NodeError extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `HTTP ${status}`);
    this.status = status;
    this.code = problem?.code;
  }
}

async function ask(url, path, options) {
  const response = await fetch(new URL(path, url), { signal: AbortSignal.timeout(15000), cache: "no-store", ...options });
  if (!response.ok) throw new NodeError(response.status, await response.json().catch(() => undefined));
  return response;
}

export const getJson = async (url, path) => (await ask(url, path, { headers: { Accept: "application/json" } })).json();
export const getText = async (url, path) => (await ask(url, path, {})).text();

/** A handle goes in the body, never in a URL. */
export async function getProof(url, handle, history) {
  const response = await ask(url, `/v1/proofs${history ? "?history" : ""}`, {
    method: "POST", headers: { "Content-Type": "text/plain", Accept: "application/octet-stream" }, body: handle, // text: no preflight
  });
  return new Uint8Array(await response.arrayBuffer());
}

// ---- tlog-tiles: an entry's path in a tree, from hash tiles ----

const WIDTH = 256;

/** Below 1000: 067; above: x001/067 (C2SP tlog-tiles). */
export function tilePath(level, index, width) {
  const parts = [];
  for (let n = index, first = true; first || n > 0; n = Math.floor(n / 1000), first = false)
    parts.unshift((first ? "" : "x") + String(n % 1000).padStart(3, "0"));
  return `/tile/${level}/${parts.join("/")}${width < WIDTH ? `.p/${width}` : ""}`;
}

export class Tiles {
  #tiles = new Map();
  constructor(url, size, verifier) {
    Object.assign(this, { url, size, verifier });
  }

  /** The hashes (hex) of a tile, as wide as the tree of this size has it. */
  async tile(level, index) {
    const below = Math.floor(this.size / WIDTH ** level), width = Math.min(WIDTH, below - index * WIDTH);
    const path = tilePath(level, index, width);
    if (!this.#tiles.has(path)) {
      const bytes = new Uint8Array(await (await ask(this.url, path, { cache: "default" })).arrayBuffer());
      if (bytes.length !== 32 * width) throw new NodeError(200, { detail: `${path}: ${bytes.length} bytes` });
      this.#tiles.set(path, Array.from({ length: width }, (_, i) => [...bytes.subarray(32 * i, 32 * i + 32)].map((b) => b.toString(16).padStart(2, "0")).join("")));
    }
    return this.#tiles.get(path);
  }

  #join(hashes) {
    let row = hashes;
    while (row.length > 1) row = Array.from({ length: row.length / 2 }, (_, i) => this.verifier.nodeHash(row[2 * i], row[2 * i + 1]));
    return row[0];
  }

  /** The root of leaves lo to hi - 1. */
  async #subtree(lo, hi) {
    const n = hi - lo, bits = Math.log2(n);
    if (!Number.isInteger(bits)) {
      const k = 2 ** Math.floor(bits);
      return this.verifier.nodeHash(await this.#subtree(lo, lo + k), await this.#subtree(lo + k, hi));
    }
    const level = Math.floor(bits / 8), at = lo / WIDTH ** level, many = 2 ** (bits % 8);
    const tile = await this.tile(level, Math.floor(at / WIDTH));
    return this.#join(tile.slice(at % WIDTH, at % WIDTH + many));
  }

  /** RFC 6962 §2.1.1: the inclusion path of a leaf. */
  async path(index) {
    const rest = [];
    for (let lo = 0, hi = this.size; hi - lo > 1;) {
      const k = 2 ** (Math.ceil(Math.log2(hi - lo)) - 1);
      if (index < lo + k) {
        rest.unshift([lo + k, hi]);
        hi = lo + k;
      } else {
        rest.unshift([lo, lo + k]);
        lo += k;
      }
    }
    return Promise.all(rest.map(([lo, hi]) => this.#subtree(lo, hi)));
  }
}

/** The entries of an entry bundle, the last of which is the last entry of this tree, as bytes. */
export async function lastBundle(url, size) {
  const index = Math.floor((size - 1) / WIDTH), path = tilePath("entries", index, size - index * WIDTH);
  return new Uint8Array(await (await ask(url, path, { cache: "default" })).arrayBuffer());
}
