"""A headless Chromium, driven over the WebDriver protocol: no package beside chromium and chromium-driver."""
import base64
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time

from network import free_ports

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--window-size=1100,1400"]


def available():
    return shutil.which("chromedriver") and (shutil.which("chromium") or shutil.which("chromium-browser"))


class Browser:
    def __init__(self, language="en"):
        self.dir = tempfile.mkdtemp(prefix="sillok-browser-")
        port, = free_ports(1)
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env={**os.environ, "HOME": self.dir})
        self.port, self.session = port, None
        end = time.monotonic() + 60
        while True:
            try:
                if self.call("GET", "/status")["ready"]:
                    break
            except OSError:
                pass
            if time.monotonic() > end:
                raise RuntimeError("chromedriver does not start")
            time.sleep(0.1)
        options = {"args": FLAGS + [f"--user-data-dir={self.dir}/profile", f"--lang={language}"],
                   "binary": shutil.which("chromium") or shutil.which("chromium-browser"), "prefs": {"intl.accept_languages": language}}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})["sessionId"]

    def call(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        path = path if self.session is None else f"/session/{self.session}{path}"
        c.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(c.getresponse().read())["value"]
        c.close()
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(f"{answer['error']}: {answer['message']}")
        return answer

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        """The value of a function body in the page; promises are waited for."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def wait(self, condition, seconds=30):
        """Until a JavaScript expression is true; whether it became so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.run(f"return !!({condition})"):
                return True
            time.sleep(0.05)
        return False

    def devtools(self, command, **params):
        """One command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def look(self, width=1100, height=1400, dark=False, calm=False):
        """As on a screen of this size, for a reader who likes it dark, or without motion."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                                                              {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}])

    def press(self, key, shift=False):
        """A key on the keyboard, for whatever has the focus."""
        code = {"Tab": 9, "Enter": 13, "Space": 32}[key]
        text = {"Enter": "\r", "Space": " "}.get(key)
        what = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.devtools("Input.dispatchKeyEvent", type="keyDown", **what, **({"text": text} if text else {}))
        self.devtools("Input.dispatchKeyEvent", type="keyUp", **what)

    def text(self, selector="body"):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def screenshot(self, path):
        """Of the whole page."""
        picture = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as f:
            f.write(base64.b64decode(picture["data"]))

    def complaints(self):
        """What the page's console says of errors."""
        return [e["message"] for e in self.call("POST", "/se/log", {"type": "browser"}) if e["level"] == "SEVERE"]

    def close(self):
        try:
            if self.session:
                self.call("DELETE", "")
        except (OSError, RuntimeError):
            pass
        self.driver.terminate()
        self.driver.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
