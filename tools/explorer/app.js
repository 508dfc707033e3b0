// app.js: the views. What is shown as proven has passed through verifier.js with the reader's own trust policy; the rest is a node's
// word, and says so. Handles stay in memory: not in the address, not in the browser's storage.

import { changesOf, followCharters, readCharters } from "./charters.js";
import { Stream, median } from "./live.js";
import { Names, nameOf, originOf, plain, recallCharter } from "./names.js";
import { Tiles, getJson, getProof, getText, lastBundle } from "./nodes.js";
import { $, ago, duration, h, hash, kept, languageNow, number, pairs, say, sentenceOf, setLanguage, table, tickAges, trouble, when, word } from "./page.js";
import { greyOf } from "./pictures.js";
import { Refused, Verifier, fromBase64, fromHex, toHex } from "./verifier.js";
import { words } from "./words.js";

// ---- nodes, policy ----

const home = location.protocol.startsWith("http") ? location.origin : null;
const others = () => JSON.parse(kept.get("nodes") ?? "[]");
const allNodes = () => [...new Set([home, ...others()].filter(Boolean))];
const node = () => allNodes()[0] ?? "http://127.0.0.1:8080";
let wasm, verifier, policyOf; // policyOf: "own", "node", null

/** Only under the reader's own policy does the page say that it verified something. */
const isOwn = () => policyOf === "own";

