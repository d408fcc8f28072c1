"""Reasoning written into the text itself, as a leading `<think>…</think>` block, or in the tokens
of a model that thinks in its own: OpenAI's Harmony, ByteDance's Seed, Kimi, Gemma."""

from __future__ import annotations

from typing import Literal

_FINAL = "<|channel|>final<|message|>"
_TAGS = {
    "<think>": "</think>",
    "<seed:think>": "</seed:think>",
    "◁think▷": "◁/think▷",
    "<|channel|>analysis<|message|>": f"<|end|><|start|>assistant{_FINAL}",
    "<|channel>thought": "<channel|>",
}
"""What opens a block, and what closes it. `<thinking>` and `<thought>` are not among them: prompts
ask for those, and read them."""
MAX_PENDING = 10_000
"""Characters of whitespace that are held back while a tag may follow."""


def split_think(text: str) -> tuple[str, str]:
    """(text, reasoning) of a text that may open with a block of reasoning."""
    head = text.lstrip()
    if head.startswith(_FINAL):
        return head.removeprefix(_FINAL), ""
    opened = _opened(head)
    if not opened:
        return _after_a_close(text)
    reasoning, closed, rest = head[len(opened) :].partition(_TAGS[opened])
    return (rest.lstrip() if closed else ""), reasoning.strip()


def _after_a_close(text: str) -> tuple[str, str]:
    """Some servers put the opening tag into the prompt, so that only the closing one comes."""
    reasoning, closed, rest = text.partition("</think>")
    if not closed or not rest.strip() or "<think>" in reasoning or "`" in text:
        return text, ""
    return rest.lstrip(), reasoning.strip()


def _opened(head: str) -> str:
    """The tag that a text begins with; empty: with none."""
    return next((tag for tag in _TAGS if head.startswith(tag)), "")


class ThinkSplitter:
    """Splits a leading block of reasoning off streamed text; past it, it is no longer `active`.

    `strip_after`: the characters removed between the block and the text; None: all whitespace.
    """

    def __init__(self, strip_after: str | None = None) -> None:
        self.active = True
        self._strip_after = strip_after
        self._stage: Literal["before", "inside", "after"] = "before"
        self._pending = self._close_tag = ""
        self._reasoning_began = False

    def feed(self, text: str) -> tuple[str, str]:
        """(text, reasoning) that are certain by now."""
        if len(self._pending) > MAX_PENDING and self._pending.isspace():
            self._pending = self._pending[:1]  # no honest text has so much space in it
        self._pending += text
        if self._stage == "before":
            head = self._pending.lstrip()
            if head.startswith(_FINAL):
                self._pending = head.removeprefix(_FINAL)
                return self._release(), ""
            opened = _opened(head)
            if not opened:
                may_open = any(tag.startswith(head) for tag in (*_TAGS, _FINAL))
                return ("" if may_open else self._release()), ""
            self._close_tag = _TAGS[opened]
            self._stage, self._pending = "inside", head[len(opened) :]
        reasoning = self._take_reasoning() if self._stage == "inside" else ""
        if self._stage == "inside":
            return "", reasoning
        self._pending = self._pending.lstrip(self._strip_after)
        return (self._release() if self._pending else ""), reasoning

    def _take_reasoning(self) -> str:
        """Reasoning that is certain. What may be part of the closing tag stays pending."""
        if not self._reasoning_began:
            self._pending = self._pending.lstrip()
        reasoning, closed, rest = self._pending.partition(self._close_tag)
        self._reasoning_began = self._reasoning_began or bool(reasoning.strip())
        if closed:
            self._stage, self._pending = "after", rest
            return reasoning.rstrip()
        # Whitespace at the end stays pending too: before the closing tag it is dropped.
        certain = reasoning[: len(reasoning) - _overlap(reasoning, self._close_tag)].rstrip()
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
