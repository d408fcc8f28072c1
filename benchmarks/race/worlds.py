"""The worlds of the race, each made of a seed: who serves, under which limits, and when who fails.

A world is hard in one way. Nothing in it is told to any router: what a model is like shows only in its answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from freerouter_core.simulator import Phase, SimAccount, SimModel

TOKENS = 120
"""Tokens of each answer."""
DEADLINE = 60.0
"""Seconds a caller waits for one."""
HOUR = 3_600.0
TRANSIENT = ("429-upstream", "502", "503", "empty", "error-in-200")
DOWN = (
    "429-upstream",
    "429-upstream",
    "429-upstream",
    "502",
    "503",
    "empty",
    "hang",
    "404-upstream",
)


@dataclass(frozen=True)
class Server:
    """One provider of a world: its row in providers.toml, whose words it uses, its models, its account."""

    provider: str
    dialect: str
    models: list[SimModel]
    account: SimAccount | None = None


@dataclass(frozen=True)
class Scene:
    """A world and its demand: `arrivals` are seconds after it began."""

    name: str
    seed: int
    servers: list[Server]
    arrivals: list[float] = field(repr=False, default_factory=list)

    @property
    def span(self) -> float:
        return (self.arrivals[-1] if self.arrivals else 0.0) + DEADLINE


def scene(name: str, seed: int) -> Scene:
    """The world `name` as `seed` has it."""
    return SCENES[name](Random(f"{name}-{seed}"), seed)


def hurried(found: Scene, factor: float) -> Scene:
    """The same world with its hours passing so many times as fast: models come and go, and callers come, that much sooner."""
    servers = [
        replace(
            server,
            models=[
                replace(
                    model,
                    phases=[
                        replace(phase, start=phase.start / factor, end=phase.end / factor)
                        for phase in model.phases
                    ],
                    born=model.born / factor,
                    dies=model.dies / factor,
                )
                for model in server.models
            ],
        )
        for server in found.servers
    ]
    return replace(found, servers=servers, arrivals=[at / factor for at in found.arrivals])


# -- what worlds are made of ----------------------------------------------------------------------------------------------


def _says(request: dict[str, object]) -> str | None:
    """A text of a usual length; where an object is wanted, whatever obeys."""
    return None if request.get("response_format") else "word " * TOKENS


def _between(rng: Random, low: float, high: float) -> float:
    """Log-uniform: as often within a factor of two of the one end as of the other."""
    return low * (high / low) ** rng.random()


def _model(
    rng: Random,
    name: str,
    phases: list[Phase],
    first: tuple[float, float] = (0.3, 4.0),
    **more: float,
) -> SimModel:
    return SimModel(
        f"{name}:free",
        first_token=_between(rng, *first),
        speed=_between(rng, 25.0, 150.0),
        jitter=0.3,
        phases=phases,
        says=_says,
        **more,  # type: ignore[arg-type]
    )


def _always(fault: str, share: float = 1.0) -> list[Phase]:
    return [Phase(0.0, math.inf, fault, share)]


def _now_and_then(rng: Random, most: float) -> list[Phase]:
    return _always(rng.choice(TRANSIENT), most * rng.random())


def _on_and_off(
    rng: Random, up: float, down: float, span: float, faults: tuple[str, ...]
) -> list[Phase]:
    """Down for `down` seconds on average, up for `up`, in turn; beginning as it would be found."""
    phases, now, is_up = [], 0.0, rng.random() < up / (up + down)
    while now < span:
        lasts = rng.expovariate(1.0 / (up if is_up else down))
        if not is_up:
            phases.append(Phase(now, now + lasts, rng.choice(faults)))
        now, is_up = now + lasts, not is_up
    return phases


def _poisson(rng: Random, per_minute: float, count: int) -> list[float]:
    now, times = 0.0, []
    for _ in range(count):
        now += rng.expovariate(per_minute / 60.0)
        times.append(now)
    return times


def _one_account(
    name: str,
    seed: int,
    rng: Random,
    models: list[SimModel],
    per_minute: float,
    count: int,
    day: int | None = None,
) -> Scene:
    rng.shuffle(models)
    account = SimAccount("sk-race", per_minute=20, per_day=day)
    return Scene(
        name,
        seed,
        [Server("openrouter", "openrouter", models, account)],
        _poisson(rng, per_minute, count),
    )


# -- the worlds -------------------------------------------------------------------------------------------------------


def calm(rng: Random, seed: int) -> Scene:
    """Twelve models that nearly always answer, some of them slowly."""
    models = [_model(rng, f"calm/m{n}", _now_and_then(rng, 0.08)) for n in range(12)]
    return _one_account("calm", seed, rng, models, 10, 100)


def storm(rng: Random, seed: int) -> Scene:
    """Twenty models of which most are down at any moment."""
    models = [
        _model(rng, f"storm/m{n}", _on_and_off(rng, 180.0, 420.0, HOUR, DOWN), (0.3, 3.0))
        for n in range(20)
    ]
    return _one_account("storm", seed, rng, models, 5, 80)


def sweep(rng: Random, seed: int) -> Scene:
    """Seventeen models as they were once probed: one good."""
    bad = (
        ["429-upstream"] * 3
        + ["403-harness"] * 2
        + ["empty"] * 7
        + ["502", "error-in-200", "hang", "404-gone"]
    )
    models = [_model(rng, f"sweep/m{n}", _always(fault), (0.3, 2.0)) for n, fault in enumerate(bad)]
    models.append(_model(rng, "sweep/good", _now_and_then(rng, 0.02), (0.3, 1.0)))
    return _one_account("sweep", seed, rng, models, 4, 80)


def press(rng: Random, seed: int) -> Scene:
    """Demand just under the account's minute."""
    models = [_model(rng, f"press/m{n}", _now_and_then(rng, 0.12)) for n in range(10)]
    models.append(_model(rng, "press/bad", _always(rng.choice(TRANSIENT))))
    return _one_account("press", seed, rng, models, 17, 160)


