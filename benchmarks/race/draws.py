"""Worlds drawn at random in every dimension: `draw(seed)`.

Nobody tunes for any one of them. Every tenth seed is held out from tuning altogether.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count, islice
from random import Random

from drawn_models import Nature, make_possible, misprint
from refusing import draw_refusing
from scene import DEADLINE, KEY, Call, Scene, Server, Way
from worlds import between

from freerouter_core.simulator import SimAccount
from freerouter_core.simulator.dialects import DIALECTS

PROVIDERS = ("openrouter", "groq", "gemini", "mistral", "cerebras", "nvidia", "cloudflare")
LONGEST = 6 * 3_600.0
"""Seconds that a world lasts at most."""


def held_out(seed: int) -> bool:
    """Whether nobody may tune on this seed."""
    return seed % 10 == 9


def seeds(number: int, first: int = 0, *, secret: bool = False) -> list[int]:
    """That many seeds from `first` on: those to tune on, or the secret ones that are held out."""
    return list(islice((seed for seed in count(first) if held_out(seed) is secret), number))


def draw(seed: int) -> Scene:
    """The world of a seed."""
    rng = Random(f"draw-{seed}")
    names = _providers(rng)
    counts = _model_counts(rng, len(names))
    per_minute = [None if rng.random() < 0.1 else round(between(rng, 3, 60)) for _ in names]
    mix = _mix(rng)
    number = round(between(rng, 40, 160))
    rate = _rate(rng, names, counts, per_minute)
    span = min(max(number / rate, 3.0) * 60.0, LONGEST)
    scarce = rng.random() < 0.25
    accounts = _accounts(rng, per_minute, number, scarce=scarce)
    if scarce and rng.random() < 0.7:  # spend the day's budget in hours rather than minutes
        span = min(LONGEST, span * between(rng, 3.0, 40.0))
    nature = Nature.drawn(rng, span)
    models = [nature.models(rng, name, number) for name, number in zip(names, counts, strict=True)]
    everyone = [model for served in models for model in served]
    make_possible(rng, everyone, set(mix))
    misprint(rng, everyone)
    endpoints = rng.random() < 0.5
    servers = [
        Server(
            provider=name,
            models=list(served),
            account=account,
            stated=_stated(rng, account),
            endpoints=endpoints,
        )
        for name, served, account in zip(names, models, accounts, strict=True)
    ]
    return Scene(f"draw {seed}", seed, servers, _calls(rng, number, span, mix))


FAMILIES: dict[str, Callable[[int], Scene]] = {"all": draw, "refusing": draw_refusing}
"""Makers of worlds by name."""


# -- who serves -----------------------------------------------------------------------------------


def _providers(rng: Random) -> list[str]:
    number = 1 if rng.random() < 0.4 else rng.randint(2, 6)
    names = rng.sample(PROVIDERS, number)
    if "openrouter" not in names and rng.random() < 0.7:
        names[0] = "openrouter"
    return names


def _model_counts(rng: Random, providers: int) -> list[int]:
    """Models of each provider: 5 to 40 in all, and one at least."""
    total = max(providers, round(between(rng, 5, 40)))
    cuts = sorted(rng.sample(range(1, total), providers - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


def _rate(rng: Random, names: list[str], counts: list[int], per_minute: list[int | None]) -> float:
    """Calls a minute: a share of what all accounts allow together."""
    capacity = 0.0
    for name, models, limit in zip(names, counts, per_minute, strict=True):
        capacity += (60 if limit is None else limit) * (models if DIALECTS[name].by_model else 1)
    pressed = rng.random() < 0.3
    load = rng.uniform(0.5, 1.1) if pressed else between(rng, 0.03, 0.6)
    return min(90.0, capacity * load)


def _accounts(
    rng: Random, per_minute: list[int | None], number: int, *, scarce: bool
) -> list[SimAccount]:
    """An account with each provider. `scarce`: a day's budget for about as many calls as come."""
    budget = number / between(rng, 0.5, 1.3)
    accounts = []
    for limit in per_minute:
        per_day = None
        if scarce:
            per_day = max(5, round(budget / len(per_minute) * rng.uniform(0.5, 1.5)))
        elif rng.random() < 0.3:
            per_day = round(between(rng, 200, 2_000))
        at_once = rng.randint(2, 8) if rng.random() < 0.1 else None
        accounts.append(SimAccount(KEY, limit, per_day=per_day, at_once=at_once))
    return accounts


def _stated(rng: Random, account: SimAccount) -> SimAccount | None:
    """The limits that routers are told: mostly the true ones, sometimes wrong ones or none."""
    chance = rng.random()
    if chance < 0.08:
        return None
    if chance < 0.16 and account.per_minute is not None:
        wrong = max(1, round(account.per_minute * rng.choice((0.5, 1.5, 2.0))))
        return replace(account, per_minute=wrong)
    return account


# -- who asks -------------------------------------------------------------------------------------


def _mix(rng: Random) -> dict[Way, float]:
    """How often each way of asking is used: about half plain, a quarter tools, some others."""
    if rng.random() < 0.2:
        return {"plain": 1.0}
    centre: dict[Way, float] = {"plain": 0.5, "tools": 0.25, "schema": 0.15, "picture": 0.1}
    return {way: share * rng.gammavariate(2.0, 0.5) for way, share in centre.items()}


def _calls(rng: Random, number: int, span: float, mix: dict[Way, float]) -> list[Call]:
    """Calls that come evenly or in bursts, with one or two deadlines."""
    burst = 1.0 if rng.random() < 0.5 else between(rng, 1.5, 10.0)
    length, spread = between(rng, 15, 300), rng.uniform(0.1, 0.8)
    patient = DEADLINE if rng.random() < 0.5 else between(rng, 20, 150)
    hasty = between(rng, 10, 40)
    share_hasty = rng.choice((0.0, 0.0, 0.3))
    ways = rng.choices(list(mix), list(mix.values()), k=number)
    calls: list[Call] = []
    now = 0.0
    while len(calls) < number:
        now += rng.expovariate(number / burst / span)
        size = 1 if burst == 1.0 else 1 + int(rng.expovariate(1.0 / (burst - 0.5)))
        for _ in range(min(size, number - len(calls))):
            drawn = min(600.0, length * rng.lognormvariate(0.0, spread))
            deadline = min(patient, hasty) if rng.random() < share_hasty else patient
            calls.append(
                Call(
                    at=now + rng.uniform(0.0, 2.0) * (size > 1),
                    way=ways[len(calls)],
                    length=max(5, round(drawn)),
                    deadline=deadline,
                    number=len(calls),
                )
            )
    return sorted(calls, key=lambda call: call.at)