async function loadModule() {
  const inside = $("wasm");
  if (!inside) return (await fetch("verifier.wasm")).arrayBuffer();
  const packed = new Blob([fromBase64(inside.textContent.trim())]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(packed).arrayBuffer();
}

async function usePolicy(text, whose) {
  const next = await Verifier.load(wasm);
  next.policy(text, { allowNoQuorum: whose === "node" });
  [verifier, policyOf] = [next, whose];
  recallCharter(verifier);
}

async function choosePolicy() {
  const own = kept.get("policy");
  [verifier, policyOf] = [undefined, null];
  let bad;
  try {
    if (own !== null) await usePolicy(own, "own");
    else await usePolicy(await getText(node(), "/v1/policy"), "node");
  } catch (e) {
    bad = e;
  }
  const trust = $("trust");
  trust.className = policyOf === "own" ? "good" : "warn";
  trust.replaceChildren(...[h("strong", {}, word(policyOf === "own" ? "trustOwnShort" : policyOf === "node" ? "trustNodeShort" : "trustNoneShort")), " ",
    policyOf === "own" ? word(home ? "trustOwnHome" : "trustOwnFile") : policyOf === "node" ? word("trustNode")
      : bad instanceof Refused ? `${word("trustBad")}: ${sentenceOf(bad)}${bad.line ? ` (${say("line", { n: bad.line })})` : ""}` : word("trustNone"), " ",
    policyOf !== "own" && h("a", { href: "#/policy" }, word("trustLoad"))].filter(Boolean));
}

function judge() {
  if (verifier === undefined) throw new Refused({ error: "E_POLICY", message: word("trustNone") });
  return verifier;
}

/** What was verified, under whose policy: a green line only under the reader's own. */
const finding = (text, role = "status") => h("p", { class: isOwn() ? "finding good" : "finding warn", role },
  isOwn() ? `✓ ${text}` : `○ ${word("byNode")} ${text}`);
const objection = (text) => h("p", { class: "finding bad", role: "alert" }, `✗ ${text}`);
const refusal = (e, what = "refused") => trouble(e, e instanceof Refused ? `✗ ${word(what)}` : `⚠ ${word("couldNot")}`);
const waiting = () => h("p", { class: "soft" }, word("waiting"));
const section = (title, ...children) => h("section", {}, h("h3", {}, title), children);

// ---- overview ----

async function look(url) {
  const [status, note] = await Promise.all([getJson(url, "/v1/status"), getText(url, "/checkpoint").catch(() => null)]);
  let head = null, wrong = null;
  if (note !== null && verifier !== undefined)
    await verifier.checkpoint(note).then((v) => { head = v; }, (e) => { wrong = e; });
  return { url, status, note, head, wrong };
}

/** Lookers wait for each other: a verifier answers one question at a time. */
async function lookAtAll() {
  const found = [];
  for (const url of allNodes()) found.push(await look(url).catch((error) => ({ url, error })));
  return found;
}

function checkpointCell({ head, wrong }) {
  if (wrong) return h("span", { class: "bad" }, `✗ ${sentenceOf(wrong)}`);
  if (!head) return h("span", { class: "soft" }, word("none"));
  return h("span", { class: isOwn() ? "good" : "warn" }, isOwn() ? "✓ " : "○ ", say("cosignedBy", { n: head.cosignatures }), head.quorumTime > 0 && [", ", ago(head.quorumTime)]);
}

function nodeRow(found) {
  const { url, status, error } = found;
  if (error) return [url, "", "", "", "", h("span", { class: "bad" }, sentenceOf(error)), h("strong", { class: "bad" }, word("away"))];
  const ill = [status.behind && word("behind"), status.muted && word("muted"), status.alarm && `${word("alarm")} ${status.alarm}`].filter(Boolean);
  return [url, number(status.height), number(status.size), number(status.pool), `${status.peers + 1}/${status.members}`, checkpointCell(found),
    ill.length ? h("strong", { class: "bad" }, ill.join(", ")) : word("fine")];
}

/** Each member of the charter, and its newest cosignature that verified; those that sign and are no members are outside witnesses. */
function memberRows(charter, found) {
  const newest = new Map();
  for (const { head } of found) for (const { name, time } of head?.signers ?? []) newest.set(name, Math.max(time, newest.get(name) ?? 0));
  const latest = Math.max(0, ...newest.values()), names = new Set(charter.members.map((m) => m.name));
  const none = () => newest.size > 0 ? h("span", { class: "bad" }, word("noCosignature")) : "–"; // of a refused checkpoint nobody knows who signed it
  const row = (name, role) => [nameOf(name), role, newest.has(name) ? [isOwn() ? h("span", { class: "good" }, "✓ ") : "○ ", ago(newest.get(name))] : none(),
    newest.has(name) ? duration(latest - newest.get(name)) : "–"];
  return [...charter.members.map((m) => row(m.name, word(m.role.toLowerCase()))),
    ...[...newest.keys()].filter((name) => !names.has(name)).map((name) => row(name, word("witness")))];
}

function faults(charter, evidence, found) {
  const rows = evidence.map((e) => {
    const member = charter.members.find((m) => m.vote_key === e.key);
    return [member ? nameOf(member.name) : hash(e.key), number(e.height), `${e.first.kind} / ${e.second.kind}`];
  });
  const alarms = found.filter((f) => f.status?.alarm || f.wrong);
  return h("div", {},
    alarms.map((f) => h("p", { class: "bad" }, `⚠ ${f.url}: ${f.wrong ? sentenceOf(f.wrong) : f.status.alarm}`)),
    rows.length ? [h("p", { class: "bad" }, say("evidenceSome", { n: rows.length })), table(word("evidence"), [word("member"), word("height"), word("contradiction")], rows, [1])]
      : h("p", { class: "soft" }, word("evidenceNone")));
}

function spark(samples) {
  const most = Math.max(1, ...samples.map((s) => s ?? 0)), ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg"), path = document.createElementNS(ns, "path");
  for (const [name, value] of Object.entries({ viewBox: "0 0 60 30", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" })) svg.setAttribute(name, value);
  let pen = "M"; // lifted over gaps
  path.setAttribute("d", samples.map((s, i) => {
    if (s === null) { pen = "M"; return ""; }
    const step = `${pen}${i + 60 - samples.length} ${(29 - 28 * s / most).toFixed(2)}`;
    pen = "L";
    return step;
  }).join(""));
  svg.append(path);
  return svg;
}

/** A figure that changes in place, so that nothing jumps and nothing is read aloud again and again. */
function figure(name) {
  const value = h("dd", {}, "–"), note = h("dd", { class: "small soft" });
  return { box: h("div", {}, h("dt", {}, name), value, note), set(text, under = "") {
    for (const [element, now] of [[value, text], [note, under]]) {
      if (now instanceof Node) element.replaceChildren(now);
      else if (element.textContent !== String(now)) element.textContent = now;
    }
  } };
}

function overview(main, alive) {
  const figures = Object.fromEntries(["height", "events", "credentials", "rate", "latency", "cosigned"].map((name) => [name, figure(word(name))]));
  const live = h("p", { class: "live", role: "status" }, word("waiting")), line = h("div"), places = h("div"), origin = h("p", { class: "soft" });
  main.append(h("h2", {}, word("overview")), origin, live, h("dl", { class: "figures" }, Object.values(figures).map((f) => f.box)), line, places);
  let shown = "", looking = false, again = false, last = 0;

  const showTables = (charter, evidence, found) => {
    const key = JSON.stringify([charter, evidence, found.map((f) => [f.url, f.status, f.head, f.error?.message, f.wrong?.code]), languageNow(), policyOf]);
    if (key === shown) return;
    shown = key;
    places.replaceChildren(
      section(word("nodes"), table(word("nodes"), [word("node"), word("height"), word("size"), word("pool"), word("peers"), word("checkpoint"), word("state")], found.map(nodeRow), [1, 2, 3])),
      section(word("members"), table(word("members"), [word("member"), word("role"), word("cosignature"), word("behindBy")], memberRows(charter, found), [3])),
      section(word("faults"), faults(charter, evidence, found)));
  };
  const refresh = async () => {
    if (looking) { again = true; return; }
    looking = true;
    last = performance.now();
    try {
      const found = await lookAtAll(), best = found.find((f) => f.status);
      const [charter, evidence] = best ? await Promise.all([getJson(best.url, "/v1/charter"), getJson(best.url, "/v1/evidence")]) : [{ members: [] }, { evidence: [] }];
      if (!alive()) return;
      if (best) {
        figures.height.set(number(best.status.height), h("span", {}, word("blockOf"), " ", ago(best.status.time_ms / 1000)));
        figures.events.set(number(best.status.events), say("entriesInLog", { n: number(best.status.size) }));
        figures.credentials.set(number(best.status.credentials), say("quorumOf", { quorum: best.status.quorum, members: best.status.members }));
        origin.textContent = `${originOf(best.status.origin)} · ${word("charter")} ${best.status.charter_version}`;
      }
      if (best?.head) figures.cosigned.set(best.head.quorumTime > 0 ? ago(best.head.quorumTime) : "–", isOwn() ? `✓ ${word("verifiedHere")}` : `○ ${word("byNodeShort")}`);
      else figures.cosigned.set("–", best?.wrong ? sentenceOf(best.wrong) : "");
      showTables(charter, evidence.evidence, found);
    } catch (e) {
      if (alive()) places.replaceChildren(refusal(e));
    } finally {
      looking = false;
    }
    if (again && alive()) { again = false; setTimeout(refresh, 1000); }
  };
  const measure = (stream) => {
    const rate = stream.rates.findLast((r) => r !== null), shownRates = stream.rates.filter((r) => r !== null);
    figures.rate.set(rate === undefined ? "–" : number(rate), shownRates.length > 1 ? say("mostOf", { n: number(Math.max(...shownRates)), s: shownRates.length }) : "");
    line.replaceChildren(stream.rates.length > 1 ? spark(stream.rates) : "");
    const [final, cosigned] = [median(stream.latencies), median(stream.cosignings)];
    figures.latency.set(final === undefined ? "–" : `${number(final)} ms`, cosigned === undefined ? word("nextBlock") : say("cosignedAfter", { n: number(Math.round(cosigned)), blocks: stream.latencies.length }));
    tickAges(main);
    if (performance.now() - last > 10000) refresh(); // other nodes have no stream here, and nothing may come of this one
  };
  const stream = new Stream(node(), { changed(what) {
    if (!alive()) { stream.close(); return; }
    if (what === "sample") { measure(stream); return; }
    const text = stream.connected ? word("live") : word("lost");
    if (live.textContent !== text) live.textContent = text;
    live.classList.toggle("on", stream.connected);
    if (what !== "lost") refresh();
  } });
  refresh();
}

// ---- what a proof says ----

function life(history, names) {
  return h("ol", { class: "life" }, history.map((e) => h("li", { class: !isOwn() ? "warn" : e.state === "ACTIVE" ? "good" : "bad" },
    h("strong", {}, word(e.kind)), " ", when(e.recordedAt / 1000), h("br"),
    h("span", { class: "soft" }, word(e.channel), e.carrier && ` · ${word(e.carrier)}`, (e.kind === "ISSUE" || e.kind === "RENEW") && [` · ${word("validUntil")}: `, when(e.validUntil)], e.reason > 0 && [` · ${word("reason")}: `, names.reason(e.reason)]))));
}

function verdict(a, names, took, proof, brought) {
  const good = a.state === "ACTIVE", file = proof && URL.createObjectURL(new Blob([proof], { type: "application/octet-stream" }));
  return h("section", {},
    h("div", { class: `verdict ${isOwn() ? (good ? "good" : "bad") : "warn"}`, role: "status", "data-verified": isOwn() ? "yes" : "no" },
      h("strong", { "data-state": a.state }, `${isOwn() ? (good ? "✓" : "✗") : "○"} ${word(a.state)}`),
      h("p", {}, isOwn() ? word("verifiedOwn") : word("verifiedNode")),
      h("p", {}, `${word("inBlock")} ${number(a.blockHeight)}, `, when(a.blockTime / 1000), a.quorumTime > 0 && [` · ${say("cosignedBy", { n: a.cosignatures })}, `, ago(a.quorumTime)])),
    pairs([brought && [word("handleBrought"), h("code", {}, brought), h("br"), h("span", { class: "small soft" }, word("handleCompare"))],
      a.present && [word("type"), names.type(a.type)], a.present && [word("agency"), names.agency(a.agency)], a.present && [word("names"), names.source()],
      a.present && [word("validUntil"), when(a.validUntil)], a.present && [word("since"), when(a.since / 1000)], a.present && a.reason > 0 && [word("reason"), names.reason(a.reason)],
      a.present && [word("carrier"), word(a.carrier)], a.present && [word("device"), hash(a.device)], a.present && [word("events"), number(a.events)],
      a.quorumTime > 0 && [word("quorumAt"), when(a.quorumTime)],
      [word("checkedBy"), verifier.checkedByBrowser > 0 ? word("browser") : word("module")], [word("took"), `${took.toFixed(1)} ms`]]),
    file && h("p", {}, h("a", { href: file, download: "credential.proof" }, word("save"))),
    a.present && section(word("historyTitle"), a.hasHistory ? life(a.history, names) : h("p", { class: "soft" }, word("noHistory"))));
}

/** `mayAsk`: a node, for names; whoever checks a proof here sends nothing anywhere. `brought`: nobody typed the handle. */
async function checked(proof, handle, { maxAge = 0, mayAsk = false, brought = false } = {}) {
  const started = performance.now();
  const answer = await judge().verify(proof, handle, { maxAge }), took = performance.now() - started, names = new Names(answer.charter);
  if (mayAsk && answer.present) names.load(node(), judge(), answer.blockHeight, isOwn());
  return verdict(answer, names, took, proof, brought && toHex(handle));
}

const isHandle = (text) => /^[0-9a-fA-F]{64}$/.test(text.trim());
const handleField = () => h("input", { name: "handle", required: true, pattern: "\\s*[0-9a-fA-F]{64}\\s*", title: word("handle"), autocomplete: "off", spellcheck: "false", class: "mono" });

/** Runs what a form asks for, and shows what comes of it below. */
function onSubmit(form, place, what, refused) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    place.replaceChildren(waiting());
    try {
      place.replaceChildren(await what());
    } catch (e) {
      place.replaceChildren(refusal(e, refused));
    }
  });
}

/** A place for files and texts: dropped, chosen, or pasted. */
function dropArea(hint, take, ...children) {
  const choose = h("input", { type: "file", class: "visually-hidden", "aria-describedby": "drop-hint" });
  const area = h("div", { class: "drop" }, h("p", { id: "drop-hint" }, hint), h("label", { class: "button" }, word("choose"), choose), children);
  choose.addEventListener("change", () => choose.files[0] && take(choose.files[0]));
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
    area.addEventListener(kind, (event) => {
      event.preventDefault();
      area.classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind !== "drop") return;
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
      else take(new File([event.dataTransfer.getData("text")], word("pasted"), { type: "text/plain" }));
    });
  area.addEventListener("paste", (event) => {
    if (!event.clipboardData.files[0]) return; // text goes where it is pasted
    event.preventDefault();
    take(event.clipboardData.files[0]);
  });
  return area;
}

