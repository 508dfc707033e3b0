// verifier.js: the native verifier (ledger/verify) in a page. Everything a page says about a proof comes from here.
//
//   const verifier = await Verifier.load(bytesOfVerifierWasm);
//   verifier.policy(text);                      // throws Refused: line, message
//   const answer = await verifier.verify(proof, handle, { now, maxAge });   // throws Refused
//
// Bytes are Uint8Array, times Unix seconds. Ed25519 is the browser's where it has it, else the module's own.

const ALLOW_NO_QUORUM = 1, COLLECT = 2;

/** Why something proves nothing: `code` like E_QUORUM, a sentence, and one more about this case. */
export class Refused extends Error {
  constructor({ error, message, detail, line }) {
    super(detail ? `${message}; ${detail}` : message);
    this.code = error;
    this.line = line;
  }
}

export function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new TypeError("not hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (two) => parseInt(two, 16));
}

export function toHex(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** Whether the browser checks Ed25519; asked once, with a signature that is good and one that is not. */
let native;
async function hasNative() {
  // RFC 8032 §7.1, test 1: the empty message.
  const key = fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const good = fromHex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
  const bad = good.map((b, i) => (i === 40 ? b ^ 1 : b));
  try {
    const empty = new Uint8Array(0);
    return (await checkNative(key, good, empty)) && !(await checkNative(key, bad, empty));
  } catch {
    return false; // no secure context, or a browser without Ed25519
  }
}

async function checkNative(key, signature, message) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
}

export class Verifier {
  #wasm;
  #allow = 0;
  /** false: always the module's own Ed25519. */
  useNative = true;
  /** How many signatures the browser checked for the last answer; the others the module checked. */
  checkedByBrowser = 0;

  /** From the bytes of verifier.wasm. */
  static async load(bytes) {
    const verifier = new Verifier();
    verifier.#wasm = (await WebAssembly.instantiate(bytes, {})).instance.exports;
    return verifier;
  }

  /** Places bytes in the module's memory; the address. */
  #put(bytes) {
    const at = this.#wasm.take(bytes.length);
    if (at === 0) throw new Refused({ error: "E_NOMEM", message: "out of memory" });
    new Uint8Array(this.#wasm.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  #read(at) {
    if (at === 0) throw new Refused({ error: "E_NOMEM", message: "out of memory" });
    const bytes = new Uint8Array(this.#wasm.memory.buffer, at, this.#wasm.answerSize());
    return JSON.parse(new TextDecoder().decode(bytes));
  }

  #answer(at) {
    const value = this.#read(at);
    if (!value.ok) throw new Refused(value);
    return value;
  }

