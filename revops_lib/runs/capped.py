"""papermill's client with a limit on what a cell may show."""

from __future__ import annotations

from typing import Any

from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient


class CappedClient(PapermillNotebookClient):
    """Keeps the first `limit` characters of what each cell shows and notes the cut; errors are always shown, shortened."""

    def __init__(self, nb_man: Any, limit: int, **traits: Any) -> None:
        super().__init__(nb_man, **traits)
        self._limit = limit
        self._shown: dict[int, int] = {}

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        content, so_far = msg["content"], self._shown.get(cell_index, 0)
        if msg["msg_type"] == "error":
            content["evalue"] = content["evalue"][: self._limit]
            content["traceback"] = [line[: self._limit] for line in content["traceback"]]
            return super().output(outs, msg, display_id, cell_index)
        self._shown[cell_index] = so_far + _size(content)
        if so_far > self._limit:
            return None
        if self._shown[cell_index] <= self._limit:
            return super().output(outs, msg, display_id, cell_index)
        if "text" in content:
            content["text"] = content["text"][: self._limit - so_far]
            super().output(outs, msg, display_id, cell_index)
        note = f"\n… cut: a cell may show {self._limit:,} characters\n"
        outs.append(new_output("stream", name="stderr", text=note))
        return outs[-1]


def _size(content: dict[str, Any]) -> int:
    return len(content.get("text", "")) + sum(len(str(value)) for value in content.get("data", {}).values())
