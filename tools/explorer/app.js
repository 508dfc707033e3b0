// app.js: the views. What is shown as proven has passed through verifier.js with the reader's trust policy; the rest is a node's word, and
// says so. Handles stay in memory: not in the address, not in the browser's storage.

import { NodeError, Tiles, getJson, getProof, getText, readNote } from "./nodes.js";
import { Refused, Verifier, fromBase64, fromHex } from "./verifier.js";
import { words } from "./words.js";

// ---- page ----

const $ = (id) => document.getElementById(id);
const kept = {
  get(name) { try { return localStorage.getItem(`sillok.${name}`); } catch { return null; } },
  set(name, value) {
    try {
      if (value === null) localStorage.removeItem(`sillok.${name}`);
      else localStorage.setItem(`sillok.${name}`, value);
    } catch { /* a page opened from a disk may have no storage: it forgets */ }
  },
};
let language = kept.get("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
const word = (key) => words[language][key] ?? key;

/** An element: h("p", { class: "x", onclick }, children...). Text is text: nothing from a node is ever read as HTML. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(9).filter((c) => c !== undefined && c !== null && c !== false).map((c) => (c instanceof Node ? c : String(c))));
  return element;
}
const number = (n) => Number(n).toLocaleString(language);
const hash = (text) => h("code", { title: text }, text.length > 20 ? `${text.slice(0, 12)}…` : text);
const when = (seconds) => h("time", { datetime: new Date(seconds * 1000).toISOString() },
  new Date(seconds * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" }));
const since = (seconds) => {
  const s = Math.max(0, Math.floor(Date.now() / 1000 - seconds));
  const [n, unit] = s < 120 ? [s, "second"] : s < 7200 ? [Math.floor(s / 60), "minute"] : s < 172800 ? [Math.floor(s / 3600), "hour"] : [Math.floor(s / 86400), "day"];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(n);
};
const pairs = (rows) => h("dl", {}, rows.filter(Boolean).map(([name, ...value]) => [h("dt", {}, name), h("dd", {}, value)]));
const table = (heads, rows, numbers = []) => h("div", { class: "wide" }, h("table", {},
  h("thead", {}, h("tr", {}, heads.map((t, i) => h("th", { scope: "col", class: numbers.includes(i) && "number" }, t)))),
  h("tbody", {}, rows.map((r) => h("tr", {}, r.map((c, i) => h("td", { class: numbers.includes(i) && "number" }, c)))))));
const trouble = (e) => h("div", { class: "verdict bad", role: "alert" },
  h("strong", {}, e instanceof Refused ? `✗ ${word("refused")}` : "⚠"), h("p", {}, e.message), e.code && h("p", {}, h("code", {}, e.code)));

// ---- nodes, policy ----

const home = location.protocol.startsWith("http") ? location.origin : null;
const others = () => JSON.parse(kept.get("nodes") ?? "[]");
const allNodes = () => [...new Set([home, ...others()].filter(Boolean))];
const node = () => allNodes()[0] ?? "http://127.0.0.1:8080";
let wasm, verifier, policyOf; // policyOf: "own", "node", null

async function loadModule() {
  const inside = $("wasm");
  return inside ? fromBase64(inside.textContent.trim()) : (await fetch("verifier.wasm")).arrayBuffer();
}

async function usePolicy(text, whose) {
  const next = await Verifier.load(wasm);
  next.policy(text, { allowNoQuorum: whose === "node" });
  [verifier, policyOf] = [next, whose];
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
  trust.textContent = policyOf === "own" ? word("trustOwn") : policyOf === "node" ? word("trustNode")
    : bad instanceof Refused ? `${word("trustBad")}: ${bad.message}` : word("trustNone");
}

function judge() {
  if (verifier === undefined) throw new Refused({ error: "E_POLICY", message: word("trustNone") });
  return verifier;
}

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

function nodeRow({ url, status, head, wrong, error }) {
  if (error) return [url, h("span", { class: "bad" }, `${word("unreachable")}: ${error.message}`)];
  const state = [status.behind && word("behind"), status.muted && word("muted"), status.alarm].filter(Boolean);
  return [url, number(status.height), number(status.size), number(status.credentials), number(status.pool), `${status.peers + 1}/${status.members}`,
    head ? h("span", { class: "good" }, `✓ ${head.cosignatures}/${status.members}, ${since(head.quorumTime || status.cosigned_time_ms / 1000)} ${word("ago")}`)
      : h("span", { class: "bad" }, wrong ? wrong.message : word("none")),
    state.length ? h("strong", { class: "bad" }, state.join(", ")) : "✓"];
}

function spark(samples) {
  const most = Math.max(1, ...samples), step = 100 / Math.max(1, samples.length - 1);
  const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg"), path = document.createElementNS(ns, "path");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${word("rate")}: ${number(samples.at(-1) ?? 0)}`);
  path.setAttribute("d", samples.map((s, i) => `${i ? "L" : "M"}${(i * step).toFixed(2)} ${(29 - 28 * s / most).toFixed(2)}`).join(""));
  svg.append(path);
  return svg;
}

async function overview(main, alive) {
  const place = h("div", {}, h("p", {}, word("waiting"))), samples = [];
  main.append(h("h2", {}, word("overview")), place);
  for (let last; alive(); await new Promise((r) => setTimeout(r, 2000))) {
    const found = await lookAtAll();
    if (!alive()) return;
    const best = found.find((f) => f.status), now = performance.now();
    if (best && last) samples.push(Math.max(0, Math.round((best.status.events - last.events) * 1000 / (now - last.now))));
    if (samples.length > 60) samples.shift();
    if (best) last = { events: best.status.events, now };
    const signers = best?.note ? readNote(best.note).signers.filter((s) => s.time > 0) : [];
    place.replaceChildren(
      best ? pairs([[word("height"), number(best.status.height)], [word("events"), number(best.status.events)], [word("credentials"), number(best.status.credentials)],
        [word("time"), when(best.status.time_ms / 1000), ` (${since(best.status.time_ms / 1000)} ${word("ago")})`], [word("rate"), number(samples.at(-1) ?? 0)],
        [word("charter"), `${word("version")} ${best.status.charter_version}`], [word("quorum"), `${best.status.quorum}/${best.status.members}`]]) : "",
      samples.length > 1 ? spark(samples) : "",
      h("h3", {}, word("nodes")),
      table([word("node"), word("height"), word("size"), word("credentials"), word("pool"), word("peers"), word("lag"), word("state")], found.map(nodeRow), [1, 2, 3, 4]),
      h("h3", {}, word("members")),
      table([word("member"), word("age")], signers.map((s) => [s.name, `${since(s.time)} ${word("ago")}`])));
  }
}

// ---- what a proof says ----

function life(history) {
  return h("ol", { class: "life" }, history.map((e) => h("li", { class: e.state === "ACTIVE" ? "good" : "bad" },
    h("strong", {}, word(e.kind)), " ", when(e.recordedAt / 1000), h("br"),
    [word(e.channel), e.carrier && word(e.carrier), e.reason > 0 && `${word("reason")} ${e.reason}`].filter(Boolean).join(" · "))));
}

function verdict(a, took, proof) {
  const good = a.state === "ACTIVE";
  const file = proof && URL.createObjectURL(new Blob([proof], { type: "application/octet-stream" }));
  return h("section", {},
    h("div", { class: `verdict ${good ? "good" : "bad"}`, role: "status" }, h("strong", { "data-state": a.state }, `${good ? "✓" : "✗"} ${word(a.state)}`),
      h("p", {}, `${word("inBlock")} ${number(a.blockHeight)}, `, when(a.blockTime / 1000))),
    pairs([a.present && [word("validUntil"), when(a.validUntil)], a.present && [word("since"), when(a.since / 1000)],
      a.present && a.reason > 0 && [word("reason"), a.reason], a.present && [word("type"), a.type], a.present && [word("agency"), a.agency],
      a.present && [word("carrier"), word(a.carrier)], a.present && [word("device"), hash(a.device)], a.present && [word("events"), number(a.events)],
      [word("cosigned"), `${a.cosignatures}`, a.quorumTime > 0 && [`, ${word("quorumAt")} `, when(a.quorumTime)]],
      [word("checkedBy"), verifier.checkedByBrowser > 0 ? word("browser") : word("module")], [word("took"), `${took.toFixed(1)} ms`]]),
    file && h("p", {}, h("a", { href: file, download: "credential.proof" }, word("save"))),
    a.present && h("h3", {}, word("historyTitle")), a.present && (a.hasHistory ? life(a.history) : h("p", {}, word("noHistory"))));
}

async function checked(proof, handle, maxAge = 0) {
  const started = performance.now();
  const answer = await judge().verify(proof, handle, { maxAge });
  return verdict(answer, performance.now() - started, proof);
}

const isHandle = (text) => /^[0-9a-fA-F]{64}$/.test(text.trim());
const handleField = () => h("input", { name: "handle", required: true, pattern: "\\s*[0-9a-fA-F]{64}\\s*", autocomplete: "off", spellcheck: "false" });

/** Runs what a form asks for, and shows what comes of it below. */
function onSubmit(form, place, what) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    place.replaceChildren(h("p", {}, word("waiting")));
    try {
      place.replaceChildren(await what());
    } catch (e) {
      place.replaceChildren(trouble(e));
    }
  });
}