function credential(main) {
  const field = handleField(), history = h("input", { type: "checkbox", checked: true }), place = h("div", { "aria-live": "polite" });
  const form = h("form", {}, h("label", {}, word("handle"), field), h("label", { class: "check" }, history, " ", word("history")), h("button", {}, word("ask")));
  onSubmit(form, place, async () => {
    const handle = field.value.trim().toLowerCase();
    return checked(await getProof(node(), handle, history.checked), fromHex(handle), { mayAsk: true });
  });
  main.append(h("h2", {}, word("credential")), h("p", { class: "soft" }, word("credentialHint")), form, place);
}

// ---- a proof from elsewhere ----

/** The text in a picture of a QR code. No policy is needed to read, only to judge. */
async function qrTextOf(file) {
  const reader = verifier ?? (await Verifier.load(wasm));
  let picture;
  try {
    picture = await greyOf(file);
  } catch {
    throw new Refused({ error: "E_QR_PICTURE", message: "this browser cannot draw that picture" });
  }
  return reader.qrPicture(picture.grey, picture.width, picture.height);
}

function proof(main) {
  const field = handleField(), text = h("textarea", { name: "proof", spellcheck: "false", class: "mono" }), place = h("div", { "aria-live": "polite" }), chosen = h("p", { class: "small soft", "aria-live": "polite" });
  const age = h("select", { name: "age" }, [[0, "ageAny"], [600, "age10m"], [3600, "age1h"], [86400, "age1d"]].map(([value, name]) => h("option", { value }, word(name))));
  let bytes = null;
  field.required = false;

  const take = async (file) => {
    chosen.textContent = `${file.name}, ${number(file.size)} B`;
    place.replaceChildren();
    [text.value, bytes] = ["", null];
    try {
      if (file.type.startsWith("image/")) {
        text.value = await qrTextOf(file);
        chosen.textContent += ` – ${word("qrRead")}`;
        form.requestSubmit();
        return;
      }
      bytes = new Uint8Array(await file.arrayBuffer());
      const start = new TextDecoder().decode(bytes.subarray(0, 24));
      if (!start.startsWith("SLK1:") && !start.startsWith("c2sp.org/")) return;
      text.value = new TextDecoder().decode(bytes);
      bytes = null;
    } catch (e) {
      place.replaceChildren(refusal(e));
    }
  };
  const form = h("form", {}, dropArea(word("proofDrop"), take, chosen, h("label", {}, word("theProof"), text)),
    h("label", {}, word("handle"), h("span", { class: "small soft" }, word("handleInQr")), field), h("label", {}, word("maxAge"), age), h("button", {}, word("check")));
  onSubmit(form, place, async () => {
    const given = text.value.trim(), handle = field.value.trim().toLowerCase();
    if (given.startsWith("SLK1:")) {
      const code = judge().qr(text.value.trimStart());
      if (handle && handle !== toHex(code.handle)) throw new Refused({ error: "E_OTHER_HANDLE", message: "this QR code is about another credential than the handle" });
      return checked(code.proof, code.handle, { maxAge: Number(age.value), brought: !handle });
    }
    if (!given && bytes === null) throw new Error(word("noProof"));
    if (given && !given.startsWith("c2sp.org/")) throw new Refused({ error: "E_QR_FOREIGN", message: "this is neither a proof nor the text of a QR code of Sillok" });
    if (!isHandle(handle)) throw new Error(word("handleNeeded"));
    return checked(given ? new TextEncoder().encode(text.value) : bytes, fromHex(handle), { maxAge: Number(age.value) });
  });
  main.append(h("h2", {}, word("proof")), h("p", { class: "soft" }, word("proofHint")), form, place);
}

