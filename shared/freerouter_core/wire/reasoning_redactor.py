"""`ReasoningRedactor`: keys out of reasoning that comes in pieces, and out of the ids of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..catalogue.providers import Account
from .account_secrets import FEW, NEAR, Secrets, Span, masked, secrets_of
from .delta import Delta
from .json_values import Json
from .message import JOINED_KEY
from .redact import redact_id, redact_json
from .tool_calls import ToolCallFragment


class ReasoningRedactor:
    """Deltas of one stream in; out comes what may be shown of them.

    A secret may be cut anywhere. So the end of the reasoning waits while it may become one, and no
    longer than until a text or a call begins. Text is left as it is, and never waits. Nor does a
    call, whose id is another if a secret is in it.
    """

    def __init__(self, account: Account) -> None:
        self._secrets = secrets_of(account)
        self._reasoning, self._details = _Pieces(self._secrets), _Pieces(self._secrets)
        self._last_detail: Json = {}

    def feed(self, delta: Delta, *, last: bool = False) -> Delta:
        """What may be shown now. `last`: nothing will follow."""
        last = last or bool(delta.text or delta.fragments)
        if any(f.id is not None and self._secrets.may_be_in(f.id) for f in delta.fragments):
            delta = replace(delta, fragments=tuple(map(self._with_safe_id, delta.fragments)))
        waits = last and (self._reasoning.waiting or self._details.waiting)
        if not (delta.reasoning or delta.reasoning_details or waits):
            return delta
        reasoning, details = delta.reasoning, delta.reasoning_details
        if reasoning or waits:
            reasoning = self._reasoning.feed(reasoning, last=last)
        if details or waits:
            details = tuple(self._shown_details(details, last=last))
        if reasoning == delta.reasoning and details == delta.reasoning_details:
            return delta
        return replace(delta, reasoning=reasoning, reasoning_details=details)

    def _with_safe_id(self, fragment: ToolCallFragment) -> ToolCallFragment:
        if fragment.id is None:
            return fragment
        return replace(fragment, id=redact_id(fragment.id, self._secrets))

    def _shown_details(self, details: Sequence[Json], *, last: bool) -> list[Json]:
        shown: list[Json] = []
        for detail in details:
            key = JOINED_KEY.get(str(detail.get("type")))
            text = None if key is None else detail.get(key)
            if not isinstance(text, str) or _source(detail) != _source(self._last_detail):
                shown += self._rest()
            if key is not None and isinstance(text, str):
                self._last_detail = detail
                text = self._details.feed(text, last=bool(detail.get("signature")))
                detail = {**detail, key: text}
            shown.append(redact_json(detail, self._secrets))
        return shown + self._rest() if last else shown

    def _rest(self) -> list[Json]:
        """What waits of the last detail, as a detail of its own."""
        if not self._details.waiting:
            return []
        last = self._last_detail
        rest: Json = {name: last[name] for name in _PLACE if name in last}
        rest = redact_json(rest, self._secrets)
        rest[JOINED_KEY[str(last["type"])]] = self._details.feed("", last=True)
        return [rest]


_PLACE = ("type", "id", "format", "index")
"""What tells where the text of a detail belongs."""


def _source(detail: Json) -> tuple[object, object]:
    return detail.get("type"), detail.get("id")


class _Pieces:
    """Pieces of one text in, and out without the secrets in it."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._text = ""
        """What waits, and some characters before it, as they came."""
        self.waiting = 0
        """How many characters wait."""
        self._begun = False
        """Whether the text so far may end with the beginning of a secret."""

    def feed(self, piece: str, *, last: bool) -> str:
        """What may be shown now. `last`: all of it."""
        secrets, text = self._secrets, self._text + piece
        shown = len(self._text) - self.waiting
        found: list[Span] = []
        if self._begun or len(piece) >= secrets.shortest - FEW:
            found = secrets.find(text) if secrets.may_be_in(text) else []
        begun = secrets.unfinished(text)
        begin = len(text) - begun
        for first, end in found:
            if first < begin < end:
                begin = first  # the end of one may be the beginning of another
        end = len(text) if last else max(begin, shown)
        self._text = text[max(0, begin - NEAR) :]
        self._begun, self.waiting = begun > 0, len(text) - end
        if not found and shown + len(piece) == len(text) == end:
            return piece
        return masked(text, found, shown, end)