function credential(main) {
  const field = handleField(), history = h("input", { type: "checkbox", checked: true }), place = h("div", { "aria-live": "polite" });
  const form = h("form", {}, h("label", {}, word("handle"), field), h("p", {}, h("label", {}, h("span", {}, history, " ", word("history")))),
    h("button", {}, word("ask")));
  onSubmit(form, place, async () => {
    const handle = field.value.trim().toLowerCase();
    return checked(await getProof(node(), handle, history.checked), fromHex(handle));
  });
  main.append(h("h2", {}, word("credential")), form, place);
}

// ---- a proof from elsewhere ----

async function qrTextOf(file) {
  if (!("BarcodeDetector" in window)) throw new Error(word("noQr"));
  const [code] = await new window.BarcodeDetector({ formats: ["qr_code"] }).detect(await createImageBitmap(file));
  if (!code) throw new Error(word("noQr"));
  return code.rawValue;
}

function proof(main) {
  const field = handleField(), text = h("textarea", { name: "proof", spellcheck: "false" }), age = h("input", { type: "number", min: 0, value: 0 });
  const choose = h("input", { type: "file" }), place = h("div", { "aria-live": "polite" }), chosen = h("p", {});
  const drop = h("div", { class: "drop" }, h("p", {}, word("proofDrop")), choose, chosen, h("label", {}, word("theProof"), text));
  const form = h("form", {}, drop, h("label", {}, word("handle"), field), h("label", {}, word("maxAge"), age), h("button", {}, word("check")));
  let bytes = null;
  field.required = false;

  const take = async (file) => {
    chosen.textContent = `${file.name}, ${number(file.size)} B`;
    bytes = new Uint8Array(await file.arrayBuffer());
    const start = new TextDecoder().decode(bytes.subarray(0, 24));
    try {
      if (file.type.startsWith("image/")) text.value = await qrTextOf(file);
      else if (start.startsWith("SLK1:") || start.startsWith("c2sp.org/")) text.value = new TextDecoder().decode(bytes);
      else text.value = "";
      if (text.value) bytes = null;
    } catch (e) {
      place.replaceChildren(trouble(e));
    }
  };
  choose.addEventListener("change", () => choose.files[0] && take(choose.files[0]));
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind.startsWith("drage") || kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
      else if (kind === "drop") text.value = event.dataTransfer.getData("text");
    });
  onSubmit(form, place, async () => {
    if (text.value.startsWith("SLK1:")) {
      const code = judge().qr(text.value);
      if (field.value && field.value.trim().toLowerCase() !== [...code.handle].map((b) => b.toString(16).padStart(2, "0")).join(""))
        throw new Refused({ error: "E_HANDLE", message: words[language].refused });
      return checked(code.proof, code.handle, Number(age.value));
    }
    if (!isHandle(field.value)) throw new Error(word("handle"));
    return checked(text.value ? new TextEncoder().encode(text.value) : bytes ?? new Uint8Array(), fromHex(field.value.trim()), Number(age.value));
  });
  main.append(h("h2", {}, word("proof")), form, place);
}

