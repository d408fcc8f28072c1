"""`Plan`: a request before its first step; `Outcome`: the same request after its last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..catalogue.model import Catalogue
from ..catalogue.providers import Account
from ..errors import AttemptRecord
from ..wire.answer import Answer
from ..wire.request import ChatRequest
from .journal import Journal
from .need import Need, Policy
from .resume import Seam
from .steps import Attempt, Flag, Ruling


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first step. `deadline`: unix seconds by which an answer (streamed: its first
    token) must be there; None: no limit."""

    request: ChatRequest
    need: Need
    policy: Policy
    catalogue: Catalogue
    accounts: dict[str, Account]
    stream: bool = False
    deadline: float | None = None
    run_guards: Callable[[Answer, str], Ruling] | None = None
    """The guards' opinion of an answer of the model named; asked by the driver, elsewhere."""
    flags: tuple[Flag, ...] = ()
    """What guards remarked about the prompt."""
    congestion: Mapping[str, float] = field(default_factory=dict)
    """What a request to each provider costs others, in seconds they wait for it; see `limits.congestion`."""
    queue_lengths: Mapping[str, int] = field(default_factory=dict)
    """How many wait for each provider's account."""


@dataclass(frozen=True)
class Outcome:
    """The answer, the attempt that gave it, and the way there."""

    answer: Answer
    attempt: Attempt
    journal: Journal
    seams: tuple[Seam, ...] = ()
    """Where a broken stream was continued by another model, in the order of the text."""
    flags: tuple[Flag, ...] = ()
    """What guards remarked."""
    aside: str = ""
    """What guards would have put before the text, where the answer is an object or a tool call."""

    @property
    def text(self) -> str:
        return self.answer.text

    @property
    def provider(self) -> str:
        return self.attempt.account.provider

    @property
    def attempts(self) -> list[AttemptRecord]:
        """Every attempt of this request, the one that answered among them."""
        return self.journal.attempts

    @property
    def metadata(self) -> dict[str, Any]:
        """What both adapters tell of an answer: JSON-safe, without keys."""
        answer = self.answer
        known: dict[str, Any] = {
            "model_name": answer.model,
            "requested_model": self.attempt.model.id,
            "upstream_provider": answer.upstream or self.provider,
            "provider": self.provider,
            "finish_reason": answer.finish_reason,
            "native_finish_reason": answer.native_finish_reason,
            "cost": answer.cost,
            "id": answer.id,
            "attempts": [dict(record) for record in self.attempts],
        }
        if self.seams:
            known["seams"] = [seam.record() for seam in self.seams]
        if self.flags:
            known["flags"] = [{"guard": flag.guard, "reason": flag.reason} for flag in self.flags]
        if self.aside:
            known["prepend"] = self.aside
        if answer.simulated:
            known["simulated"] = True
        return known