// ---- crowds ----

function crowd(main) {
  const prefix = h("input", { name: "prefix", pattern: "[0-9a-f]{1,64}", autocomplete: "off", class: "mono" }), handle = handleField();
  const digits = h("input", { type: "number", min: 1, max: 16, value: 3 }), place = h("div", { "aria-live": "polite" });
  const form = h("form", {}, h("label", {}, word("prefixOf"), handle), h("label", {}, word("digits"), digits), h("label", {}, word("prefix"), prefix), h("button", {}, word("ask")));
  handle.required = false;
  onSubmit(form, place, async () => {
    const whole = isHandle(handle.value) ? judge().sha256(fromHex(handle.value.trim())) : null;
    const asked = whole ? whole.slice(0, Number(digits.value)) : prefix.value;
    if (!asked) throw new Error(word("prefixNeeded"));
    const answer = await judge().crowd(await getJson(node(), `/v1/map/${asked}`), asked);
    const names = new Names(answer.charter);
    if (answer.records.length > 0) names.load(node(), judge(), answer.height, isOwn());
    const mine = whole && answer.records.find((r) => r.path === whole);
    return h("section", {}, finding(say("crowdSays", { n: number(answer.records.length), prefix: asked })),
      whole && h("p", {}, word("yours"), " ", h("strong", {}, mine ? word(mine.state) : word("NEVER_ISSUED"))),
      pairs([[word("inBlock"), number(answer.height)], [word("cosigned"), say("cosignedBy", { n: answer.cosignatures }), answer.quorumTime > 0 && [", ", ago(answer.quorumTime)]], answer.records.length > 0 && [word("names"), names.source()]]),
      table(word("crowd"), [word("place"), word("state"), word("count"), word("type"), word("agency"), word("validUntil")], answer.records.map((r) =>
        [r === mine ? h("strong", {}, hash(r.path)) : hash(r.path), word(r.state), number(r.count), names.type(r.type), names.agency(r.agency), when(r.validUntil)]), [2]));
  });
  main.append(h("h2", {}, word("crowd")), h("p", { class: "soft" }, word("crowdHint")), form, place);
}