// ---- crowds ----

function crowd(main) {
  const prefix = h("input", { name: "prefix", pattern: "[0-9a-f]{1,64}", autocomplete: "off" }), handle = handleField();
  const digits = h("input", { type: "number", min: 1, max: 16, value: 3 }), place = h("div", { "aria-live": "polite" });
  const form = h("form", {}, h("label", {}, word("prefix"), prefix), h("label", {}, word("prefixOf"), handle), h("label", {}, word("digits"), digits), h("button", {}, word("ask")));
  handle.required = false;
  onSubmit(form, place, async () => {
    const whole = isHandle(handle.value) ? judge().sha256(fromHex(handle.value.trim())) : null;
    const asked = whole ? whole.slice(0, Number(digits.value)) : prefix.value;
    const answer = await judge().crowd(await getJson(node(), `/v1/map/${asked}`), asked);
    return h("section", {}, h("p", { class: "good" }, `✓ ${number(answer.records.length)} ${word("crowdSays")}`),
      pairs([[word("height"), number(answer.height)], [word("cosigned"), answer.cosignatures]]),
      table([word("place"), word("state"), word("count"), word("type"), word("validUntil")], answer.records.map((r) =>
        [r.path === whole ? h("strong", {}, hash(r.path)) : hash(r.path), word(r.state), number(r.count), r.type, when(r.validUntil)]), [2]));
  });
  main.append(h("h2", {}, word("crowd")), form, place);
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

function entryRow(block, e, i) {
  const what = e.event ? [word(e.event.kind), " ", hash(e.event.credential)] : e.entry === "AUTHORIZATION" ? [`${e.count} × `, hash(e.keyId)] : e.entry === "SEAL" ? hash(e.mapRoot) : "";
  return [number(block.first_index + i), e.entry, what, e.event ? [word(e.event.channel), e.event.carrier && `, ${word(e.event.carrier)}`].filter(Boolean) : "", `${e.size} B`];
}

async function block(main, alive, height) {
  const place = h("div", { "aria-live": "polite" }, h("p", {}, word("waiting")));
  main.append(h("h2", {}, word("block")), place);
  try {
    const status = await getJson(node(), "/v1/status");
    const at = height === undefined || height === "" ? status.height : Number(height);
    const read = async (height) => { const b = await getJson(node(), `/v1/blocks/${height}`); return [b, judge().entries(fromBase64(b.entries))]; };
    const [found, entries] = await read(at), before = at > 0 ? (await read(at - 1))[1].slice(-1) : [];
    const head = await judge().checkpoint(await getText(node(), "/checkpoint")), size = found.first_index + entries.length;
    const isNew = size > head.size && found.size > head.size, isGood = size <= head.size && isWhole(at, found.first_index, entries, before)
      && await isInLog(found.first_index - before.length, [...before, ...entries], head);
    if (!alive()) return;
    const field = h("input", { type: "number", min: 0, max: status.height, value: at }), form = h("form", {}, h("label", {}, word("goTo"), field), h("button", {}, word("go")));
    form.addEventListener("submit", (e) => { e.preventDefault(); location.hash = `#/block/${field.value}`; });
    place.replaceChildren(form,
      h("p", {}, at > 0 && h("a", { href: `#/block/${at - 1}` }, `← ${word("previous")}`), " ", at < status.height && h("a", { href: `#/block/${at + 1}` }, `${word("next")} →`)),
      h("p", { class: isGood ? "good" : isNew ? "warn" : "bad", role: "status" }, isGood ? `✓ ${word("blockGood")}` : isNew ? word("blockNew") : `✗ ${word("blockBad")}`),
      pairs([[word("height"), number(at)], [word("time"), when((isGood ? entries.at(-1).time : found.time_ms) / 1000)], [word("hash"), h("code", {}, found.hash)],
        [word("proposer"), found.proposer], [word("events"), number(entries.filter((e) => e.event).length)], [word("size"), number(size)]]),
      h("h3", {}, word("entriesTitle")),
      table(["#", word("entry"), "", "", ""], entries.slice(0, 1000).map((e, i) => entryRow(found, e, i)), [0, 4]),
      entries.length > 1000 ? h("p", {}, `… ${number(entries.length - 1000)}`) : "");
  } catch (e) {
    place.replaceChildren(trouble(e));
  }
}

// ---- several nodes ----

async function compareNodes() {
  const found = (await lookAtAll()).filter((f) => f.head), longest = found.reduce((a, b) => (a && a.head.size >= b.head.size ? a : b), null);
  const rows = [];
  for (const f of found) {
    let same = f.head.size === longest.head.size && f.head.root === longest.head.root;
    if (!same && f.head.size < longest.head.size) {
      const { path } = await getJson(longest.url, `/v1/consistency/${f.head.size}-${longest.head.size}`);
      same = judge().isConsistent(f.head, longest.head, path);
    }
    rows.push({ ...f, same });
  }
  return { rows, longest };
}

function nodes(main, alive) {
  const field = h("input", { type: "url", required: true, placeholder: "http://node.example:8080" }), list = h("ul"), place = h("div", { "aria-live": "polite" });
  const form = h("form", {}, h("label", {}, word("addNode"), field), h("button", {}, word("add")));
  const compare = async () => {
    place.replaceChildren(h("p", {}, word("waiting")));
    try {
      const { rows, longest } = await compareNodes();
      if (!alive()) return;
      const split = rows.some((r) => !r.same);
      place.replaceChildren(
        h("p", { class: split ? "bad" : rows.length > 1 ? "good" : "warn", role: split ? "alert" : "status" }, split ? word("splitBad") : rows.length > 1 ? `✓ ${word("splitGood")}` : word("splitOne")),
        table([word("node"), word("size"), word("hash"), ""], rows.map((r) => [r.url, number(r.head.size), hash(r.head.root),
          r === longest || r.url === longest.url ? word("longest") : r.same ? word("agrees") : h("strong", { class: "bad" }, word("disagrees"))]), [1]),
        split ? h("pre", {}, rows.map((r) => `${r.url}\n${r.note}`).join("\n")) : "");
    } catch (e) {
      place.replaceChildren(trouble(e));
    }
  };
  const show = () => list.replaceChildren(...allNodes().map((url) => h("li", {}, url, " ", url !== home && h("button", {
    "aria-label": `${word("remove")} ${url}`, onclick: () => { kept.set("nodes", JSON.stringify(others().filter((o) => o !== url))); show(); compare(); },
  }, word("remove")))));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    kept.set("nodes", JSON.stringify([...new Set([...others(), new URL(field.value).origin])]));
    field.value = "";
    show();
    compare();
  });
  main.append(h("h2", {}, word("splitTitle")), list, form, place);
  show();
  compare();
}

