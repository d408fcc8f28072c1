"""Tool calls that a model wrote as text, where its server should have read them."""

from __future__ import annotations

import re

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
_OBJECT = re.compile(r'\{\s*"name"\s*:\s*"([\w.-]{1,200})"\s*,\s*"(?:arguments|parameters)"')
_OBJECT_BEGINS = '{"name":"'
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
    begins = _OBJECT_BEGINS.startswith(compact) or compact.startswith(_OBJECT_BEGINS)
    return begins and len(head) <= LONGEST_OPENING


class CallGate:
    """Lets streamed text through once it is known to be no call.

    `calls_only`: text alone is no answer, so it waits for a call.
    """

    def __init__(self, *, calls_only: bool = False) -> None:
        self._is_open: bool | None = False if calls_only else None
        self._head = ""
        """The text so far, while nothing is decided."""
        self._held_back: list[str] = []

    def feed(self, text: str) -> str:
        """What may be shown now."""
        if self._is_open:
            return text
        self._held_back.append(text)
        if self._is_open is None:
            self._head += text if self._head else text.lstrip()
            if is_call_text(self._head):
                self._is_open = False
            elif not _may_become_call(self._head):
                return self.release()
        return ""

    def release(self) -> str:
        """What was held back. The gate is open from now on."""
        held_back = "".join(self._held_back)
        self._is_open, self._held_back = True, []
        return held_back