// ---- blocks ----

/** Whether these are the entries of this block, none left out: they begin behind the seal of the block before, and end with its own. */
function isWhole(height, first, entries, before) {
  const seals = [...before, ...entries].filter((e) => e.entry === "SEAL"), heights = height > 0 ? [height - 1, height] : [0];
  return Number.isSafeInteger(first) && first >= 0 && (first === 0) === (height === 0) && entries.length > 0 && entries.at(-1) === seals.at(-1)
    && seals.length === heights.length && seals.every((s, i) => s.height === heights[i]);
}

/** Every tile that holds these leaves is the cosigned log's, and they are those in it. */
async function isInLog(first, entries, head) {
  const tiles = new Tiles(node(), head.size, judge());
  for (let i = 0; i < entries.length;) {
    const index = first + i, from = index % 256;
    const tile = await tiles.tile(0, Math.floor(index / 256)), here = entries.slice(i, i + 256 - from);
    if (!here.every((e, k) => e.leaf === tile[from + k])) return false;
    if (!judge().isLeafIncluded(index, here[0].leaf, head, await tiles.path(index))) return false;
    i += here.length;
  }
  return true;
}

const newestHead = async () => judge().checkpoint(await getText(node(), "/checkpoint"));

/** A block and what is proven of it under this head: "good", "new" (not cosigned yet), "bad". */
async function readBlock(at, head) {
  const read = async (height) => { const b = await getJson(node(), `/v1/blocks/${height}`); return [b, judge().entries(fromBase64(b.entries))]; };
  const [found, entries] = await read(at), before = at > 0 ? (await read(at - 1))[1].slice(-1) : [], size = found.first_index + entries.length;
  const isNew = size > head.size && found.size > head.size, isGood = size <= head.size && isWhole(at, found.first_index, entries, before)
    && await isInLog(found.first_index - before.length, [...before, ...entries], head);
  return { found, entries, size, is: isGood ? "good" : isNew ? "new" : "bad" };
}

function entryRow(block, e, i, names) {
  const what = e.event ? [word(e.event.kind), " ", hash(e.event.credential), e.event.type > 0 && [" · ", names.type(e.event.type)], e.event.reason > 0 && [" · ", names.reason(e.event.reason)]]
    : e.entry === "AUTHORIZATION" ? [say("signedBy", { n: e.count }), " ", names.issuer(e.keyId)]
    : e.entry === "SEAL" ? [word("mapRoot"), " ", hash(e.mapRoot)] : "";
  return [number(block.first_index + i), h("span", { class: "whole" }, word(e.entry)), what, e.event ? [word(e.event.channel), e.event.carrier && `, ${word(e.event.carrier)}`].filter(Boolean) : "", `${number(e.size)} B`];
}

function blockForm(at, last) {
  const field = h("input", { type: "number", min: 0, max: last, value: at }), form = h("form", { class: "row" },
    h("label", {}, word("goTo"), field), h("button", {}, word("go")),
    at > 0 && h("a", { href: `#/block/${Math.min(at - 1, last)}` }, `← ${word("previous")}`), at < last && h("a", { href: `#/block/${at + 1}` }, `${word("next")} →`));
  form.addEventListener("submit", (e) => { e.preventDefault(); location.hash = `#/block/${field.value}`; });
  return form;
}

async function block(main, alive, height) {
  const place = h("div", { "aria-live": "polite" }, waiting());
  let form = null;
  main.append(h("h2", {}, word("block")), place);
  try {
    const status = await getJson(node(), "/v1/status"), at = height === undefined || height === "" ? status.cosigned_height : Number(height);
    form = blockForm(at, status.height);
    const { found, entries, size, is } = await readBlock(at, await newestHead());
    if (!alive()) return;
    const seal = is === "good" ? entries.at(-1) : {}, names = new Names(seal.charter); // of what is not proven numbers are said, as the node says them
    if (is === "good") names.load(node(), judge(), at, false);
    place.replaceChildren(form,
      is === "good" ? finding(word("blockGood")) : is === "new" ? h("p", { class: "finding warn", role: "status" }, `○ ${word("blockNew")}`) : objection(word("blockBad")),
      pairs([[word("height"), number(at)], [word("time"), when((seal.time ?? found.time_ms) / 1000)], [word("proposer"), at > 0 ? names.proposer(seal.proposer ?? found.proposer) : "–"], is === "good" && [word("names"), names.source()], [word("events"), number(entries.filter((e) => e.event).length)], [word("sizeAfter"), number(size)],
        [word("blockHash"), h("code", {}, found.hash)]]),
      section(word("entriesTitle"), table(word("entriesTitle"), ["#", word("entry"), word("what"), word("channel"), word("bytes")], entries.slice(0, 1000).map((e, i) => entryRow(found, e, i, names)), [0, 4]),
        entries.length > 1000 && h("p", {}, `… ${number(entries.length - 1000)}`)));
  } catch (e) {
    if (alive()) place.replaceChildren(...[form, refusal(e)].filter(Boolean));
  }
}

