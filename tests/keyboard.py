"""A browser that is typed into: Chromium steered over a pipe, for what scripts inside a page cannot do, such as pressing a key."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from test_site import chromium

PATIENCE = 30  # seconds for a page to show what is waited for
_CODES = {"Tab": 9, "Enter": 13, "Escape": 27}
_FOCUSED = "[document.activeElement.tagName, document.activeElement.innerText, document.activeElement.href || '']"


class Keyboard:
    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = os.fdopen(commands, "wb", 0), os.fdopen(answers, "rb")
        self._asked = 0
        self._session = ""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def open(self, address: str) -> None:
        self._ask("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression: str) -> Any:
        """What an expression is on the page; None while the page changes."""
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True).get("result", {}).get("value")

    def wait(self, expression: str) -> None:
        until = time.monotonic() + PATIENCE
        while not self.value(expression):
            assert time.monotonic() < until, expression
            time.sleep(0.05)

    def press(self, key: str, *, control: bool = False) -> None:
        code = _CODES.get(key) or ord(key.upper())
        said = {"key": key, "windowsVirtualKeyCode": code, "code": key if key in _CODES else f"Key{key.upper()}"}
        said |= {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, modifiers=2 * control, **said)

    def type(self, text: str) -> None:
        self._ask("Input.insertText", text=text)

    def focused(self) -> list[str]:
        """Element, text and address of what a key would reach."""
        found: list[str] = self.value(_FOCUSED)
        return found

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        self._commands.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == self._asked:
                return answer.get("result", {})

    def _read(self) -> bytes:
        raw = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser ended"
            raw += byte
        return bytes(raw)


@contextmanager
def keyboard(tmp_path: Path) -> Iterator[Keyboard]:
    """A browser's keyboard; the browser reads commands from descriptor 3 and answers on 4."""
    read, commands = os.pipe()
    answers, write = os.pipe()
    command = shlex.join([*chromium(tmp_path), "--window-size=1280,900", "--remote-debugging-pipe"])
    line = f"exec {command} 3<&{read} 4>&{write}"
    browser = subprocess.Popen(["bash", "-c", line], pass_fds=(read, write), stderr=subprocess.DEVNULL)
    os.close(read)
    os.close(write)
    try:
        yield Keyboard(commands, answers)
    finally:
        browser.kill()
        browser.wait()
