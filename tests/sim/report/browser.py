"""A headless Chromium, told what to do over a pipe (Chrome DevTools Protocol): no driver is needed for that."""

from __future__ import annotations

import base64
import json
import os
import select
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = "MOE_COSIM_TEST_CHROMIUM"
"""Set to ``required`` where a missing browser is a failure (continuous integration, which installs it)."""
_LONGEST_S = 120
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def executable() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name)) is not None), None)


@dataclass
class Seen:
    """What happened on a page since it was opened."""

    requested: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and exceptions."""


class Browser:
    """One page at a time."""

    def __init__(self, profile: Path) -> None:
        path = executable()
        assert path is not None
        ours, theirs = os.pipe(), os.pipe()
        command = f"exec {shlex.join([path, *_OPTIONS, f'--user-data-dir={profile}'])} 3<&{ours[0]} 4>&{theirs[1]}"
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._to, self._from, self._unread, self._number = ours[1], theirs[0], b"", 0
        self.seen = Seen()
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session: str | None = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, path: Path, width: int, dark: bool = False, media: str = "screen") -> None:
        """Until every chart is drawn."""
        self.seen = Seen()
        self.look(width, dark, media)
        self._ask("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.documentElement?.dataset.drawn === 'all'")

    def look(self, width: int, dark: bool = False, media: str = "screen") -> None:
        """The same page in another window, light or dark."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def evaluate(self, expression: str) -> Any:
        """The value of JavaScript, waited for."""
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def settle(self) -> None:
        """Until what was resized is drawn again."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")

    def screenshot(self, path: Path) -> None:
        """Of the whole page."""
        size = self._ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self._ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def printed(self) -> bytes:
        """PDF."""
        return base64.b64decode(self._ask("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        self._session = None
        self._ask("Browser.close")
        self._process.wait(_LONGEST_S)
        os.close(self._to)
        os.close(self._from)

    def wait(self, condition: str) -> None:
        """Until it holds."""
        end = time.monotonic() + _LONGEST_S
        while not self.evaluate(condition):
            assert time.monotonic() < end, f"{condition} has not come: {self.seen.said}"
            time.sleep(0.05)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if getattr(self, "_session", None) is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            assert select.select([self._from], [], [], _LONGEST_S)[0], "the browser does not answer"
            more = os.read(self._from, 1 << 20)
            assert more, "the browser has ended"
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(line))

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.seen.requested.append(told["request"]["url"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.seen.said.append(str([each.get("value", each.get("description")) for each in told["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.seen.said.append(str(told["exceptionDetails"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.seen.said.append(told["entry"]["text"])
