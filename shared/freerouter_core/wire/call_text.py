"""Tool calls that a model wrote as text, where its server should have read them."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import product

_BAR = "\uff5c"
"""DeepSeek's bar."""
_OPENERS = (
    "<tool_call>", "<tool_calls>", "<|tool_call", "<|tool_calls", f"<{_BAR}tool▁call",
    "<|tool▁call", "<tool▁call", "<minimax:tool_call>", "<function=", "<function_calls>",
    "<function_call>", "<invoke name=", "<|python_tag|>", "<|channel|>commentary to=",
    f"<{_BAR}DSML{_BAR}", "[TOOL_CALLS]", "[TOOL_CALL]",
)  # fmt: skip
"""How models begin a call in their own format (deepseek-ai/DeepSeek-V3#1244,
vllm-project/vllm#28219)."""
_OBJECT = re.compile(
    r'(?:```(?:json)?\s{0,9})?[\[{]\s{0,9}(?:\{\s{0,9})?(?:"type"\s{0,9}:\s{0,9}"function"\s{0,9},\s{0,9})?'
    r'(?:"function"\s{0,9}:\s{0,9}\{\s{0,9})?"name"\s{0,9}:\s{0,9}"([\w.-]{1,200})"\s{0,9},\s{0,9}'
    r'"(?:arguments|parameters)"'
)
_OBJECT_BEGINS = tuple(
    "".join(parts)
    for parts in product(
        ("", "```", "```json"), ("{", "[{"), ("", '"type":"function",'), ("", '"function":{'),
        ('"name":"',),
    )
)  # fmt: skip
"""The same without spaces."""
_NAME = re.compile(r'(?:"name"\s*:\s*"|<function=|<invoke name=")([\w.-]{1,64})')
LONGEST_OPENING = 160
"""Characters within which a text that is a call shows it."""


def is_call_text(text: str) -> bool:
    """Whether a text is a call."""
    head = text.lstrip()
    return head.startswith(_OPENERS) or _OBJECT.match(head) is not None


def called_name(text: str) -> str:
    """The name of the tool that a call written as text is for; empty if it is not found."""
    match = _NAME.search(text[:1_000])
    return match[1] if match else ""


def _may_become_call(head: str) -> bool:
    """Whether a text that begins with `head` may turn out to be a call."""
    if not head:
        return True
    if any(opener.startswith(head) for opener in _OPENERS):
        return True
    compact = "".join(head.split())
    begins = compact.startswith(_OBJECT_BEGINS) or any(
        opening.startswith(compact) for opening in _OBJECT_BEGINS
    )
    return begins and len(head) <= LONGEST_OPENING


def call_start(text: str, tools: Collection[str]) -> int | None:
    """Where a call of one of these tools begins, with which a text ends; None: it does not.

    A text that is nothing but a call is one whatever it calls.
    """
    if is_call_text(text):
        return 0
    if not text.rstrip().endswith((">", "}", "]", ")")):
        return None
    start = _opener_in(text)
    named = start is not None and any(t in text[start : start + LONGEST_OPENING] for t in tools)
    return start if named else None


def _opener_in(text: str, *, partly: bool = False) -> int | None:
    """Where a line begins that opens a call. `partly`: or that may, once more of it has come."""
    for match in _LINE.finditer(text):
        rest = text[match.end() : match.end() + _LONGEST_OPENER]
        may = partly and match.end() + len(rest) == len(text)
        if rest.startswith(_OPENERS) or (may and any(o.startswith(rest) for o in _OPENERS)):
            return match.end()
    return None


_LINE = re.compile(r"(?:\A|\n)[ \t]{0,8}(?=[<\[]|\Z)")
"""The beginning of a line on which a call may begin. Objects in the middle of a text are none:
people ask for those."""
_LONGEST_OPENER = max(map(len, _OPENERS))


class CallGate:
    """Lets streamed text through once it is known to be no call; what follows a text, too.

    `calls_only`: text alone is no answer, so it waits for a call.
    """

    def __init__(self, *, calls_only: bool = False) -> None:
        self._is_open: bool | None = False if calls_only else None
        self._head = ""
        """The text so far, while nothing is decided."""
        self._held_back: list[str] = []
        self._line_end = ""
        """The last line of what was let through, while a call may begin on it."""

    def feed(self, text: str) -> str:
        """What may be shown now."""
        if self._is_open:
            return self._watched(text)
        self._held_back.append(text)
        if self._is_open is None:
            self._head += text if self._head else text.lstrip()
            if is_call_text(self._head):
                self._is_open = False
            elif not _may_become_call(self._head):
                return self._watched(self.release())
        return ""

    def _watched(self, text: str) -> str:
        """The text up to where a call begins, or may begin."""
        if self._line_end:
            text, self._line_end = self._line_end + text, ""
        if "\n" not in text:
            return text
        start = _opener_in(text, partly=True)
        if start is None:
            return text
        if text.startswith(_OPENERS, start):
            self._is_open = False
            self._held_back.append(text[start:])
        else:
            start = text.rindex("\n")
            self._line_end = text[start:]
        return text[:start]

    def release(self) -> str:
        """What was held back. The gate is open from now on."""
        held_back = "".join((self._line_end, *self._held_back))
        self._is_open, self._held_back, self._line_end = True, [], ""
        return held_back