  /**
   * Asks a question twice: for the signatures it rests on, then for its answer with what the browser found. `ask` lays out the
   * question anew each time: while the browser checks, others may be asked.
   */
  async #judge(ask) {
    native ??= hasNative();
    const found = [];
    if (this.useNative && (await native)) {
      this.#wasm.begin();
      ask(COLLECT);
      const memory = this.#wasm.memory.buffer, bytes = (at, n) => new Uint8Array(memory.slice(at, at + n));
      for (let i = 0; i < this.#wasm.signatures(); i++) {
        const at = this.#wasm.signature(i), [message, size] = new Uint32Array(memory, at + 96, 2);
        found.push({ key: bytes(at, 32), signature: bytes(at + 32, 64), message: bytes(message, size) });
      }
      // What the browser does not answer, the module computes.
      await Promise.all(found.map(async (f) => { f.good = await checkNative(f.key, f.signature, f.message).catch(() => undefined); }));
    }
    const answered = found.filter((f) => f.good !== undefined);
    this.#wasm.begin();
    for (const { key, signature, message, good } of answered)
      this.#wasm.known(this.#put(key), this.#put(signature), this.#put(message), message.length, good ? 1 : 0);
    this.checkedByBrowser = answered.length;
    return this.#answer(ask(0));
  }

  /** Whose signatures count: a C2SP tlog-policy. Once: another policy is another Verifier. */
  policy(text, { allowNoQuorum = false } = {}) {
    this.#wasm.begin();
    const bytes = new TextEncoder().encode(text);
    this.#answer(this.#wasm.policy(this.#put(bytes), bytes.length));
    this.#allow = allowNoQuorum ? ALLOW_NO_QUORUM : 0;
  }

  /** What a status proof proves about a credential. */
  async verify(proof, handle, { now = Math.floor(Date.now() / 1000), maxAge = 0 } = {}) {
    if (handle.length !== 32) throw new TypeError("a handle has 32 bytes");
    return this.#judge((flags) => this.#wasm.verify(this.#put(proof), proof.length, this.#put(handle), BigInt(now), BigInt(maxAge), this.#allow | flags));
  }

  /** { handle, proof } of what a scanner read from a QR code. */
  qr(text) {
    this.#wasm.begin();
    const bytes = new TextEncoder().encode(text.replace(/\r?\n$/, ""));
    const { handle, at, size } = this.#answer(this.#wasm.qr(this.#put(bytes), bytes.length));
    return { handle: fromHex(handle), proof: new Uint8Array(this.#wasm.memory.buffer.slice(at, at + size)) };
  }

  /** The text of a QR code in a picture: one byte a pixel, 0 black. Throws Refused when there is none, or it is too damaged. */
  qrPicture(grey, width, height) {
    this.#wasm.begin();
    const { at, size } = this.#answer(this.#wasm.qrPicture(this.#put(grey), width, height));
    return new TextDecoder("latin1").decode(new Uint8Array(this.#wasm.memory.buffer, at, size).slice());
  }

  /**
   * The charter in an entry of the log, its leaf hash, and (given the entries of the charter before it and of the chain's first) which
   * voting agencies' approvals are good, and whether they are a quorum. Whether the entry is in the log is another question.
   */
  charter(entry, before = new Uint8Array(0), first = before) {
    this.#wasm.begin();
    return this.#answer(this.#wasm.charter(this.#put(entry), entry.length, this.#put(before), before.length, this.#put(first), first.length));
  }

  /** A signed checkpoint under the policy: { origin, size, root, quorumTime, cosignatures, signers: [{ name, time }] }. */
  async checkpoint(note, { now = Math.floor(Date.now() / 1000) } = {}) {
    const bytes = new TextEncoder().encode(note);
    return this.#judge((flags) => this.#wasm.checkpoint(this.#put(bytes), bytes.length, BigInt(now), this.#allow | flags));
  }

  /**
   * Every credential under a prefix (hex digits) of SHA-256(handle), none left out, from GET /v1/map/<prefix> as JSON:
   * { records, height, time, charter, size, root, quorumTime, cosignatures }.
   */
  async crowd(answer, prefix, { now = Math.floor(Date.now() / 1000) } = {}) {
    if (!answer.anchor) throw new Refused({ error: "E_UNSIGNED", message: "no quorum has cosigned this block yet: ask again" });
    const note = new TextEncoder().encode(answer.anchor.checkpoint), seal = fromBase64(answer.anchor.seal), proof = fromBase64(answer.proof);
    const padded = fromHex((prefix + "0".repeat(64)).slice(0, 64)), path = fromHex(answer.anchor.seal_path.join(""));
    return this.#judge((flags) => {
      const fields = [this.#put(note), note.length, this.#put(seal), seal.length, this.#put(path), answer.anchor.seal_path.length,
        this.#put(padded), 4 * prefix.length, this.#put(proof), proof.length];
      return this.#wasm.crowd(this.#put(new Uint8Array(new Uint32Array(fields).buffer)), BigInt(now), this.#allow | flags);
    });
  }

  /** What a block's entries say, with the leaf hash of each. Reads; judges nothing. */
  entries(bundle) {
    this.#wasm.begin();
    return this.#answer(this.#wasm.entries(this.#put(bundle), bundle.length)).entries;
  }

  /** Whether the older tree is the newer one's beginning. Heads are { size, root: hex }, the path hashes as hex. */
  isConsistent(older, newer, path) {
    this.#wasm.begin();
    return this.#wasm.consistent(BigInt(older.size), this.#put(fromHex(older.root)), BigInt(newer.size),
      this.#put(fromHex(newer.root)), this.#put(fromHex(path.join(""))), path.length) === 1;
  }

  /** Whether a leaf hash stands at `index` of the tree. */
  isLeafIncluded(index, leaf, head, path) {
    this.#wasm.begin();
    return this.#wasm.included(BigInt(index), this.#put(fromHex(leaf)), BigInt(head.size), this.#put(fromHex(head.root)),
      this.#put(fromHex(path.join(""))), path.length) === 1;
  }

  /** RFC 6962 hash of a node over two, all as hex. */
  nodeHash(left, right) {
    this.#wasm.begin();
    const a = this.#put(fromHex(left)), b = this.#put(fromHex(right)), out = this.#wasm.take(32);
    this.#wasm.nodeHash(a, b, out);
    return toHex(new Uint8Array(this.#wasm.memory.buffer, out, 32));
  }

  /** What signatures of an issuer are marked with: the first bytes of its key's hash. */
  keyId(key) {
    return this.sha256(fromHex(key)).slice(0, 16);
  }

  /** SHA-256 as hex: a credential's place in the map is that of its handle. */
  sha256(bytes) {
    this.#wasm.begin();
    const at = this.#put(bytes), out = this.#wasm.take(32);
    this.#wasm.sha256(at, bytes.length, out);
    return toHex(new Uint8Array(this.#wasm.memory.buffer, out, 32));
  }
}
