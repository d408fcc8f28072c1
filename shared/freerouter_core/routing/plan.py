"""`Plan`: a request before its first step. `Outcome`: the same request after its last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any

from ..catalogue.model import Catalogue
from ..catalogue.providers import Account
from ..errors import AttemptRecord
from ..wire.answer import Answer
from ..wire.chat import ChatOperation
from ..wire.operation import Operation
from ..wire.request import ChatRequest, Lane, Pace, WaitObserver
from .charges import Refusal
from .congestion import Congestion
from .fingerprints import fingerprint_of
from .health_book import HealthBook
from .journal import Journal
from .likeness import likeness
from .need import Need
from .policy import Policy
from .resume import Replaced, Seam
from .ruling import Flag, Ruling
from .situation import Situation
from .steps import Attempt


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is decided before the first step."""

    request: ChatRequest | Operation
    need: Need
    policy: Policy
    catalogue: Catalogue
    accounts: dict[str, Account]
    """By provider."""
    pending: bool = False
    """Whether the list of an account is still on its way: it may come during the call."""
    stream: bool = False
    deadline: float | None = None
    """Unix seconds by which the answer (streamed: its first token) must be there; None: never."""
    max_wait: float | None = None
    """Seconds that the request may stand in line for its own limits. The deadline is put off by as
    much: it counts from the first attempt. None: the deadline bounds this wait, too."""
    lane: Lane = "interactive"
    """Whether somebody waits for the answer."""
    pace: Pace = "even"
    """How background requests spend a day's quota."""
    run_guards: Callable[[Answer, str], Ruling] | None = None
    """The guards' opinion of an answer from the model of that id. The driver asks, on a thread."""
    on_wait: WaitObserver | None = None
    """Is told when the request begins to wait."""
    flags: tuple[Flag, ...] = ()
    """What guards remarked about the prompt."""
    congestion: Mapping[str, Congestion] = field(default_factory=dict)
    """What a request costs others, by provider."""
    full: Mapping[str, Refusal] = field(default_factory=dict)
    """Which limits are full for this request, by scope, as others were told lately."""

    @cached_property
    def operation(self) -> Operation:
        """What the request needs of the engine and the driver."""
        request = self.request
        return ChatOperation(request) if isinstance(request, ChatRequest) else request

    @cached_property
    def likeness(self) -> int:
        """What requests have in common that differ in their texts only."""
        return likeness(self.request, self.need)

    @cached_property
    def fingerprint(self) -> int | None:
        """What tells what is asked from other requests; None: it is no chat."""
        return fingerprint_of(self.request)

    def situation(self, book: HealthBook, now: float, rng: Random, turn: int) -> Situation:
        """The situation that the request's candidates are chosen in."""
        return Situation(
            need=self.need,
            policy=self.policy,
            book=book,
            now=now,
            rng=rng,
            turn=turn,
            congestion=self.congestion,
            pending=self.pending,
            background=self.lane == "background",
            full=self.full,
        )


@dataclass(frozen=True, slots=True)
class Cached:
    """That an answer was not asked for anew, and how it was had.

    Attributes:
        age: seconds since it was given.
        joined: whether an equal request was under way, whose answer it is. False: it was kept.
    """

    age: float
    joined: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The answer, the attempt that gave it, and the way there."""

    answer: Answer
    attempt: Attempt
    journal: Journal
    seams: tuple[Seam, ...] = ()
    """Where another model continued a broken stream, in the order of the text."""
    replaced: tuple[Replaced, ...] = ()
    """What the caller saw of attempts that did not answer: reasoning, or a partial object."""
    flags: tuple[Flag, ...] = ()
    """What guards remarked about the prompt and the answer."""
    asked_for: str = ""
    """The model that the caller named, in the caller's words; empty: any."""
    aside: str = ""
    """The text that guards prepend, if the answer is no text it could be added to."""
    cached: Cached | None = None
    """How the answer was had without asking; None: it was asked for."""

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.answer.text

    @property
    def provider(self) -> str:
        """The provider that answered."""
        return self.attempt.account.provider

    @property
    def attempts(self) -> list[AttemptRecord]:
        """Every attempt of this request, the one that answered included."""
        return self.journal.attempts

    @property
    def metadata(self) -> dict[str, Any]:
        """What both adapters tell about an answer: JSON-safe, without keys."""
        answer = self.answer
        metadata: dict[str, Any] = {
            "model_name": answer.model,
            "requested_model": self.asked_for or self.attempt.model.id,
            "model_id": self.attempt.model.id,
            "upstream_provider": answer.upstream or self.provider,
            "provider": self.provider,
            "finish_reason": answer.finish_reason,
            "native_finish_reason": answer.native_finish_reason,
            "cost": answer.cost if self.cached is None else 0.0,
            "id": answer.id,
            "attempts": [dict(record) for record in self.attempts],
        }
        if self.seams:
            metadata["seams"] = [seam.record() for seam in self.seams]
        if self.replaced:
            metadata["replaced"] = [replaced.record() for replaced in self.replaced]
        if self.flags:
            metadata["flags"] = [
                {"guard": flag.guard, "reason": flag.reason} for flag in self.flags
            ]
        if self.aside:
            metadata["prepend"] = self.aside
        if answer.logprobs:
            metadata["logprobs"] = answer.logprobs
        if self.cached is not None:
            metadata["cached"] = {
                "age": round(self.cached.age, 3),
                "model": self.attempt.model.id,
                "joined": self.cached.joined,
            }
        if answer.simulated:
            metadata["simulated"] = True
        return metadata