def daily(rng: Random, seed: int) -> Scene:
    """Fifty requests a day and nearly as many callers: every probe costs an answer."""
    models = [
        _model(rng, f"daily/m{n}", _on_and_off(rng, 6 * HOUR, 2 * HOUR, 12 * HOUR, DOWN))
        for n in range(8)
    ]
    models += [_model(rng, f"daily/bad{n}", _always(rng.choice(TRANSIENT))) for n in range(2)]
    return _one_account("daily", seed, rng, models, 0.1, 44, day=50)


def many(rng: Random, seed: int) -> Scene:
    """Five providers, each with limits and words of its own."""
    servers = [
        Server("openrouter", "openrouter", [_model(rng, f"many/o{n}", _on_and_off(rng, 300, 300, HOUR, DOWN)) for n in range(8)], SimAccount("sk-race", 20)),
        Server("groq", "groq", [_model(rng, f"many/g{n}", _now_and_then(rng, 0.1), (0.2, 0.6)) for n in range(3)], SimAccount("sk-race", 30)),
        Server("gemini", "gemini", [_model(rng, f"many/i{n}", _now_and_then(rng, 0.1), (0.5, 2.0)) for n in range(3)], SimAccount("sk-race", 5)),
        Server("mistral", "mistral", [_model(rng, f"many/s{n}", _now_and_then(rng, 0.2), (0.3, 2.0)) for n in range(3)], SimAccount("sk-race", 30)),
        Server("nvidia", "nvidia", [_model(rng, f"many/n{n}", _on_and_off(rng, 200, 100, HOUR, ("hang", "503")), (1.0, 8.0)) for n in range(4)], SimAccount("sk-race", 40)),
    ]  # fmt: skip
    return Scene("many", seed, servers, _poisson(rng, 40, 240))


def drift(rng: Random, seed: int) -> Scene:
    """Models die and are born; who was good goes bad."""
    models = []
    for n in range(18):
        born = 0.0 if n < 8 else rng.uniform(0, 900.0)
        dies = born + rng.expovariate(1 / 500.0) if rng.random() < 0.6 else math.inf
        turns = rng.uniform(0, 1200.0)
        bad = Phase(turns, turns + rng.expovariate(1 / 600.0), rng.choice(DOWN))
        models.append(
            _model(rng, f"drift/m{n}", [bad, *_now_and_then(rng, 0.1)], born=born, dies=dies)
        )
    models.append(_model(rng, "drift/last", _now_and_then(rng, 0.1), (1.0, 4.0)))
    return _one_account("drift", seed, rng, models, 7, 120)


def tail(rng: Random, seed: int) -> Scene:
    """Models that hang or take half a minute now and then."""
    models = []
    for n in range(10):
        share = 0.2 * rng.random()
        models.append(
            _model(
                rng, f"tail/m{n}", _always("hang", share / 2) + _always("slow", share), (0.3, 3.0)
            )
        )
    return _one_account("tail", seed, rng, models, 8, 100)


SCENES: dict[str, Callable[[Random, int], Scene]] = {
    "calm": calm,
    "storm": storm,
    "sweep": sweep,
    "press": press,
    "daily": daily,
    "many": many,
    "drift": drift,
    "tail": tail,
}
