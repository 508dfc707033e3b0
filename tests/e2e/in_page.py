#!/usr/bin/env python3
"""Verdicts of the page itself, in a real browser: in_page.py PAGE CASES.json > ANSWERS.json

CASES: { policies: {name: text}, cases: [{ policy, handle, now, max_age, proof }] }, proofs in base64. ANSWERS: for each case
[by WebCrypto, by the module], each { refused, words } or what the proof says; and how many signatures the browser checked. The page is
opened from the disk: nothing is asked of any network. Exit status 3: there is no browser.
"""
import json
import os
import sys

import browser

ASK = """
    const { policies, cases } = arguments[0], { Verifier, wasm } = sillok, bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const hex = (text) => Uint8Array.from(text.match(/../g), (two) => parseInt(two, 16));
    const judge = async (verifier, c) => {
      try {
        const a = await verifier.verify(bytes(c.proof), hex(c.handle), { now: c.now, maxAge: c.max_age ?? 0 });
        return { state: a.state, present: a.present, history: a.hasHistory, events: a.present ? a.events : undefined, size: a.treeSize,
          quorum: a.quorumTime, age: a.age, cosignatures: a.cosignatures, device: a.device };
      } catch (e) {
        if (e.code === undefined) throw e;
        return { refused: e.code, words: e.message };
      }
    };
    return (async () => {
      const answers = cases.map(() => []);
      let native = 0;
      for (const useNative of [true, false])
        for (const [name, text] of Object.entries(policies)) {
          const verifier = await Verifier.load(wasm);
          verifier.policy(text);
          verifier.useNative = useNative;
          for (let i = 0; i < cases.length; i++) {
            if (cases[i].policy !== name) continue;
            answers[i].push(await judge(verifier, cases[i]));
            native += useNative ? verifier.checkedByBrowser : 0;
          }
        }
      return JSON.stringify({ answers, native });
    })();
"""

if not browser.available():
    sys.exit(3)
with open(sys.argv[2]) as f:
    cases = json.load(f)
chrome = browser.Browser()
try:
    chrome.open(f"file://{os.path.abspath(sys.argv[1])}")
    if not chrome.wait("document.documentElement.dataset.ready === 'yes'"):
        sys.exit("the page does not begin: " + chrome.text())
    chrome.call("POST", "/timeouts", {"script": 110_000})
    print(chrome.run(ASK, cases))
finally:
    chrome.close()
