"""`Situation`: all that decides, besides the models themselves, which of them is asked first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from .charges import Refusal
from .congestion import Congestion
from .health_book import HealthBook
from .need import Need
from .policy import Policy


@dataclass(slots=True, kw_only=True)
class Situation:
    """One request at one moment.

    Attributes:
        need: what the request asks of a model.
        policy: what the router's owner allows and prefers.
        book: what is known about the models.
        now: unix seconds.
        rng: draws samples of uncertain odds; None: means are used, as `explain` wants.
        turn: how many requests came before; moves the round robin.
        congestion: what a request costs others, by provider.
        pending: whether the list of models of an account is still on its way.
        background: whether nobody waits for the answer.
        full: which limits are full for it, by scope.
        lines: the scopes in whose line it has waited.
    """

    need: Need
    policy: Policy
    book: HealthBook
    now: float
    rng: Random | None = None
    turn: int = 0
    congestion: Mapping[str, Congestion] = field(default_factory=dict)
    pending: bool = False
    background: bool = False
    full: Mapping[str, Refusal] = field(default_factory=dict)
    lines: frozenset[str | None] = frozenset()
