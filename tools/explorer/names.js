// names.js: what the charter calls agencies, issuers, credential types and reasons. A verified seal names the charter that governs its block
// by its hash: what has that hash is that charter, whoever gave it. Without it every number stands for itself, and nothing is said of it.

import { getJson } from "./nodes.js";
import { h, kept, number, say, word } from "./page.js";
import { fromBase64 } from "./verifier.js";

const NAME_MAX = 64, ORIGIN_MAX = 128; // letters; a charter allows as many bytes
const WHOLE_MAX = 16;
const MARKS_MAX = 3; // accents on one letter: more of them would be drawn over other lines

/** A name that others chose, as it may stand on the page: letters, digits and the signs that a charter allows. What is not seen, turns the
 *  direction of the text or is heaped on a letter is shown as its number, \u{202e}. */
export function plain(name, most = NAME_MAX) {
  const letters = Array.from(String(name));
  let marks = MARKS_MAX; // none to begin with: it would be drawn on what stands before the name
  const fit = letters.slice(0, most).map((c) => {
    marks = /\p{M}/u.test(c) ? marks + 1 : 0;
    return /[\p{L}\p{M}\p{Nd}._/:@()-]/u.test(c) && !/\p{Default_Ignorable_Code_Point}/u.test(c) && marks <= MARKS_MAX ? c : `\\u{${c.codePointAt(0).toString(16)}}`;
  }).join("");
  return letters.length > most ? `${fit}…` : fit;
}
export const originOf = (origin) => plain(origin, ORIGIN_MAX);
/** Its own direction of writing is nobody else's. A short name stays whole, a long one may be broken anywhere; a number stays with its name. */
export function nameOf(name, ...behind) {
  const text = plain(name);
  return h("span", { class: text.length <= WHOLE_MAX && "whole" }, h("bdi", {}, text), behind.length > 0 && "\u00a0", behind);
}

// ---- charters by their hash ----

const byHash = new Map();
const atNode = new Map(); // address and version: { height, charter }

function learn(judge, entry) {
  const charter = judge.charter(fromBase64(entry));
  for (const one of charter.issuers) one.keyId = judge.keyId(one.key);
  byHash.set(charter.hash, { ...charter, entry: entry.replace(/\s/g, "") }); // base64 may be blown up with spaces, and this is kept
  return charter;
}

async function readVersion(url, judge, version) {
  const place = `${url} ${version}`;
  if (!atNode.has(place)) {
    const { height, entry } = await getJson(url, `/v1/charters/${version}`);
    atNode.set(place, { height, charter: learn(judge, entry) });
  }
  return atNode.get(place);
}

/** Looks for the charter with this hash, that governs block `height`, among a node's: mostly the newest. Heights are the node's word and only
 *  lead the way. */
async function findCharter(url, judge, hash, height) {
  const { version } = await getJson(url, "/v1/charter");
  if (!Number.isSafeInteger(version)) return; // there would be no end of looking
  await readVersion(url, judge, version);
  let [low, high] = [1, version]; // the newest of those that stood in the chain before this block: it, or the one before, which it was to follow
  while (!byHash.has(hash) && low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((await readVersion(url, judge, middle)).height < height) low = middle;
    else high = middle - 1;
  }
  for (let v = low; !byHash.has(hash) && v > 0 && v >= low - 1; v--) await readVersion(url, judge, v);
}

/** The charter that this browser kept: what it is its hash says. */
export function recallCharter(judge) {
  const entry = kept.get("charter");
  try {
    if (entry !== null) learn(judge, entry);
  } catch {
    kept.set("charter", null); // spoilt
  }
}

// ---- names ----

/** The names that go with one verified seal, which names the charter with this hash; no hash: nothing was verified, and all are numbers. */
export class Names {
  #charter;
  #drawn = [];
  #asking = false;

  constructor(hash) {
    this.hash = hash;
    this.#charter = byHash.get(hash);
  }

  /** Those of a charter that the page has proven otherwise. */
  static of(charter) {
    const names = new Names();
    names.#charter = charter;
    return names;
  }

  /** Asks a node for the charter; what is shown already gets its names when it comes. `keep`: for when no node can be asked. */
  async load(url, judge, height, keep) {
    this.#asking = this.#charter === undefined && this.hash !== undefined;
    this.#draw();
    try {
      if (this.#asking) await findCharter(url, judge, this.hash, height);
    } catch {
      // numbers do without
    }
    this.#asking = false;
    this.#charter ??= byHash.get(this.hash);
    if (keep && this.#charter) kept.set("charter", this.#charter.entry);
    this.#draw();
  }

  #draw() {
    for (const draw of this.#drawn) draw();
  }

  /** What is drawn again when the charter comes; nobody is told of that: the number was there. */
  #place(content) {
    const place = h("span", { "aria-live": "off" }), draw = () => place.replaceChildren(...content());
    draw();
    this.#drawn.push(draw);
    return place;
  }

  #named(list, key, number) {
    return this.#place(() => {
      const one = this.#charter?.[list].find((each) => each[key] === number);
      return [one ? nameOf(one.name, `(${number})`) : number];
    });
  }

  agency(number) { return this.#named("members", "agency", number); }
  type(code) { return this.#named("types", "code", code); }
  reason(code) { return this.#named("reasons", "code", code); }

  /** A seal names who proposed its block by the place among the members that vote, from 0. That is no agency's number. */
  proposer(place) {
    return this.#place(() => {
      const one = this.#charter?.members.filter((each) => each.role === "voting")[place];
      return [one ? nameOf(one.name, `(${one.agency})`) : say("votingMember", { n: number(place + 1) })];
    });
  }

  /** An issuer by the first bytes of its key's hash. */
  issuer(keyId) {
    return this.#place(() => {
      const one = this.#charter?.issuers.find((each) => each.keyId === keyId), id = h("code", {}, keyId);
      return [one ? nameOf(one.name, "(", id, ")") : id];
    });
  }

  /** Where the names are from. */
  source() {
    return this.#place(() => [this.#charter ? h("a", { href: "#/charter", title: this.hash }, say("namesOf", { n: this.#charter.version })) : h("span", { class: "soft" }, word(this.#asking ? "waiting" : "namesNone"))]);
  }
}
