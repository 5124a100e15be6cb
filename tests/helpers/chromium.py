"""A real Chromium, driven over a pipe by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
]
# Windows' virtual key codes, by which Chromium knows keys that are no characters.
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}


class Page:
    """One page of a browser.

    Attributes:
        requests: the URLs that it has asked for.
        log: what it has written on its console, and what its policy has forbidden.
    """

    def __init__(self, to_browser: BinaryIO, from_browser: BinaryIO) -> None:
        self._to, self._from = to_browser, from_browser
        self._ids = count(1)
        self._session: dict[str, str] = {}
        self.requests: list[str] = []
        self.log: list[str] = []

    def open(self, path: Path, width: int = 1280, *, dark: bool = False) -> None:
        """Opens a file in a new page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.as_uri())
        # The empty page before it may have had its event late.
        while self._receive().get("method") != "Page.loadEventFired" or self.evaluate("location.href") != path.as_uri():
            pass

    def call(self, method: str, **parameters: object) -> Any:
        """Makes one call of the protocol."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters, **self._session}
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while (answer := self._receive()).get("id") != number:
            pass
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def evaluate(self, script: str) -> Any:
        """The value of a script's last expression; a promise is awaited."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Presses and releases one key."""
        code = {"key": key, "windowsVirtualKeyCode": _KEYS.get(key, ord(key[0].upper())), "modifiers": 8 * shift}
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def click(self, selector: str) -> None:
        """Clicks in the middle of the first element that a selector finds."""
        found = f"document.querySelector({json.dumps(selector)})"
        x, y = self.evaluate(
            f"{found}.scrollIntoView({{block: 'center'}}); box = {found}.getBoundingClientRect();"
            "[box.x + box.width / 2, box.y + box.height / 2]"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def accessible(self) -> list[tuple[str, str]]:
        """The role and the name of each node that a screen reader is given."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(it["role"]["value"], it.get("name", {}).get("value", "")) for it in nodes if not it["ignored"]]

    def screenshot(self, path: Path) -> None:
        """Draws the whole page as a PNG, for a person who looks for what a test has found."""
        drawn = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(drawn["data"]))

    def _receive(self) -> dict[str, Any]:
        received = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "the browser has ended"
            received += byte
        message: dict[str, Any] = json.loads(received)
        match message.get("method"), message.get("params"):
            case "Network.requestWillBeSent", {"request": {"url": url}} if not url.startswith("data:"):
                self.requests.append(url)
            case "Log.entryAdded", {"entry": {"text": text}}:
                self.log.append(text)
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown", details:
                self.log.append(str(details))
        return message


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Starts a browser while the block lasts; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    reads, to_browser = os.pipe()
    from_browser, writes = os.pipe()
    options = [*OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    # It reads descriptor 3, and writes to 4.
    starts = ["sh", "-c", f'exec "$@" 3</dev/fd/{reads} 4>/dev/fd/{writes}', "sh", CHROMIUM, *options]
    with (
        os.fdopen(to_browser, "wb") as sent,
        os.fdopen(from_browser, "rb") as received,
        subprocess.Popen(starts, pass_fds=(reads, writes), stderr=subprocess.DEVNULL) as process,
    ):
        os.close(reads)
        os.close(writes)
        try:
            yield Page(sent, received)
        finally:
            process.terminate()
