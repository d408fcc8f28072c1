"""`Limit`: how many requests, tokens or concurrent requests a provider allows."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

from ..errors import BadSetting

Scope = Literal["account", "model", "ip"]
Counts = Literal["calls", "texts"]
Reset = Literal["rolling", "fixed", "bucket", "utc-day", "pacific-day", "utc-month"]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` (or `tokens`, or `concurrent` at a time) in any `per` seconds.

    `scope`: "account" is shared by all free models of the key, "ip" by all keys of this machine;
    "model" is each model's own.

    `models`: the names of the only models that it is about; empty: all.

    `reset`: "rolling" is any window of that length. "fixed" is a counter that starts anew every
    `per` seconds by the clock; "bucket" refills evenly. "utc-day", "pacific-day" and "utc-month"
    are counters that start anew with that day or month.

    `counts`: what one of `requests` is: a call, or each text of a call (Gemini's embeddings).
    """

    requests: int | None = None
    _: KW_ONLY
    tokens: int | None = None
    concurrent: int | None = None
    per: float = 60.0
    scope: Scope = "account"
    reset: Reset = "rolling"
    models: tuple[str, ...] = ()
    counts: Counts = "calls"

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(self.models))
        amounts = [n for n in (self.requests, self.tokens, self.concurrent) if n is not None]
        if len(amounts) != 1 or amounts[0] < 0:
            raise BadSetting(
                f"{self!r} must state exactly one of requests, tokens, concurrent, not negative",
                hint="for two rules write two limits,"
                " e.g. [Limit(requests=20), Limit(concurrent=2)]",
            )
        if self.per <= 0:
            raise BadSetting(f"{self!r}: per must be positive seconds")
        scopes, resets = get_args(Scope), get_args(Reset)
        if self.scope not in scopes or self.reset not in resets:
            raise BadSetting(
                f"{self!r}: scope is one of {', '.join(scopes)}; reset one of {', '.join(resets)}"
            )
        if self.counts not in get_args(Counts) or (self.counts == "texts" and not self.requests):
            raise BadSetting(f'{self!r}: counts is "calls", or "texts" of a limit on requests')
