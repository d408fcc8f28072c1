"""`Candidacy`: one model, and whether a request could go to it now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..catalogue.durations import until_words
from ..catalogue.model import Model
from ..routing.health import Health
from .cells import Cell
from .tones import Tone

_ACCOUNT = "account waits"
"""What the state of a model begins with whose account waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidacy:
    """One model, and whether a request could go to it now.

    Attributes:
        model: the model.
        reason: why it is not a candidate; None: it is one.
        state: a candidate's state in words, for example "ready".
        returns: seconds until it can be asked; None: it can be asked now.
        seen: when this was looked at, in unix seconds.
        health: what is recorded about it; None: it was never asked.
        chance: how likely it is to answer, 0 to 1.
        seconds: how long an answer of the usual size is expected to take.
    """

    model: Model
    reason: str | None
    state: str = ""
    returns: float | None = None
    seen: float = 0.0
    health: Health | None = None
    chance: float | None = None
    seconds: float | None = None

    @property
    def usable(self) -> bool:
        """Whether it is a candidate that can be asked now."""
        return self.reason is None and self.returns is None

    @property
    def state_words(self) -> str:
        """Its reason or state, with the wait: "account waits: account-day, back at 00:00 UTC, in
        15 h 48 min"."""
        words = self.reason or self.state
        if self.returns is None:
            return words
        return f"{words}, back {until_words(self.seen + self.returns, self.seen)}"

    @property
    def waits_for_account(self) -> bool:
        """Whether all models of its account wait alike."""
        return self.reason is None and self.returns is not None and self.state.startswith(_ACCOUNT)

    def cell(self) -> Cell:
        """Its state, for a table. What its account waits for is told once: `account_waits`."""
        tone: Tone = "good" if self.usable else "wait" if self.reason is None else "dim"
        return Cell(_ACCOUNT if self.waits_for_account else self.state_words, tone)


def account_waits(rows: Iterable[Candidacy]) -> str:
    """What accounts wait for, each once, for the foot of a table; empty: for nothing."""
    waits = {f"{row.model.provider} {row.state_words}" for row in rows if row.waits_for_account}
    return "; ".join(sorted(waits))