// ---- several nodes ----

/** The newest head that this browser verified under the reader's policy: who shows it another history later is found out, too. */
function rememberedHead() {
  const { policy, head } = JSON.parse(kept.get("head") ?? "{}");
  return isOwn() && head && policy === kept.get("policy") ? head : null;
}
function remember(head) {
  if (isOwn()) kept.set("head", JSON.stringify({ policy: kept.get("policy"), head: { size: head.size, root: head.root, note: head.note, quorumTime: head.quorumTime } }));
}

/** One path that fits shows it, whoever gives it: a node that gives a false one cannot make a split of two heads that are no such thing. */
async function isBeginning(older, newer, urls) {
  if (older.size === newer.size) return older.root === newer.root;
  let said;
  for (const url of new Set(urls)) {
    try {
      const { path } = await getJson(url, `/v1/consistency/${older.size}-${newer.size}`);
      if (judge().isConsistent(older, newer, path)) return true;
      said = false;
    } catch (error) {
      said ??= error;
    }
  }
  return said;
}

/** Everyone's head against the longest: "longest", "same", "other" (another history), "silent" (it did not show one that verifies). */
async function compareNodes() {
  const under = verifier, found = await lookAtAll(), known = rememberedHead(), answering = found.filter((f) => f.status).map((f) => f.url);
  const all = [...found.map((f) => ({ ...f, head: f.head && { ...f.head, note: f.note } })), ...(known ? [{ url: word("remembered"), head: known, note: known.note, isMemory: true }] : [])];
  const longest = all.reduce((a, b) => (b.head && !b.isMemory && (!a || b.head.size > a.head.size) ? b : a), null);
  const rows = [];
  for (const f of all) {
    if (!f.head) rows.push({ ...f, is: "silent" });
    else if (f === longest) rows.push({ ...f, is: "longest" });
    else if (longest === null) rows.push({ ...f, is: "silent" });
    else {
      const [older, newer] = f.head.size <= longest.head.size ? [f, longest] : [longest, f];
      const same = await isBeginning(older.head, newer.head, newer.isMemory ? answering : [newer.url, ...answering]);
      rows.push({ ...f, is: same === true ? "same" : same === false ? "other" : "silent", error: same instanceof Error ? same : undefined });
    }
  }
  const split = rows.some((r) => r.is === "other");
  const isOfThisPolicy = verifier === under; // another may have been chosen meanwhile
  if (isOfThisPolicy && longest && !split && (!known || longest.head.size > known.size)) remember(longest.head);
  return { rows, split };
}

function splitVerdict(rows, split) {
  const answered = rows.filter((r) => !r.isMemory && (r.is === "longest" || r.is === "same")), silent = rows.filter((r) => r.is === "silent" && !r.isMemory);
  const file = split && URL.createObjectURL(new Blob([rows.filter((r) => r.note).map((r) => `${r.url}\n${r.note}`).join("\n")], { type: "text/plain" }));
  return [split ? objection(word("splitBad")) : answered.length > 1 ? finding(word("splitGood")) : h("p", { class: "finding warn", role: "status" }, `○ ${word("splitOne")}`),
    silent.length > 0 && h("p", { class: "warn" }, say("splitSilent", { n: silent.length })),
    split && h("p", {}, h("a", { href: file, download: "split-view.txt" }, word("saveEvidence")))];
}

function nodes(main, alive) {
  const field = h("input", { type: "url", required: true, placeholder: "http://node.example:8080" }), list = h("ul", { class: "plain" }), place = h("div", { "aria-live": "polite" });
  const form = h("form", { class: "row" }, h("label", {}, word("addNode"), field), h("button", {}, word("add")));
  const is = { longest: () => word("longest"), same: () => word("agrees"), other: () => h("strong", { class: "bad" }, word("disagrees")),
    silent: (r) => h("span", { class: "warn" }, r.wrong || r.error ? sentenceOf(r.wrong ?? r.error) : word("none")) };
  const compare = async () => {
    place.replaceChildren(waiting());
    try {
      const { rows, split } = await compareNodes();
      if (!alive()) return;
      place.replaceChildren(...splitVerdict(rows, split).filter(Boolean),
        table(word("splitTitle"), [word("node"), word("size"), word("root"), word("cosigned"), word("state")], rows.map((r) =>
          [r.url, r.head ? number(r.head.size) : "", r.head ? hash(r.head.root) : "", r.head?.quorumTime > 0 ? ago(r.head.quorumTime) : "", is[r.is](r)]), [1]));
    } catch (e) {
      place.replaceChildren(refusal(e));
    }
  };
  const show = () => list.replaceChildren(...allNodes().map((url) => h("li", {}, h("code", {}, url), " ", url === home ? h("span", { class: "soft" }, word("homeNode")) : h("button", {
    type: "button", "aria-label": `${word("remove")} ${url}`, onclick: () => { kept.set("nodes", JSON.stringify(others().filter((o) => o !== url))); show(); compare(); },
  }, word("remove")))));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    kept.set("nodes", JSON.stringify([...new Set([...others(), new URL(field.value).origin])]));
    field.value = "";
    show();
    compare();
  });
  main.append(h("h2", {}, word("splitTitle")), h("p", { class: "soft" }, word("splitHint")), list, form, place, section(word("lyingTitle"), h("ul", {}, [1, 2, 3, 4].map((i) => h("li", {}, word(`lying${i}`))))));
  show();
  compare();
}

