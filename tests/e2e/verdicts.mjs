// verdicts.mjs: the browser's verifier and the native one must say the same, word for word, about proofs good and altered.
//   node verdicts.mjs SILLOK SILLOK_VERIFY VERIFIER_WASM [MUTATIONS]        (TAP)
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Refused, Verifier, fromHex } from "../../tools/explorer/verifier.js";

const [sillok, native, wasm] = process.argv.slice(2, 5).map((p) => resolve(p));
const mutations = Number(process.argv[5] ?? 1000);
const dir = mkdtempSync(join(tmpdir(), "sillok-verdicts-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
process.chdir(dir);

let count = 0, failed = 0;
function check(what, ok, ...why) {
  count++;
  failed += !ok;
  console.log(`${ok ? "ok" : "not ok"} ${count} - ${what}`);
  if (!ok) for (const line of why) console.log(`# ${JSON.stringify(line)}`);
}

// ---- a small country, and proofs of some of its credentials ----

const run = (...args) => execFileSync(sillok, args, { stdio: ["ignore", "pipe", "inherit"] }).toString();
const keys = ["--log-key", "keys/interior-ministry.log.pem", "--cosign-key", "keys/interior-ministry.cosign.pem"];
run("simulate", "--seed", "7", "--events", "1500", "--keys", "keys", "--charter", "charter.ini", "-o", "events.ndjson");
run("init", "ledger", "--charter", "charter.ini", ...keys);
run("submit", "ledger", "events.ndjson", "--keys", "keys", "--clock", "events", ...keys);
run("head", "ledger", "--sign", ...keys);
run("policy", "ledger", "-o", "policy");

const lives = new Map();
for (const line of readFileSync("events.ndjson", "utf8").trim().split("\n")) {
  const { credential, kind } = JSON.parse(line);
  lives.set(credential, [...(lives.get(credential) ?? []), kind]);
}
const longest = [...lives].sort((a, b) => b[1].length - a[1].length)[0][0];
const locked = [...lives].find(([, kinds]) => kinds.at(-1) === "LOCK")[0];
const revoked = [...lives].find(([, kinds]) => kinds.at(-1) === "REVOKE")[0];
const absent = "5a".repeat(32);
const proofs = [];
for (const [name, handle] of Object.entries({ longest, locked, revoked, absent }))
  for (const options of [[], ["--no-history"], ["--format", "binary"], ["--format", "binary", "--no-history"]]) {
    run("prove", "ledger", "--handle", handle, ...options, "-o", "proof");
    proofs.push({ name: [name, ...options].join(" "), handle, bytes: new Uint8Array(readFileSync("proof")) });
  }

// ---- both verifiers ----

const now = Math.floor(Date.now() / 1000) + 3600;
const verifier = await Verifier.load(readFileSync(wasm));
verifier.policy(readFileSync("policy", "utf8"));

async function ours(bytes, handle) {
  try {
    const a = await verifier.verify(bytes, fromHex(handle), { now });
    return { state: a.state, present: a.present, history: a.hasHistory, events: a.present ? a.events : undefined, size: a.treeSize,
      quorum: a.quorumTime, age: a.age, cosignatures: a.cosignatures, device: a.device };
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    return { refused: e.code, words: e.message };
  }
}

/** Of many proofs of one credential: one process. */
function theirs(list, handle) {
  mkdirSync("list", { recursive: true });
  const files = list.map((bytes, i) => {
    writeFileSync(`list/${i}`, bytes);
    return `list/${i}`;
  });
  const out = spawnSync(native, ["--policy", "policy", "--handle", handle, "--now", String(now), "--json", ...files],
    { maxBuffer: 1 << 28 }).stdout.toString();
  return out.trim().split("\n").map((line) => {
    const a = JSON.parse(line);
    if (!a.verified) return { refused: a.error, words: a.detail ? `${a.message}; ${a.detail}` : a.message };
    return { state: a.state, present: a.present, history: a.present ? a.has_history : false, events: a.events_n, size: a.tree_size,
      quorum: a.quorum_time, age: a.age, cosignatures: a.cosignatures_n, device: a.device };
  });
}

const same = (a, b) => JSON.stringify(a, Object.keys(a).sort()) === JSON.stringify(b, Object.keys(b).sort());

async function compare(what, list, handle, expect) {
  const native = theirs(list, handle);
  const different = [];
  for (let i = 0; i < list.length; i++) {
    const mine = await ours(list[i], handle);
    // The command line adds a hint of its own to a text whose line ends were changed.
    if (native[i].words?.includes("carriage returns")) native[i].words = mine.words;
    if (!same(mine, native[i]) || !expect(mine)) different.push([mine, native[i]]);
  }
  check(what, different.length === 0, ...different.slice(0, 3));
}

for (const useNative of [true, false]) {
  verifier.useNative = useNative;
  for (const { name, handle, bytes } of proofs)
    await compare(`${name}${useNative ? "" : ", with the module's own Ed25519"}`, [bytes], handle, (a) => a.refused === undefined);
}
verifier.useNative = true;
await ours(proofs[0].bytes, longest);
console.log(`# ${verifier.checkedByBrowser} signatures were checked by WebCrypto`);

// ---- altered proofs ----

let seed = 20260501;
const random = (n) => {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % n;
};
function mutate(bytes) {
  const at = random(bytes.length), n = 1 + random(8), out = Array.from(bytes);
  switch (random(6)) {
    case 0: out[at] ^= 1 << random(8); break;
    case 1: out[at] = random(256); break;
    case 2: out.splice(at, n); break;
    case 3: out.splice(at, 0, ...out.slice(at, at + n)); break;
    case 4: out.length = at; break;
    case 5: [out[at], out[(at + n) % out.length]] = [out[(at + n) % out.length], out[at]]; break;
  }
  return Uint8Array.from(out);
}
const per = Math.ceil(mutations / proofs.length);
for (const { name, handle, bytes } of proofs) {
  const list = Array.from({ length: per }, () => mutate(bytes));
  verifier.useNative = random(2) === 0;
  await compare(`${per} alterations of ${name}`, list, handle,
    (a) => a.refused !== undefined || a.size > 0); // what is accepted (a swap of equals) both accept
}

// ---- policies, codes, checkpoints ----

for (const [what, text] of [["an empty policy", ""], ["a policy of nonsense", "log nonsense\n"], ["one with an unknown group",
  readFileSync("policy", "utf8").replace(/quorum .*/, "quorum nobody")]]) {
  writeFileSync("bad", text);
  const words = spawnSync(native, ["--policy", "bad", "--handle", absent, "--now", String(now), "list/0"]).stderr.toString();
  let mine = "accepted";
  try {
    (await Verifier.load(readFileSync(wasm))).policy(text);
  } catch (e) {
    mine = e.message;
  }
  check(`${what} is refused in the same words`, mine.split("; ").every((part) => words.includes(part)), mine, words);
}
run("prove", "ledger", "--handle", locked, "--format", "binary", "--no-history", "-o", "proof");
const note = run("head", "ledger", "--checkpoint");
const head = await verifier.checkpoint(note, { now });
check("a checkpoint under the policy", head.size > 1500 && head.cosignatures === 1 && /^[0-9a-f]{64}$/.test(head.root), head);
const refusal = await verifier.checkpoint(note.replace(/\n\d+\n/, (n) => `\n${Number(n) + 1}\n`), { now }).catch((e) => e.code);
check("and one that was altered", refusal === "E_SIGNATURE", refusal);
check("one tree is consistent with itself", verifier.isConsistent(head, head, []));
check("and not with another of its size", !verifier.isConsistent(head, { ...head, root: "00".repeat(32) }, []));

console.log(`1..${count}`);
process.exitCode = failed > 0 ? 1 : 0;
