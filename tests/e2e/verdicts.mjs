// verdicts.mjs: the page's verifier and the native one must say the same, word for word, about proofs good and altered: here, and in a
// real browser, each time with the browser's Ed25519 and with the module's own.
//   node verdicts.mjs SILLOK SILLOK_VERIFY VERIFIER_WASM PAGE VECTORS [MUTATIONS]        (TAP)
//   node verdicts.mjs --vectors SILLOK SILLOK_VERIFY VERIFIER_WASM PAGE VECTORS          writes tests/vectors/proofs.json anew
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Refused, Verifier, fromHex } from "../../tools/explorer/verifier.js";

const writes = process.argv[2] === "--vectors";
const [sillok, native, wasm, page, vectors] = process.argv.slice(writes ? 3 : 2).slice(0, 5).map((p) => resolve(p));
const mutations = Number(process.argv[writes ? 8 : 7] ?? 1000);
const here = dirname(fileURLToPath(import.meta.url));
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

async function ours(bytes, handle, options = { now }, judge = verifier) {
  try {
    const a = await judge.verify(bytes, fromHex(handle), options);
    return { state: a.state, present: a.present, history: a.hasHistory, events: a.present ? a.events : undefined, size: a.treeSize,
      quorum: a.quorumTime, age: a.age, cosignatures: a.cosignatures, device: a.device };
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    return { refused: e.code, words: e.message };
  }
}

/** Of many proofs of one credential: one process. */
function theirs(list, handle, { policy = "policy", at = now, maxAge = 0 } = {}) {
  mkdirSync("list", { recursive: true });
  const files = list.map((bytes, i) => {
    writeFileSync(`list/${i}`, bytes);
    return `list/${i}`;
  });
  const { stdout, stderr } = spawnSync(native, ["--policy", policy, "--handle", handle, "--now", String(at), ...(maxAge ? ["--max-age", String(maxAge)] : []), "--json", ...files],
    { maxBuffer: 1 << 28 }), out = stdout.toString();
  if (out === "") throw new Error(stderr.toString());
  return out.trim().split("\n").map((line) => {
    const a = JSON.parse(line);
    if (!a.verified) return { refused: a.error, words: a.detail ? `${a.message}; ${a.detail}` : a.message };
    return { state: a.state, present: a.present, history: a.present ? a.has_history : false, events: a.events_n, size: a.tree_size,
      quorum: a.quorum_time, age: a.age, cosignatures: a.cosignatures_n, device: a.device };
  });
}

const asked = []; // for the browser
const same = (a, b) => JSON.stringify(a, Object.keys(a).sort()) === JSON.stringify(b, Object.keys(b).sort());

async function compare(what, list, handle, expect) {
  const native = theirs(list, handle);
  const different = [];
  for (let i = 0; i < list.length; i++) {
    const mine = await ours(list[i], handle);
    // The command line adds a hint of its own to a text whose line ends were changed.
    if (native[i].words?.includes("carriage returns")) native[i].words = mine.words;
    if (!same(mine, native[i]) || !expect(mine)) different.push([mine, native[i]]);
    asked.push({ policy: "own", handle, now, proof: Buffer.from(list[i]).toString("base64"), answer: native[i] });
  }
  check(what, different.length === 0, ...different.slice(0, 3));
}

// ---- vectors for whoever writes another verifier: a fixed ledger, its time, and what must be said ----

function makeVectors() {
  const note = run("head", "ledger", "--checkpoint"), signed = readFileSync("policy", "utf8");
  const time = Number(Buffer.from(note.trim().split("\n").at(-1).split(" ")[2], "base64").readBigUInt64BE(4));
  run("keygen", "--member", "strange", "stranger");
  run("charter", "new", "--origin", "stranger.example/ledger", "--keys", "strange", "--member", "stranger=1", "-o", "strange.ini");
  const policies = { own: signed, stranger: run("policy", "strange.ini"), none: signed.replace(/^quorum .*$/m, "quorum none"),
    more: signed.replace(/^quorum .*$/m, `witness stranger ${run("policy", "strange.ini").match(/^witness \S+ (\S+)$/m)[1]}\ngroup both all ${signed.match(/^quorum (\S+)$/m)[1]} stranger\nquorum both`) };
  const of = (name) => proofs.find((p) => p.name === name), cut = (p, n) => ({ ...p, bytes: p.bytes.slice(0, n) });
  const text = (p, from, to) => ({ ...p, bytes: Buffer.from(Buffer.from(p.bytes).toString().replace(from, to)) });
  const flip = (p, at) => ({ ...p, bytes: p.bytes.map((b, i) => (i === (at < 0 ? p.bytes.length + at : at) ? b ^ 1 : b)) });
  const list = [...["longest", "locked --no-history", "revoked --format binary", "absent --format binary --no-history", "absent"].map((name) => [name, of(name)]),
    ["no bytes", cut(of("longest"), 0)], ["cut", cut(of("longest --format binary"), 700)], ["an altered root", text(of("longest"), /\n(\d+)\n(.)(?=[A-Za-z0-9+/]{42}=\n)/, (_, n, c) => `\n${n}\n${c === "A" ? "B" : "A"}`)],
    ["an altered bit at the end", flip(of("revoked --format binary"), -1)], ["an altered bit in the middle", flip(of("longest --format binary"), 900)],
    ["of another credential", { ...of("locked"), handle: longest }], ["longest, expired by then", of("longest --format binary --no-history"), { now: time + 86400 * 4000 }],
    ["too old", of("longest --no-history"), { now: time + 3601, maxAge: 3600 }], ["just young enough", of("longest --no-history"), { now: time + 3600, maxAge: 3600 }],
    ["from the future", of("longest --no-history"), { now: time - 86400 }], ["of another ledger", of("locked --no-history"), { policy: "stranger" }],
    ["a policy without a quorum", of("locked --no-history"), { policy: "none" }], ["a cosignature is missing", of("locked --no-history"), { policy: "more" }]];
  const cases = list.map(([name, { handle, bytes }, { now: at = time + 60, maxAge = 0, policy = "own" } = {}]) => {
    writeFileSync("vector.policy", policies[policy]);
    return { name, policy, handle, now: at, max_age: maxAge, proof: Buffer.from(bytes).toString("base64"), answer: theirs([bytes], handle, { policy: "vector.policy", at, maxAge })[0] };
  });
  writeFileSync(vectors, `${JSON.stringify({ about: "Status proofs and what a verifier must say of them: written by tests/e2e/verdicts.mjs --vectors", policies, cases }, null, 1)}\n`);
}
if (writes) {
  makeVectors();
  process.exit(0);
}