// ---- charter ----

const kindsOf = (issuer) => issuer.kinds.map((kind) => word(`may.${kind}`)).join(", ");
const typesOf = (issuer, names) => issuer.types.map((code, i) => [i > 0 && ", ", names.type(code)]);

function fieldOf(one, name, names) {
  const value = one[name];
  switch (name) {
    case "name": return nameOf(value);
    case "kinds": return kindsOf(one);
    case "types": return typesOf(one, names);
    case "agency": return names.agency(value);
    case "notBefore": case "notAfter": return value > 0 ? when(value) : "–";
    case "maxValidity": return duration(value);
    default: return Array.isArray(value) ? value.join(", ") : word(String(value));
  }
}

function changeLine({ change, one, old, what }, group, [before, now]) {
  const keys = what?.filter((w) => ["vote", "cosign", "log", "node", "key"].includes(w)) ?? [], rest = what?.filter((w) => !keys.includes(w)) ?? [];
  const sign = { added: "+", removed: "−", changed: "~" }[change];
  return h("li", { class: change }, h("span", { class: "sign", "aria-hidden": "true" }, sign), h("strong", {}, word(`${group}.${change}`)), " ", group === "issuers" ? [nameOf(one.name), ", ", (change === "removed" ? before : now).agency(one.agency)] : nameOf(one.name, `(${one.agency ?? one.code})`),
    group === "members" && change !== "changed" && `, ${word(one.role)}`,
    change === "added" && group === "issuers" && `: ${kindsOf(one)}`,
    keys.map((k) => [h("br"), `${word(`key.${k}`)}: `, hash(old[k]), " → ", hash(one[k])]),
    rest.map((r) => [h("br"), `${word(`field.${r}`)}: `, fieldOf(old, r, before), " → ", fieldOf(one, r, now)]));
}

function changeList(old, next, names) {
  const changes = changesOf(old, next);
  const lines = [...["members", "issuers", "types", "reasons"].flatMap((group) => changes[group].map((c) => changeLine(c, group, names))),
    ...changes.settings.map(({ name, old: was, now }) => h("li", { class: "changed" }, h("span", { class: "sign", "aria-hidden": "true" }, "~"), `${word(`set.${name}`)}: ${number(was)} → ${number(now)}`))];
  return lines.length ? h("ul", { class: "changes" }, lines) : h("p", { class: "soft" }, word("noChanges"));
}

/** One version: when, by whom approved, what it changed, and what of that is proven. */
function versionItem(list, i, { inForce, broken, blocks }) {
  const { charter: c, height } = list[i], old = list[i - 1]?.charter, follows = broken === -1 || i < broken;
  const waits = inForce >= 0 && i > inForce; // where none is proven to be in force, none is said to wait
  const proven = blocks[i] === "good" && follows && i <= inForce, names = [old, c].map((one) => (proven ? Names.of(one) : new Names()));
  return h("li", { class: i === inForce ? "now" : "" },
    h("h4", {}, `${word("version")} ${c.version} `, h("span", { class: "soft small" }, i === inForce ? word("inForce") : waits ? word("pending") : "")),
    h("p", { class: "small" }, h("span", { class: proven && isOwn() ? "good" : follows && blocks[i] !== "bad" ? "warn" : "bad" }, proven && isOwn() ? "✓ " : follows && blocks[i] !== "bad" ? "○ " : "✗ ",
      !follows ? word("notFollowing") : blocks[i] === "new" ? word("blockNew") : blocks[i] === "bad" ? word("blockBad") : waits ? word("notYetNamed") : say("inTheLog", { n: number(height) })),
    " · ", when((list[i].time ?? c.created) / 1000), c.activation && ` · ${say("governsFrom", { n: number(c.activation) })}`),
    c.approvals && h("p", { class: "small" }, say(c.approved ? "approvedBy" : "approvedTooFew", { n: c.approvals.length, voting: old.voting }), c.approvals.map((a, k) => [k > 0 ? ", " : ": ", names[0].agency(a)])),
    old ? changeList(old, c, names) : h("p", { class: "soft" }, say("firstCharter", { members: c.members.length, issuers: c.issuers.length })));
}

function charterNow(c, names) {
  return [section(word("membersNow"), table(word("membersNow"), [word("agency"), word("name"), word("role"), word("key.cosign")], c.members.map((m) => [m.agency, nameOf(m.name), word(m.role), hash(m.cosign)]))),
    section(word("issuers"), table(word("issuers"), [word("name"), word("agency"), word("kinds"), word("types"), word("field.any")], c.issuers.map((i) =>
      [nameOf(i.name), names.agency(i.agency), kindsOf(i), typesOf(i, names), i.any ? word("yes") : word("no")]))),
    section(word("types"), table(word("types"), [word("code"), word("name"), word("field.maxValidity")], c.types.map((t) => [t.code, nameOf(t.name), duration(t.maxValidity)]))),
    section(word("reasons"), table(word("reasons"), [word("code"), word("name")], c.reasons.map((r) => [r.code, nameOf(r.name)])))];
}

