"""What one seed draws: processes, their store and clocks, servers and their faults, callers."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Literal

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY
from freerouter_core.simulator import Phase, SimModel
from freerouter_core.simulator.faults import FAULTS

StoreKind = Literal["memory", "sqlite", "redis"]
NAMES = ("openrouter", "mistral")
"""The providers: one with free and paid models, one whose every model is free."""
_LIES = sorted(set(FAULTS) - {"401", "402", "429-day", "429-minute"})
"""Faults of a model. The others end a whole account, and so would end a run."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, in seconds after the run began. `what` happens, as `kind` says."""

    start: float
    end: float
    what: str = ""

    def holds(self, elapsed: float) -> bool:
        return self.start <= elapsed < self.end


@dataclass(frozen=True, slots=True)
class Call:
    """One caller: when and where it asks, and when it loses patience.

    `steps`: turns of the event loop that pass before the cancellation, so that every await between
    two timers is hit, too.
    """

    number: int
    at: float
    process: int
    streamed: bool
    timeout: float | None
    cancel_after: float | None
    steps: int
    tool: bool


@dataclass(frozen=True, slots=True)
class Kill:
    """A process ends without a word, and begins anew `restart` seconds later."""

    at: float
    process: int
    steps: int
    restart: float


@dataclass(frozen=True, slots=True)
class Jump:
    """A machine's clock is set `by` so many seconds forward or back."""

    at: float
    machine: int
    by: float


@dataclass
class Server:
    """A provider as the run serves it."""

    name: str
    limits: tuple[Limit, ...]
    models: list[SimModel]
    known: tuple[Limit, ...] = ()
    """Those of its limits that the processes are told of."""
    paid_from: dict[str, float] = field(default_factory=dict)
    """When models begin to cost money, in seconds after the run began."""


@dataclass
class Scene:
    """Everything that one seed draws."""

    seed: int
    store: StoreKind
    start: float
    span: float
    processes: int
    servers: list[Server]
    calls: list[Call]
    kills: list[Kill]
    jumps: list[Jump]
    skews: list[float]
    """Seconds by which each machine's clock is wrong at the start."""
    store_troubles: list[Span]
    cuts: list[tuple[int, Span]]
    """When a process has no network."""
    loss: float
    """The share of requests that the network loses, and of those that a liar answers."""


def machine_of(scene: Scene, process: int) -> int:
    """The machine of a process. Those that share a file share a machine."""
    return process if scene.store == "redis" else 0


def _limits(rng: Random) -> tuple[Limit, ...]:
    limits = [Limit(rng.randint(3, 20), per=rng.choice((20.0, 60.0)))]
    if rng.random() < 0.4:
        limits.append(Limit(rng.randint(8, 80), per=DAY, reset="utc-day"))
    if rng.random() < 0.6:
        limits.append(Limit(concurrent=rng.randint(1, 4)))
    return tuple(limits)


def _phases(rng: Random, span: float) -> list[Phase]:
    starts = (rng.uniform(-0.3, 1.0) * span for _ in range(rng.randint(0, 3)))
    return [
        Phase(at, at + rng.uniform(0.05, 0.7) * span, rng.choice(_LIES), rng.uniform(0.2, 1.0))
        for at in starts
    ]


def _server(rng: Random, name: str, span: float) -> Server:
    ending = ":free" if name == "openrouter" else ""
    models = [
        SimModel(
            f"{name[:2]}/m{n}{ending}",
            first_token=rng.uniform(0.1, 4.0),
            speed=rng.uniform(10.0, 200.0),
            tools=rng.random() < 0.7,
            reasoning=rng.random() < 0.3,
            phases=_phases(rng, span),
            born=rng.choice((0.0, 0.0, 0.0, rng.uniform(0.0, span))),
            dies=rng.choice((1e9, 1e9, 1e9, rng.uniform(0.0, span))),
        )
        for n in range(rng.randint(1, 5))
    ]
    limits = _limits(rng)
    hidden = "utc-day" if rng.random() < 0.5 else ""
    known = tuple(limit for limit in limits if limit.reset != hidden)
    server = Server(name, limits, models, known)
    if ending:
        costly = {"prompt_price": "0.00001", "completion_price": "0.00002"}
        models.append(SimModel("op/dear", **costly))  # type: ignore[arg-type]  # both are texts
        models.append(SimModel("op/dear-by-list:free", **costly))  # type: ignore[arg-type]
        if rng.random() < 0.4:
            server.paid_from[rng.choice(models).id] = rng.uniform(0.0, span)
    return server


def _calls(rng: Random, span: float, processes: int) -> list[Call]:
    calls: list[Call] = []
    for _ in range(rng.randint(2, 8)):
        begins, rush = rng.uniform(0.0, span), rng.choice((0.0, 2.0, 40.0))
        for _ in range(rng.randint(1, 12)):
            calls.append(
                Call(
                    number=len(calls) + 1,
                    at=begins + rng.uniform(0.0, rush),
                    process=rng.randrange(processes),
                    streamed=rng.random() < 0.5,
                    timeout=rng.choice((None, 3.0, 15.0, 60.0, 120.0)),
                    cancel_after=rng.choice((None, None, None, rng.uniform(0.0, 12.0))),
                    steps=rng.randint(0, 12),
                    tool=rng.random() < 0.2,
                )
            )
    return calls


def draw(seed: int) -> Scene:
    """The scene of a seed. Each kind of trouble is absent in many scenes: there all is exact."""
    rng = Random(seed)
    span = rng.choice((120.0, 1_800.0, 7_200.0, 86_400.0))
    store: StoreKind = rng.choice(("memory", "sqlite", "sqlite", "redis", "redis"))
    processes = 1 if store == "memory" else rng.randint(1, 4)
    midnight = 1_800_000_000.0 - 1_800_000_000.0 % DAY
    start = midnight - span / 2 if rng.random() < 0.3 else midnight + rng.uniform(0.0, DAY)
    calls = _calls(rng, span, processes)

    def moments(chance: float, most: int) -> list[float]:
        count = rng.randint(1, most) if rng.random() < chance else 0
        # Trouble finds those who are at work.
        return sorted(rng.choice(calls).at + rng.uniform(-1.0, 6.0) for _ in range(count))

    kinds = ("down", "slow", "lossy", "emptied", "spoilt")
    troubles = [Span(at, at + rng.uniform(0.5, 40.0), rng.choice(kinds)) for at in moments(0.35, 3)]
    leaps = (-86_400.0, -3_600.0, -20.0, -4.0, -0.3, 0.3, 4.0, 20.0, 3_600.0, 86_400.0)
    machines = processes if store == "redis" else 1
    return Scene(
        seed=seed,
        store=store,
        start=start,
        span=span,
        processes=processes,
        servers=[_server(rng, name, span) for name in NAMES[: rng.randint(1, 2)]],
        calls=calls,
        kills=[
            Kill(at, rng.randrange(processes), rng.randint(0, 12), rng.uniform(0.1, 20.0))
            for at in moments(0.4, 3)
        ],
        jumps=[Jump(at, rng.randrange(machines), rng.choice(leaps)) for at in moments(0.3, 2)],
        skews=[rng.choice((0.0, 0.0, 1.5, -1.5, 300.0, -7_200.0)) for _ in range(machines)],
        store_troubles=[] if store == "memory" else troubles,
        cuts=[
            (rng.randrange(processes), Span(at, at + rng.uniform(0.5, 30.0)))
            for at in moments(0.3, 3)
        ],
        loss=rng.choice((0.0, 0.0, 0.02, 0.15)),
    )
