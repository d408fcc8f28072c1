"""`JsonGate`: lets a structured object through while it grows, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Set

from .json_values import parse_json

LONGEST_KEY = 400
"""Characters within which an object shows its first key."""
_KEY_BEGINS = re.compile(r'\{\s*(?:"(?:[^"\\]|\\.)*\\?)?')
_FIRST_KEY = re.compile(r'\{\s*("(?:[^"\\]|\\.)*")')


class JsonGate:
    """Lets streamed text through if it is the JSON itself.

    After prose, a fence or a wrapper it stays shut: such an answer is shown when it is whole, and
    until then another model may still take its place. `names`: the properties of the object; an
    object that begins with another is a wrapper. None: any name may come. `lists`: whether the
    value may be a list.
    """

    def __init__(self, names: Set[str] | None = None, *, lists: bool = True) -> None:
        self._lists = lists
        self._names = names
        self._is_open: bool | None = None
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
            self._is_open = self._decide(self._head)
            return self._head if self._is_open else ""
        return ""

    def _decide(self, head: str) -> bool | None:
        """Whether it is the JSON itself; None: not known yet."""
        if not head:
            return None
        if head[0] == "[":
            return self._lists
        if head[0] != "{" or self._names is None:
            return head[0] == "{"
        key = _FIRST_KEY.match(head)
        if key is None:
            may_come = len(head) <= LONGEST_KEY and _KEY_BEGINS.fullmatch(head)
            return None if may_come else False
        try:
            return parse_json(key[1]) in self._names
        except ValueError:
            return False

    def release(self) -> str:
        """What was held back. The gate is open from now on."""
        held_back = "" if self._is_open else "".join(self._held_back)
        self._is_open, self._held_back = True, []
        return held_back
