"""Reasoning written into the text itself, as a leading `<think>…</think>` block."""

from __future__ import annotations

from typing import Literal

_OPEN, _CLOSE = "<think>", "</think>"
MAX_PENDING = 10_000
"""Characters of whitespace that are held back while a tag may follow."""


def split_think(text: str) -> tuple[str, str]:
    """(text, reasoning) of a text that may open with a `<think>` block."""
    head = text.lstrip()
    if not head.startswith(_OPEN):
        return text, ""
    reasoning, closed, rest = head[len(_OPEN) :].partition(_CLOSE)
    return (rest.lstrip() if closed else ""), reasoning.strip()


class ThinkSplitter:
    """Splits a leading `<think>` block off streamed text; once past it, it is no longer `active`.

    `strip_after`: the characters removed between the block and the text; None: all whitespace.
    """

    def __init__(self, strip_after: str | None = None) -> None:
        self.active = True
        self._strip_after = strip_after
        self._stage: Literal["before", "inside", "after"] = "before"
        self._pending = ""
        self._reasoning_began = False

    def feed(self, text: str) -> tuple[str, str]:
        """(text, reasoning) that are certain by now."""
        if len(self._pending) > MAX_PENDING and self._pending.isspace():
            self._pending = self._pending[:1]  # no honest text has so much space in it
        self._pending += text
        if self._stage == "before":
            head = self._pending.lstrip()
            if not head.startswith(_OPEN):
                return ("" if _OPEN.startswith(head) else self._release()), ""
            self._stage, self._pending = "inside", head[len(_OPEN) :]
        reasoning = self._take_reasoning() if self._stage == "inside" else ""
        if self._stage == "inside":
            return "", reasoning
        self._pending = self._pending.lstrip(self._strip_after)
        return (self._release() if self._pending else ""), reasoning

    def _take_reasoning(self) -> str:
        """Reasoning that is certain. What may be part of the closing tag stays pending."""
        if not self._reasoning_began:
            self._pending = self._pending.lstrip()
        reasoning, closed, rest = self._pending.partition(_CLOSE)
        self._reasoning_began = self._reasoning_began or bool(reasoning.strip())
        if closed:
            self._stage, self._pending = "after", rest
            return reasoning.rstrip()
        # Whitespace at the end stays pending too: before the closing tag it is dropped.
        certain = reasoning[: len(reasoning) - _overlap(reasoning, _CLOSE)].rstrip()
        self._pending = reasoning[len(certain) :]
        return certain

    def close(self) -> tuple[str, str]:
        """(text, reasoning) still pending when the stream ended."""
        inside = self._stage == "inside"
        pending = self._release()
        return ("", pending.rstrip()) if inside else (pending, "")

    def _release(self) -> str:
        self.active, pending, self._pending = False, self._pending, ""
        return pending


def _overlap(text: str, tag: str) -> int:
    """The length of the longest end of `text` that begins `tag`."""
    lengths = range(min(len(tag), len(text)), 0, -1)
    return next((n for n in lengths if tag.startswith(text[-n:])), 0)
