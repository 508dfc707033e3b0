// charters.js: how the agencies' charter came to be what it is: every version, what it changed, and what of that is proven.

import { getJson } from "./nodes.js";
import { fromBase64 } from "./verifier.js";

const NONE = "0".repeat(64);

/** All charters of a chain, the first one first, as a node gives them: [{ version, height, index, entry, charter }]. */
export async function readCharters(url, judge, count) {
  const list = [];
  for (let version = 1; version <= count; version++) {
    const found = await getJson(url, `/v1/charters/${version}`), entry = fromBase64(found.entry);
    list.push({ ...found, entry, charter: judge.charter(entry, list.at(-1)?.entry, list[0]?.entry) });
  }
  return list;
}

/**
 * What of it hangs together: each charter names the one before by its hash and was approved by a quorum of its voting agencies, and
 * one of them is what the seal names that a quorum of the reader's policy cosigned. Up to that one nothing can have been left out
 * or put in. { inForce: its place in the list, or -1; broken: the first that does not follow, or -1 }
 */
export function followCharters(list, seal) {
  const broken = list.findIndex(({ charter: c, version }, i) => c.version !== version || version !== i + 1
    || c.previous !== (i === 0 ? NONE : list[i - 1].charter.hash) || (i > 0 && !c.approved));
  return { inForce: list.findIndex(({ charter }) => charter.hash === seal.nextCharter), broken };
}

const byKey = (list, key) => new Map(list.map((one) => [one[key], one]));

function compareLists(old, next, key, changes) {
  const before = byKey(old, key), after = byKey(next, key), found = [];
  for (const [k, one] of after) if (!before.has(k)) found.push({ change: "added", one });
  for (const [k, one] of before) if (!after.has(k)) found.push({ change: "removed", one });
  for (const [k, one] of after) {
    const what = before.has(k) ? changes.filter((name) => JSON.stringify(before.get(k)[name]) !== JSON.stringify(one[name])) : [];
    if (what.length > 0) found.push({ change: "changed", one, old: before.get(k), what });
  }
  return found;
}

/** An issuer whose key is replaced goes out and comes in under its name. */
function joinRotated(found) {
  const out = [];
  for (const f of found) {
    const twin = f.change === "removed" && out.find((o) => o.change === "added" && o.one.name === f.one.name && o.one.agency === f.one.agency);
    if (twin) Object.assign(twin, { change: "changed", old: f.one, what: ["key"] });
    else out.push(f);
  }
  return out;
}

/** What a charter changed: { members, issuers, types, reasons: [{ change, one, old, what }], settings: [{ name, old, now }] }. */
export function changesOf(old, next) {
  return {
    members: compareLists(old.members, next.members, "agency", ["name", "role", "vote", "cosign", "log", "node", "addresses"]),
    issuers: joinRotated(compareLists(old.issuers, next.issuers, "key", ["name", "agency", "kinds", "types", "any", "notBefore", "notAfter"])),
    types: compareLists(old.types, next.types, "code", ["name", "maxValidity"]),
    reasons: compareLists(old.reasons, next.reasons, "code", ["name"]),
    settings: Object.keys(next.settings).filter((name) => old.settings[name] !== next.settings[name])
      .map((name) => ({ name, old: old.settings[name], now: next.settings[name] })),
  };
}
