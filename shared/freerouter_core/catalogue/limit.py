"""`Limit`: how many requests, tokens or concurrent requests a provider allows."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

from ..errors import BadSetting, construction_forgets_locals, names_a_key, shown_value

Scope = Literal["account", "model", "ip"]
Counts = Literal["calls", "texts"]
Reset = Literal["rolling", "fixed", "bucket", "utc-day", "pacific-day", "utc-month"]


@construction_forgets_locals
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
        models = (self.models,) if isinstance(self.models, str) else tuple(self.models)
        object.__setattr__(self, "models", models)
        self._check_types()
        amounts = [n for n in (self.requests, self.tokens, self.concurrent) if n is not None]
        if len(amounts) != 1 or amounts[0] < 0:
            raise BadSetting(
                f"{self!r} must state exactly one of requests, tokens, concurrent, not negative",
                hint="for two rules write two limits,"
                " e.g. [Limit(requests=20), Limit(concurrent=2)]",
            )
        if self.per <= 0:
            raise BadSetting(f"{self!r}: per must be positive seconds")
        if self.counts == "texts" and not self.requests:
            raise BadSetting(f'{self!r}: counts is "calls", or "texts" of a limit on requests')

    def _check_types(self) -> None:
        """What is wrong here is in no message: it may be a key."""
        for name in ("requests", "tokens", "concurrent", "per"):
            value = getattr(self, name)
            is_absent = value is None and name != "per"
            if not is_absent and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise BadSetting(f"{name} of a Limit is a number, not {type(value).__name__}")
        for name, words in (("scope", Scope), ("reset", Reset), ("counts", Counts)):
            value, allowed = getattr(self, name), get_args(words)
            if value not in allowed:
                shown = f"{name} of a Limit is one of {', '.join(allowed)}"
                raise BadSetting(f"{shown}, not {shown_value(value)}")
        if names_a_key(self.models) or not all(isinstance(name, str) for name in self.models):
            raise BadSetting("models of a Limit are names of models")
