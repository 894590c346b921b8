"""The clients of a kernel: papermill's, with a limit on what a cell may show, and Jupyter's, without its pauses."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient

_SHOWN = ("stream", "display_data", "execute_result", "update_display_data")


class PromptClient(AsyncKernelClient):
    """Jupyter's client, but for the half second that it waits at the start of a kernel for messages that do not come."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel has answered and what it says reaches us: the last it says of our own question is `idle`."""
        until = time.monotonic() + (timeout or float("inf"))
        while time.monotonic() < until:
            if not await self._async_is_alive():
                raise RuntimeError("Kernel died before it was ready")
            question = self.kernel_info()
            try:
                while (await self.shell_channel.get_msg(timeout=1))["parent_header"].get("msg_id") != question:
                    pass
                while not _ends(await self.iopub_channel.get_msg(timeout=1), question):
                    pass
            except Empty:  # it was asked before it listened
                continue
            return
        raise RuntimeError(f"Kernel was not ready in {timeout:g} seconds")


def _ends(message: dict[str, Any], question: str) -> bool:
    """Whether a kernel says that it has done with a question."""
    return message["parent_header"].get("msg_id") == question and message["content"].get("execution_state") == "idle"


class CappedClient(PapermillNotebookClient):
    """Keeps the first `limit` characters of what each cell shows and notes the cut; errors are always shown, shortened."""

    def __init__(self, nb_man: Any, limit: int, **traits: Any) -> None:
        super().__init__(nb_man, **traits)
        self._limit = limit
        self._left: dict[int, int] = {}  # characters, by cell

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        content = msg["content"]
        if msg["msg_type"] == "error":
            content["evalue"] = content["evalue"][: self._limit]
            content["traceback"] = [line[: self._limit] for line in content["traceback"]]
        if msg["msg_type"] not in _SHOWN:
            return super().process_message(msg, cell, cell_index)
        left, size = self._left.get(cell_index, self._limit), _size(content)
        self._left[cell_index] = left - size
        if size <= left:
            return super().process_message(msg, cell, cell_index)
        if left >= 0:  # the first that is too much
            if "text" in content:
                content["text"] = content["text"][:left]
                super().process_message(msg, cell, cell_index)
            note = f"\n… cut: a cell may show {self._limit:,} characters\n"
            cell.outputs.append(new_output("stream", name="stderr", text=note))
        return None


def _size(content: dict[str, Any]) -> int:
    return len(content.get("text", "")) + sum(len(str(value)) for value in content.get("data", {}).values())


def join_streams(notebook: Any) -> None:
    """One stdout and one stderr per cell, stdout first: in which pieces and in what order they arrive is chance.

    nbclient can do this, too, but takes hours for a line of a million characters.
    """
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        streams = [one for one in outputs if one.output_type == "stream"]
        if not streams:
            continue
        first = next(i for i, one in enumerate(outputs) if one.output_type == "stream")
        before = outputs[:first]
        others = [one for one in outputs[first:] if one.output_type != "stream"]
        joined = [
            new_output("stream", name=name, text=_overwritten("".join(one.text for one in streams if one.name == name)))
            for name in ("stdout", "stderr")
            if any(one.name == name for one in streams)
        ]
        cell.outputs = [*before, *joined, *others]


def _overwritten(text: str) -> str:
    """What is left of lines that were written over after a carriage return, as progress bars are."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
