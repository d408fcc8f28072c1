"""Plays `route` from a script, without a network, a clock or a thread.

A script says what becomes of each attempt, by model. The driver hands out the news in order of
time and keeps every step. So a test states a rule as a scene: who was asked, when, and what came.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.routing import steps as s
from freerouter_core.routing.availability import Availability
from freerouter_core.routing.charges import Refusal
from freerouter_core.routing.congestion import Congestion
from freerouter_core.routing.engine import route
from freerouter_core.routing.journal import Journal
from freerouter_core.routing.need import Need
from freerouter_core.routing.plan import Outcome, Plan
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.request import ChatRequest

NOW = 1_800_000_000.0
"""When every request begins, unix seconds."""

MAX_STEPS = 1_000
"""Steps after which a request is taken for endless."""

StepType = TypeVar("StepType", bound=s.Step)


# -- what becomes of an attempt -----------------------------------------------------------------


@dataclass(frozen=True)
class News:
    """One event of an attempt, so many seconds after it was sent."""

    after: float
    event: s.Token | s.Done | s.Failed


Fate = tuple[News, ...]
Fates = Mapping[str, Fate | Sequence[Fate]]
"""What becomes of the attempts at each model, by id; the last fate repeats."""
HANGS: Fate = ()
"""Nothing ever comes."""


def token(after: float, *, visible: bool = True, thought: bool = False) -> News:
    """A token comes after so many seconds."""
    return News(after, s.Token(0.0, 0, visible, thought))


def thought(after: float) -> News:
    """Reasoning comes after so many seconds."""
    return token(after, visible=False, thought=True)


def answers(
    after: float = 1.0,
    text: str = "Hello.",
    *news: News,
    spent_until: float | None = None,
    shown: s.Shown | None = None,
    **fields: Any,
) -> Fate:
    """A whole answer comes after so many seconds; before it, `news`."""
    answer = Answer(text, **{"finish_reason": "stop", **fields})
    return (*news, News(after, s.Done(0.0, 0, answer, shown, spent_until)))


def fails(
    fault: Fault | None = None,
    after: float = 1.0,
    *news: News,
    shown: str | s.Shown | None = None,
    partial: Answer | None = None,
) -> Fate:
    """A fault comes after so many seconds; before it, `news`.

    `shown`: what the caller saw. `partial`: what it was about to call.
    """
    if isinstance(shown, str):
        shown = s.Shown(shown, False, len(shown))
    return (*news, News(after, s.Failed(0.0, 0, fault or busy(), shown, partial)))


def busy(**changes: Any) -> Fault:
    """The model is busy, for a guessed time."""
    return Fault(Kind.BUSY, Cause.SERVER, **{"status": 502, **changes})


# -- what a request is about --------------------------------------------------------------------


def account(provider: str = "one", key: str = "secret-key", **changes: Any) -> Account:
    """An account without limits."""
    return Account(provider, f"https://{provider}.test/v1", key, **changes)


def model(name: str, provider: str = "one", **changes: Any) -> Model:
    """A free model."""
    origin = f"https://{provider}.test/v1"
    return replace(Model(name, provider, free=True), origin=origin, **changes)


def plan(
    *models: Model,
    accounts: Sequence[Account] = (),
    timeout: float | None = None,
    stream: bool = False,
    request: ChatRequest | None = None,
    need: Need | None = None,
    fetched: float = NOW - 60.0,
    extra: Mapping[str, Any] | None = None,
    **policy: Any,
) -> Plan:
    """A request for the first of `models` that answers, asked in that order, without hedges.

    `policy`: fields of `Policy`. `extra`: further fields of `Plan`.
    """
    providers = {m.provider: account(m.provider) for m in models}
    order = {m.id: n for n, m in enumerate(models)}
    defaults = {"order": order, "hedge": "off", "backoff_jitter": 0.0}
    return Plan(
        request=request or ChatRequest.of("Good morning"),
        need=need or Need(),
        policy=Policy(**{**defaults, **policy}),
        catalogue=Catalogue.of(models, fetched),
        accounts=providers | {a.provider: a for a in accounts},
        stream=stream,
        deadline=None if timeout is None else NOW + timeout,
        **(extra or {}),
    )


def likely(chance: float, outcomes: float = 20.0, ago: float = 0.0) -> Availability:
    """A model that was seen up just now, or so long ago, and answers so often while it is."""
    return Availability(chance_up=1.0, long_run=1.0, sure=chance, good=outcomes, seen_at=NOW - ago)


# -- the driver ---------------------------------------------------------------------------------


@dataclass
class Play:
    """One request, played to its end.

    Attributes:
        plan: the request.
        fates: what becomes of the attempts at each model, by id; the last fate repeats.
        state: what earlier requests have taught.
        full: until when the limits of a scope are full (unix seconds).
        judge: what the validator and the guards say of an answer.
        judge_seconds: how long they take.
        now: when the request begins.
        lists: lists of models that come during the call: (seconds, models).
        meanwhile: what others do while the request sleeps; gives what requests then cost.
        heard: what a background request hears after a sleep of limits that are full.
    """

    plan: Plan
    fates: Fates
    _: KW_ONLY
    state: RoutingState = field(default_factory=RoutingState)
    full: Mapping[str, float] = field(default_factory=dict)
    judge: Callable[[s.Validate], s.Judged] = lambda step: s.Judged(0.0, None)
    judge_seconds: float = 0.0
    now: float = NOW
    lists: Sequence[tuple[float, Sequence[Model]]] = ()
    meanwhile: Callable[[float], Mapping[str, Congestion] | None] = lambda now: None
    heard: Callable[[float], Mapping[str, Refusal]] = lambda now: {}
    steps: list[tuple[float, s.Step]] = field(default_factory=list)
    """Every step, and when it was taken (seconds since the beginning)."""
    journal: Journal = field(init=False)
    outcome: Outcome | None = None

    def __post_init__(self) -> None:
        self.began = self.now
        self.journal = Journal(started=self.now)
        self._news: list[tuple[float, int, s.Token | s.Done | s.Failed]] = []
        self._asked: dict[str, int] = {}
        self._count = 0

    def run(self) -> Outcome:
        """The outcome. Raises the error that the request ends with."""
        steps = route(self.plan, self.state, self.journal, Random(0), now=self.now)
        try:
            step = next(steps)
            while True:
                self.steps.append((self.now - self.began, step))
                assert len(self.steps) < MAX_STEPS, "the request goes round in circles"
                step = steps.send(self._event(step))
        except StopIteration as stop:
            self.outcome = stop.value
            assert isinstance(self.outcome, Outcome)
            return self.outcome

    def _event(self, step: s.Step) -> s.Event:
        match step:
            case s.Send():
                self._send(step.attempt)
            case s.Cancel():
                self._forget(step.attempt.number)
            case s.Reserve():
                return self._reserve(step)
            case s.Validate():
                self.now += self.judge_seconds
                return replace(self.judge(step), at=self.now)
            case s.Sleep():
                assert math.isfinite(step.until)
                if (listed := self._listed(step.until)) is not None:
                    return listed
                self.now = max(self.now, step.until)
                return s.Woke(self.now, self.meanwhile(self.now), self.heard(self.now))
            case s.Watch():
                return self._watch(step.until)
            case s.Commit() | s.Show():
                pass
        return s.Woke(self.now)

    def _send(self, attempt: s.Attempt) -> None:
        name = attempt.model.id
        fates = self.fates[name]
        one = (
            fates
            if isinstance(fates, tuple)
            else fates[min(self._asked.get(name, 0), len(fates) - 1)]
        )
        self._asked[name] = self._asked.get(name, 0) + 1
        for news in one:
            at = self.now + news.after
            event = replace(news.event, at=at, number=attempt.number)
            heapq.heappush(self._news, (at, self._count, event))
            self._count += 1

    def _forget(self, number: int) -> None:
        self._news = [news for news in self._news if news[2].number != number]
        heapq.heapify(self._news)

    def _reserve(self, step: s.Reserve) -> s.Event:
        for charge in step.charges:
            until = self.full.get(charge.scope, 0.0)
            if until > self.now:
                return s.Refused(self.now, until, charge.scope)
        return s.Granted(self.now)

    def _listed(self, until: float) -> s.Listed | None:
        """The next list, if it comes by then."""
        if not self.lists or self.began + self.lists[0][0] > until:
            return None
        (after, models), *self.lists = self.lists
        self.now = max(self.now, self.began + after)
        return s.Listed(self.now, Catalogue.of(models, self.now), bool(self.lists))

    def _watch(self, until: float) -> s.Event:
        first = self._news[0][0] if self._news else math.inf
        if (listed := self._listed(min(until, first))) is not None:
            return listed
        if self._news and self._news[0][0] <= until:
            event = heapq.heappop(self._news)[2]
            self.now = event.at
            return event
        assert math.isfinite(until), "nothing will ever come, and nobody looks again"
        self.now = max(self.now, until)
        return s.Woke(self.now)

    # -- what a test asks -----------------------------------------------------------------------

    def all(self, kind: type[StepType]) -> list[StepType]:
        """The steps of one kind, in order."""
        return [step for _, step in self.steps if isinstance(step, kind)]

    @property
    def sent(self) -> list[s.Attempt]:
        """The attempts, in the order they were sent."""
        return [step.attempt for step in self.all(s.Send)]

    @property
    def asked(self) -> list[str]:
        """The ids of the models that were asked."""
        return [attempt.model.id for attempt in self.sent]

    @property
    def asked_at(self) -> list[tuple[float, str]]:
        """When each was asked, in seconds since the beginning."""
        return [
            (round(at, 3), step.attempt.model.id)
            for at, step in self.steps
            if isinstance(step, s.Send)
        ]

    @property
    def seconds(self) -> float:
        """How long the request took."""
        return self.now - self.began


def play(plan: Plan, fates: Fates, **more: Any) -> Play:
    """A request that was answered."""
    request = Play(plan, fates, **more)
    request.run()
    return request
