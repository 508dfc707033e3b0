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

  /** Asks a question twice: for the signatures it rests on, then for its answer with what the browser found. */
  async #judge(ask) {
    this.checkedByBrowser = 0;
    native ??= hasNative();
    if (this.useNative && (await native)) {
      ask(COLLECT);
      const memory = this.#wasm.memory;
      const asked = Array.from({ length: this.#wasm.signatures() }, (_, i) => {
        const at = this.#wasm.signature(i);
        const [message, size] = new Uint32Array(memory.buffer, at + 96, 2);
        return [at, 32, at + 32, 64, message, size];
      }).map(([k, kn, s, sn, m, mn]) => [[k, kn], [s, sn], [m, mn]].map(([at, n]) => new Uint8Array(memory.buffer.slice(at, at + n))));
      const found = await Promise.all(asked.map(([key, signature, message]) => checkNative(key, signature, message).catch(() => undefined)));
      found.forEach((good, i) => {
        if (good === undefined) return; // not answered: the module computes it
        this.#wasm.checked(i, good ? 1 : 0);
        this.checkedByBrowser++;
      });
    }
    return this.#answer(ask(0));
  }

  /** Whose signatures count: a C2SP tlog-policy. Once: another policy is another Verifier. */
  policy(text, { allowNoQuorum = false } = {}) {
    this.#wasm.begin();
    const bytes = new TextEncoder().encode(text);
    this.#answer(this.#wasm.policy(this.#put(bytes), bytes.length));
    this.#allow = allowNoQuorum ? ALLOW_NO_QUORUM : 0;
  }

  /** What a status proof proves about a credential. One question at a time: await it before the next. */
  async verify(proof, handle, { now = Math.floor(Date.now() / 1000), maxAge = 0 } = {}) {
    if (handle.length !== 32) throw new TypeError("a handle has 32 bytes");
    this.#wasm.begin();
    const at = this.#put(proof), who = this.#put(handle);
    return this.#judge((flags) => this.#wasm.verify(at, proof.length, who, BigInt(now), BigInt(maxAge), this.#allow | flags));
  }

  /** { handle, proof } of what a scanner read from a QR code. */
  qr(text) {
    this.#wasm.begin();
    const bytes = new TextEncoder().encode(text.replace(/\r?\n$/, ""));
    const { handle, at, size } = this.#answer(this.#wasm.qr(this.#put(bytes), bytes.length));
    return { handle: fromHex(handle), proof: new Uint8Array(this.#wasm.memory.buffer.slice(at, at + size)) };
  }

  /** A signed checkpoint under the policy: { origin, size, root, quorumTime, cosignatures }. */
  async checkpoint(note, { now = Math.floor(Date.now() / 1000) } = {}) {
    this.#wasm.begin();
    const bytes = new TextEncoder().encode(note), at = this.#put(bytes);
    return this.#judge((flags) => this.#wasm.checkpoint(at, bytes.length, BigInt(now), this.#allow | flags));
  }

  /** Whether the older tree is the newer one's beginning. Heads are { size, root: hex }, the path hashes as hex. */
  isConsistent(older, newer, path) {
    this.#wasm.begin();
    return this.#wasm.consistent(BigInt(older.size), this.#put(fromHex(older.root)), BigInt(newer.size),
      this.#put(fromHex(newer.root)), this.#put(fromHex(path.join(""))), path.length) === 1;
  }

  /** Whether an entry stands at `index` of the tree. */
  isIncluded(index, entry, head, path) {
    this.#wasm.begin();
    const leaf = this.#put(fromHex(this.leafHash(entry, false)));
    return this.#wasm.included(BigInt(index), leaf, BigInt(head.size), this.#put(fromHex(head.root)),
      this.#put(fromHex(path.join(""))), path.length) === 1;
  }

  /** RFC 6962 leaf hash of an entry, as hex. */
  leafHash(entry, fresh = true) {
    if (fresh) this.#wasm.begin();
    const at = this.#put(entry), out = this.#wasm.take(32);
    this.#wasm.leafHash(at, entry.length, out);
    return toHex(new Uint8Array(this.#wasm.memory.buffer, out, 32));
  }

  /** SHA-256 as hex: a credential's place in the map is that of its handle. */
  sha256(bytes) {
    this.#wasm.begin();
    const at = this.#put(bytes), out = this.#wasm.take(32);
    this.#wasm.sha256(at, bytes.length, out);
    return toHex(new Uint8Array(this.#wasm.memory.buffer, out, 32));
  }
}
