"""The eight named worlds of the race, each made of a seed: who serves, who fails, who asks.

A world is hard in one way. Routers are told its limits and nothing else: what a model is like shows
only in its answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from scene import KEY, Scene, Server, calls_at, says

from freerouter_core.simulator import Phase, SimAccount, SimModel

HOUR = 3_600.0
TRANSIENT = ("429-upstream", "502", "503", "empty", "error-in-200")
"""Faults of a model that is up."""
DOWN = (*["429-upstream"] * 3, "502", "503", "empty", "hang", "404-upstream")
"""Faults of a model that is down."""


def scene(name: str, seed: int) -> Scene:
    """The world `name` as `seed` has it."""
    return SCENES[name](Random(f"{name}-{seed}"), seed)


# -- what worlds are made of ----------------------------------------------------------------------


def between(rng: Random, low: float, high: float) -> float:
    """Log-uniform: as often near the one end as near the other, as factors go."""
    return low * math.pow(high / low, rng.random())


def _model(
    rng: Random,
    name: str,
    phases: list[Phase],
    first: tuple[float, float] = (0.3, 4.0),
    *,
    born: float = 0.0,
    dies: float = math.inf,
) -> SimModel:
    return SimModel(
        f"{name}:free",
        first_token=between(rng, *first),
        speed=between(rng, 25.0, 150.0),
        jitter=0.3,
        phases=phases,
        born=born,
        dies=dies,
        says=says,
    )


def _always(fault: str, share: float = 1.0) -> list[Phase]:
    return [Phase(0.0, math.inf, fault, share)]


def _now_and_then(rng: Random, most: float) -> list[Phase]:
    return _always(rng.choice(TRANSIENT), most * rng.random())


def on_and_off(
    rng: Random, up: float, down: float, span: float, faults: tuple[str, ...]
) -> list[Phase]:
    """Down for `down` seconds on average, then up for `up`, and so on. It may begin down."""
    phases, now, is_up = [], 0.0, rng.random() < up / (up + down)
    while now < span:
        duration = rng.expovariate(1.0 / (up if is_up else down))
        if not is_up:
            phases.append(Phase(now, now + duration, rng.choice(faults)))
        now, is_up = now + duration, not is_up
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
    account = SimAccount(KEY, per_minute=20, per_day=day)
    server = Server(provider="openrouter", models=models, account=account, stated=account)
    return Scene(name, seed, [server], calls_at(_poisson(rng, per_minute, count)))


# -- the worlds -----------------------------------------------------------------------------------


def calm(rng: Random, seed: int) -> Scene:
    """Twelve models that nearly always answer, some of them slowly."""
    models = [_model(rng, f"calm/m{n}", _now_and_then(rng, 0.08)) for n in range(12)]
    return _one_account("calm", seed, rng, models, 10, 100)


def storm(rng: Random, seed: int) -> Scene:
    """Twenty models. Most are down at any moment."""
    models = [
        _model(rng, f"storm/m{n}", on_and_off(rng, 180.0, 420.0, HOUR, DOWN), (0.3, 3.0))
        for n in range(20)
    ]
    return _one_account("storm", seed, rng, models, 5, 80)


def sweep(rng: Random, seed: int) -> Scene:
    """Seventeen models as they were once probed. One is good."""
    faults = ["429-upstream"] * 3 + ["403-harness"] * 2 + ["empty"] * 7
    faults += ["502", "error-in-200", "hang", "404-gone"]
    models = [
        _model(rng, f"sweep/m{n}", _always(fault), (0.3, 2.0)) for n, fault in enumerate(faults)
    ]
    models.append(_model(rng, "sweep/good", _now_and_then(rng, 0.02), (0.3, 1.0)))
    return _one_account("sweep", seed, rng, models, 4, 80)


def press(rng: Random, seed: int) -> Scene:
    """Demand just under the account's minute."""
    models = [_model(rng, f"press/m{n}", _now_and_then(rng, 0.12)) for n in range(10)]
    models.append(_model(rng, "press/bad", _always(rng.choice(TRANSIENT))))
    return _one_account("press", seed, rng, models, 17, 160)


def daily(rng: Random, seed: int) -> Scene:
    """Fifty requests a day and nearly as many callers. Every probe costs an answer."""
    models = [
        _model(rng, f"daily/m{n}", on_and_off(rng, 6 * HOUR, 2 * HOUR, 12 * HOUR, DOWN))
        for n in range(8)
    ]
    models += [_model(rng, f"daily/bad{n}", _always(rng.choice(TRANSIENT))) for n in range(2)]
    return _one_account("daily", seed, rng, models, 0.1, 44, day=50)


def many(rng: Random, seed: int) -> Scene:
    """Five providers, each with limits and words of its own."""

    def steady(letter: str, most: float, first: tuple[float, float]) -> list[SimModel]:
        names = [f"many/{letter}{n}" for n in range(3)]
        return [_model(rng, name, _now_and_then(rng, most), first) for name in names]

    names = [f"many/o{n}" for n in range(8)]
    busy = [_model(rng, name, on_and_off(rng, 300, 300, HOUR, DOWN)) for name in names]
    groq = steady("g", 0.1, (0.2, 0.6))
    gemini = steady("i", 0.1, (0.5, 2.0))
    mistral = steady("s", 0.2, (0.3, 2.0))
    slow = [
        _model(rng, f"many/n{n}", on_and_off(rng, 200, 100, HOUR, ("hang", "503")), (1.0, 8.0))
        for n in range(4)
    ]
    providers = [
        ("openrouter", 20, busy),
        ("groq", 30, groq),
        ("gemini", 5, gemini),
        ("mistral", 30, mistral),
        ("nvidia", 40, slow),
    ]
    servers = []
    for provider, per_minute, models in providers:
        account = SimAccount(KEY, per_minute)
        servers.append(Server(provider=provider, models=models, account=account, stated=account))
    return Scene("many", seed, servers, calls_at(_poisson(rng, 40, 240)))


def drift(rng: Random, seed: int) -> Scene:
    """Models die and are born. Good ones go bad."""
    models = []
    for n in range(18):
        born = 0.0 if n < 8 else rng.uniform(0, 900.0)
        dies = born + rng.expovariate(1 / 500.0) if rng.random() < 0.6 else math.inf
        turns = rng.uniform(0, 1200.0)
        bad = Phase(turns, turns + rng.expovariate(1 / 600.0), rng.choice(DOWN))
        phases = [bad, *_now_and_then(rng, 0.1)]
        models.append(_model(rng, f"drift/m{n}", phases, born=born, dies=dies))
    models.append(_model(rng, "drift/last", _now_and_then(rng, 0.1), (1.0, 4.0)))
    return _one_account("drift", seed, rng, models, 7, 120)


def tail(rng: Random, seed: int) -> Scene:
    """Models that hang or take half a minute now and then."""
    models = []
    for n in range(10):
        share = 0.2 * rng.random()
        phases = _always("hang", share / 2) + _always("slow", share)
        models.append(_model(rng, f"tail/m{n}", phases, (0.3, 3.0)))
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
