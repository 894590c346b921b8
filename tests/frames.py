"""Pages of a built site opened in frames of a browser without a network, one after the other, and what a function finds in each."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from test_site import browse

PHONE = 390
_WATCH = """<!doctype html><meta charset="utf-8"><pre id="found"></pre><script>
const found = [], addresses = ADDRESSES;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const next = () => {
  if (found.length === addresses.length) {
    document.getElementById("found").textContent = JSON.stringify(found);
    return;
  }
  const frame = document.createElement("iframe");
  frame.width = WIDTH, frame.height = 800;
  frame.onload = async () => {
    frame.onload = null;
    try { found.push(await (WORK)(frame.contentWindow, frame.contentWindow.document, sleep)); } catch (failure) { found.push(String(failure)); }
    frame.remove();
    next();
  };
  frame.src = addresses[found.length];
  document.body.append(frame);
};
next();
</script>"""


def script(addresses: list[str], work: str, width: int) -> str:
    """A page that opens the addresses and shows what `work(window, document, sleep)` returns for each."""
    return _WATCH.replace("ADDRESSES", json.dumps(addresses)).replace("WORK", work).replace("WIDTH", str(width))


def shown(dom: str) -> list[Any]:
    found = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert found and found[1], dom[-2000:]
    answers: list[Any] = json.loads(html.unescape(found[1]))
    return answers


def in_frames(addresses: list[str], work: str, tmp_path: Path, *, width: int = 1280, budget: int = 60_000) -> list[Any]:
    """What `work` finds in each address, files of this machine, in a window of `width`; `budget` is the browser's own time in ms."""
    watch = tmp_path / "watch.html"
    watch.write_text(script(addresses, work, width), encoding="utf-8")
    dom = browse(watch.as_uri(), tmp_path, "--allow-file-access-from-files", f"--virtual-time-budget={budget}")
    return shown(dom)