// ---- charter ----

async function charter(main, alive) {
  main.append(h("h2", {}, word("charter")));
  try {
    const [c, evidence] = [await getJson(node(), "/v1/charter"), await getJson(node(), "/v1/evidence").catch(() => ({}))];
    if (!alive()) return;
    const votes = evidence.votes ?? evidence.evidence ?? [];
    main.append(pairs([[word("version"), c.version], [word("hash"), h("code", {}, c.hash)], c.pending && [word("pendingCharter"), number(c.pending.activation)]].filter(Boolean)),
      h("h3", {}, word("members")), table([word("agency"), word("name"), word("role")], c.members.map((m) => [m.agency, m.name, m.role])),
      h("h3", {}, word("issuers")), table([word("name"), word("agency"), word("kinds"), word("types")], c.issuers.map((i) =>
        [i.name, i.agency, i.kinds.map(word).join(", "), i.types.join(", ")])),
      h("h3", {}, word("types")), table([word("code"), word("name")], c.types.map((t) => [t.code ?? t.type, t.name])),
      h("h3", {}, word("reasons")), table([word("code"), word("name")], c.reasons.map((r) => [r.code, r.name ?? r.text])),
      votes.length > 0 && h("h3", { class: "bad" }, `${word("evidence")}: ${votes.length}`) || "");
  } catch (e) {
    main.append(trouble(e));
  }
}