const fixed = JSON.parse(readFileSync(vectors, "utf8"));
for (const c of fixed.cases) {
  writeFileSync("vector.policy", fixed.policies[c.policy]);
  const bytes = Buffer.from(c.proof, "base64"), said = theirs([bytes], c.handle, { policy: "vector.policy", at: c.now, maxAge: c.max_age })[0];
  const judge = await Verifier.load(readFileSync(wasm));
  judge.policy(fixed.policies[c.policy]);
  const mine = await ours(new Uint8Array(bytes), c.handle, { now: c.now, maxAge: c.max_age }, judge);
  check(`vector: ${c.name}: ${c.answer.refused ?? c.answer.state}`, same(said, c.answer) && same(mine, c.answer), said, mine, c.answer);
  asked.push({ ...c, policy: `vectors.${c.policy}` });
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
// ---- crowds: what a record says, said at this time ----

{
  const [, extra, , ...rest] = new TextDecoder().decode(proofs[0].bytes).split("\n"), seal = Buffer.from(extra.slice("extra ".length), "base64");
  run("crowd", "ledger", "--prefix", "", "-o", "crowd");
  const answer = { proof: readFileSync("crowd").toString("base64"), anchor: { checkpoint: run("head", "ledger", "--checkpoint"),
    seal: seal.subarray(seal[1] < 128 ? 2 : 3, (seal[1] < 128 ? 2 + seal[1] : 3 + (seal[1] & 127) + 128 * seal[2])).toString("base64"),
    seal_path: rest.slice(0, rest.indexOf("")).map((line) => Buffer.from(line, "base64").toString("hex")) } };
  const states = async (at) => (await verifier.crowd(answer, "", { now: at })).records.map((r) => r.validUntil <= at ? { ACTIVE: "in force", EXPIRED: "past" }[r.state] : { EXPIRED: "too early" }[r.state]);
  const [today, later] = [await states(now), await states(now + 20 * 365 * 86400)];
  check("in a crowd none is in force past its end", later.includes("past") && ![...today, ...later].some((s) => s === "in force" || s === "too early"), later);
  const rows = run("crowd", "ledger", "--prefix", "", "--json").trim().split("\n").map((line) => JSON.parse(line)).filter((r) => r.path);
  check("nor in one that the command line shows", rows.length === later.length && !rows.some((r) => (r.state === "ACTIVE") && Date.parse(r.valid_until) <= Date.now()), rows[0]);
}

check("one tree is consistent with itself", verifier.isConsistent(head, head, []));
check("and not with another of its size", !verifier.isConsistent(head, { ...head, root: "00".repeat(32) }, []));

// ---- the same in a real browser ----

writeFileSync("cases.json", JSON.stringify({ policies: { own: readFileSync("policy", "utf8"), ...Object.fromEntries(Object.entries(fixed.policies).map(([n, t]) => [`vectors.${n}`, t])) }, cases: asked }));
const browser = spawnSync("python3", [join(here, "in_page.py"), page, "cases.json"], { maxBuffer: 1 << 28 });
if (browser.status === 3) {
  console.log(`ok ${++count} - in a browser # SKIP chromium and chromium-driver are not installed`);
} else {
  const said = browser.status === 0 ? JSON.parse(browser.stdout) : { answers: [] };
  const differ = asked.filter((c, i) => said.answers[i]?.length !== 2 || !said.answers[i].every((a) => same(a, c.answer)));
  check(`in a browser: the same about all ${asked.length} proofs, with its own Ed25519 and with the module's`, browser.status === 0 && differ.length === 0,
    browser.stderr.toString(), ...differ.slice(0, 3).map((c) => [c.name, c.answer, said.answers[asked.indexOf(c)]]));
  check("WebCrypto checked signatures there", said.native > 500, said.native);
}

console.log(`1..${count}`);
process.exitCode = failed > 0 ? 1 : 0;
