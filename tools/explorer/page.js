// page.js: elements, words, numbers and times: what the views are made of.

import { words } from "./words.js";

export const $ = (id) => document.getElementById(id);

/** What this browser keeps: the language, the nodes, the policy, the newest head it verified. Never a handle. */
const memory = new Map(); // what the storage does not take, full or forbidden: until the page is closed
export const kept = {
  get(name) {
    if (memory.has(name)) return memory.get(name);
    try { return localStorage.getItem(`sillok.${name}`); } catch { return null; }
  },
  set(name, value) {
    memory.delete(name);
    try {
      if (value !== null) {
        localStorage.setItem(`sillok.${name}`, value);
        return;
      }
    } catch {
      memory.set(name, value);
    }
    try { localStorage.removeItem(`sillok.${name}`); } catch { /* there is none */ } // nothing older comes back
  },
};

let language = kept.get("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
export const languageNow = () => language;
export function setLanguage(name) {
  language = Object.hasOwn(words, name) ? name : "en";
  kept.set("language", language);
}
export const word = (key) => words[language][key] ?? key;
/** Words with {places} in them. */
export const say = (key, values) => word(key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

/** An element: h("p", { class: "x", onclick }, children...). Text is text: nothing from a node is ever read as HTML. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(9).filter((c) => c !== undefined && c !== null && c !== false).map((c) => (c instanceof Node ? c : String(c))));
  return element;
}

export const number = (n) => Number(n).toLocaleString(language);
export const hash = (text) => h("code", { title: text }, text.length > 20 ? `${text.slice(0, 12)}…` : text);
/** In the reader's own time; the ledger's, which all share, stands behind it. */
export function when(seconds) {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return h("span", {}, seconds); // no calendar has that
  return h("time", { datetime: time.toISOString(), title: time.toISOString() }, time.toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" }));
}

export function duration(s) {
  const [n, unit] = s < 120 ? [s, "second"] : s < 7200 ? [Math.floor(s / 60), "minute"] : s < 172800 ? [Math.floor(s / 3600), "hour"] : [Math.floor(s / 86400), "day"];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(n);
}
const ageOf = (seconds) => say("ago", { time: duration(Math.max(0, Math.floor(Date.now() / 1000 - seconds))) });
/** "5 seconds ago", and it goes on: tickAges() */
export const ago = (seconds) => h("span", { "data-since": seconds }, ageOf(seconds));
export function tickAges(root) {
  for (const element of root.querySelectorAll("[data-since]")) {
    const text = ageOf(Number(element.dataset.since));
    if (element.textContent !== text) element.textContent = text;
  }
}

export const pairs = (rows) => h("dl", {}, rows.filter(Boolean).map(([name, ...value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

/** A table; on narrow screens each row stands as a block of its own, so the roles are said and every cell names its column. */
export const table = (caption, heads, rows, numbers = []) => h("table", { role: "table" }, h("caption", { class: "visually-hidden" }, caption),
  h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((t, i) => h("th", { scope: "col", role: "columnheader", class: numbers.includes(i) && "number" }, t)))),
  h("tbody", { role: "rowgroup" }, rows.map((r) => h("tr", { role: "row" }, r.map((c, i) =>
    h("td", { role: "cell", class: numbers.includes(i) && "number", "data-head": heads[i] }, h("span", {}, c)))))));

/** Who refuses says why in words of the page's language, and in the verifier's own. */
export function sentenceOf(e) {
  const own = e.code && words[language][e.code];
  if (own) return own;
  if (e instanceof TypeError || e.name === "TimeoutError" || e.name === "AbortError") return word("unreachable");
  return e.message;
}
export const trouble = (e, heading) => h("div", { class: "verdict bad", role: "alert" },
  h("strong", {}, heading), h("p", {}, sentenceOf(e)),
  e.code && h("p", { class: "small" }, h("code", {}, e.code), sentenceOf(e) !== e.message && ` ${e.message}`));