/** The seal that ends the cosigned log: it names the charter. */
async function lastSeal(head) {
  const seal = judge().entries(await lastBundle(node(), head.size)).at(-1), tiles = new Tiles(node(), head.size, judge());
  if (seal?.entry !== "SEAL" || !judge().isLeafIncluded(head.size - 1, seal.leaf, head, await tiles.path(head.size - 1)))
    throw new Refused({ error: "E_SEAL", message: "the last entry of the checkpointed log is not a seal" });
  return seal;
}

/** How many there are, the one that waits among them: what the node says, and followCharters finds out if they are others. */
async function charterCount() {
  const { version, pending } = await getJson(node(), "/v1/charter");
  return version + (pending ? 1 : 0);
}

async function charter(main, alive) {
  const place = h("div", { "aria-live": "polite" }, waiting());
  main.append(h("h2", {}, word("charter")), h("p", { class: "soft" }, word("charterHint")), place);
  try {
    const list = await readCharters(node(), judge(), await charterCount()), head = await newestHead(), seal = await lastSeal(head), chain = followCharters(list, seal), blocks = [];
    for (const one of list) {
      const { is, entries, found } = await readBlock(one.height, head), here = entries[one.index - found.first_index];
      blocks.push(is === "good" && here?.leaf !== one.charter.leaf ? "bad" : is);
      if (is === "good") one.time = entries.at(-1).time;
    }
    if (!alive()) return;
    const sound = chain.inForce >= 0 && (chain.broken === -1 || chain.broken > chain.inForce) && blocks.slice(0, chain.inForce + 1).every((b) => b === "good");
    const now = sound ? list[chain.inForce].charter : null; // else nothing is known of who is in force
    place.replaceChildren(sound ? finding(say("charterGood", { n: now.version, height: number(seal.height) })) : objection(word(chain.inForce < 0 && chain.broken === -1 ? "charterNotNamed" : "charterBroken")),
      ...(sound ? [pairs([[word("origin"), originOf(now.origin)], [word("version"), now.version], [word("hash"), h("code", {}, now.hash)], [word("quorum"), `${now.quorum}/${now.voting}`],
        [word("cosigned"), say("cosignedBy", { n: head.cosignatures }), head.quorumTime > 0 && [", ", ago(head.quorumTime)]]])] : []),
      section(word("charterHistory"), h("ol", { class: "versions", reversed: true }, list.map((_, i) => versionItem(list, i, { ...chain, blocks })).reverse())), ...(sound ? charterNow(now, Names.of(now)) : []));
  } catch (e) {
    place.replaceChildren(refusal(e));
  }
}

// ---- policy ----

function policy(main) {
  const text = h("textarea", { name: "policy", spellcheck: "false", class: "mono" }), place = h("div", { "aria-live": "polite" });
  const form = h("form", {}, dropArea(word("policyDrop"), async (file) => { text.value = await file.text(); }, h("label", {}, word("policyText"), text)), h("button", {}, word("use")));
  text.value = kept.get("policy") ?? "";
  onSubmit(form, place, async () => {
    (await Verifier.load(wasm)).policy(text.value); // refused: the one in use stays
    kept.set("policy", text.value);
    await choosePolicy();
    return h("p", { class: "finding good" }, `✓ ${word("policySaved")}`);
  }, "trustBad");
  main.append(h("h2", {}, word("policy")), h("p", { class: "soft" }, word("policyHint")), form,
    h("p", {}, h("button", { type: "button", onclick: async () => { for (const name of ["policy", "head", "charter"]) kept.set(name, null); text.value = ""; await choosePolicy(); place.replaceChildren(h("p", {}, word("forgotten"))); } }, word("forget"))), place);
  getText(node(), "/v1/policy").then((t) => main.append(h("details", {}, h("summary", {}, word("policyOfNode")), h("pre", { tabindex: 0 }, t))), () => {});
}

// ---- moving about ----

const views = { "": overview, credential, proof, crowd, block, nodes, charter, policy };
let visit = 0;

function show() {
  const [, name = "", parameter] = location.hash.split("/"), view = Object.hasOwn(views, name) ? name : "", mine = ++visit, main = $("main");
  document.documentElement.lang = languageNow();
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", word(element.dataset.label));
  $("about").textContent = word(home ? "aboutHome" : "aboutFile");
  $("views").replaceChildren(...Object.keys(views).map((v) => h("a", { href: `#/${v}`, "aria-current": v === view && "page" }, word(v || "overview"))));
  document.title = `${word(view || "overview")} – Sillok`;
  main.replaceChildren();
  views[view](main, () => mine === visit, parameter);
}

$("language").value = languageNow();
$("language").addEventListener("change", async () => {
  setLanguage($("language").value);
  await choosePolicy();
  show();
});
$("skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); }); // the address is the view's
window.addEventListener("hashchange", () => { show(); $("main").focus(); });
wasm = await loadModule();
globalThis.sillok = { Verifier, wasm, words, plain }; // for an auditor's console, and the tests
await choosePolicy();
show();
document.documentElement.dataset.ready = "yes";