// ---- policy ----

function policy(main) {
  const text = h("textarea", { name: "policy", spellcheck: "false" }), place = h("div", { "aria-live": "polite" }), choose = h("input", { type: "file" });
  const form = h("form", {}, h("label", {}, word("policyText"), text), choose, h("button", {}, word("use")));
  text.value = kept.get("policy") ?? "";
  choose.addEventListener("change", async () => { if (choose.files[0]) text.value = await choose.files[0].text(); });
  onSubmit(form, place, async () => {
    (await Verifier.load(wasm)).policy(text.value); // refused: the one in use stays
    kept.set("policy", text.value);
    await choosePolicy();
    return h("p", { class: "good" }, word("policySaved"));
  });
  main.append(h("h2", {}, word("policy")), form, h("p", {}, h("button", { onclick: async () => { kept.set("policy", null); text.value = ""; await choosePolicy(); } }, word("forget"))), place);
  getText(node(), "/v1/policy").then((t) => main.append(h("h3", {}, word("policyOfNode")), h("pre", {}, t)), () => {});
}

// ---- moving about ----

const views = { "": overview, credential, proof, crowd, block, nodes, charter, policy };
let visit = 0;

function show() {
  const [, name = "", parameter] = location.hash.split("/"), view = Object.hasOwn(views, name) ? name : "", mine = ++visit, main = $("main");
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  $("about").textContent = word("about");
  $("views").replaceChildren(...Object.keys(views).map((v) => h("a", { href: `#/${v}`, "aria-current": v === view && "page" }, word(v || "overview"))));
  document.title = `${word(view || "overview")} – Sillok`;
  main.replaceChildren();
  views[view](main, () => mine === visit, parameter);
}

$("language").value = language;
$("language").addEventListener("change", async () => {
  language = $("language").value;
  kept.set("language", language);
  await choosePolicy();
  show();
});
window.addEventListener("hashchange", () => { show(); $("main").focus(); });
wasm = await loadModule();
await choosePolicy();
show();
document.documentElement.dataset.ready = "yes";
