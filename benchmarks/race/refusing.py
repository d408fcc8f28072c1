"""Accounts that refuse and seldom say why: `draw_refusing(seed)`, a family of drawn worlds.

All models answer well. What differs is how their accounts refuse: a minute's limit that nobody
states or that is stated wrongly, so many at once, and refusals by chance; with a reason or without
a word. The demand is a third of what the account allows, or half as much again.
"""

from __future__ import annotations

import math
from random import Random

from scene import DEADLINE, KEY, Call, Scene, Server, says
from worlds import between

from freerouter_core.simulator import Phase, SimAccount, SimModel

PROVIDERS = ("openrouter", "groq", "gemini", "mistral", "cerebras", "nvidia", "cloudflare")
NAMES = {"openrouter": "a/{}-{}:free", "cloudflare": "@cf/a/{}-{}"}
"""How models are named there."""
SILENT = ("429-silent", "429-bare", "503-silent")
"""How a healthy server refuses by chance, or because too many are under way."""


def draw_refusing(seed: int) -> Scene:
    """The world of a seed."""
    rng = Random(f"refusing-{seed}")
    names = rng.sample(PROVIDERS, rng.choice((1, 1, 1, 2)))
    servers = [_server(rng, name) for name in names]
    number = round(between(rng, 40, 240))
    rate = sum(map(_per_second, servers)) * rng.uniform(0.3, 1.5)
    return Scene(f"refusing {seed}", seed, servers, _calls(rng, number, rate))


def _server(rng: Random, name: str) -> Server:
    per_minute = None if rng.random() < 0.25 else round(between(rng, 4, 60))
    at_once = rng.randint(1, 8) if rng.random() < (0.7 if per_minute is None else 0.2) else None
    account = SimAccount(KEY, per_minute, at_once=at_once, at_once_fault=rng.choice(SILENT))
    first_token = between(rng, 0.2, 4.0)
    strays = 0.0 if rng.random() < 0.5 else between(rng, 0.003, 0.3)
    models = [
        SimModel(
            NAMES.get(name, "a/{}-{}").format(name, n),
            first_token=first_token * rng.uniform(0.7, 1.4),
            speed=between(rng, 40.0, 150.0),
            phases=[Phase(0.0, math.inf, rng.choice(SILENT), strays)],
            says=says,
        )
        for n in range(rng.choice((1, 2, 3, 5)))
    ]
    stated = None
    if per_minute is not None and rng.random() < 0.25:
        factor = rng.choice((0.5, 1.0, 1.5, 2.0))
        stated = SimAccount(KEY, max(1, round(per_minute * factor)))
    return Server(provider=name, models=models, account=account, stated=stated)


def _per_second(server: Server) -> float:
    """Answers a second that an account allows."""
    account, models = server.account, len(server.models)
    most = 2.0
    if account.per_minute is not None:
        most = min(most, account.per_minute / 60.0 * (models if server.by_model else 1))
    if account.at_once is not None:
        most = min(most, account.at_once / (server.models[0].first_token + 1.0))
    return most


def _calls(rng: Random, number: int, rate: float) -> list[Call]:
    """Calls that come one by one, or in bursts, at a rate a second."""
    burst = rng.choice((1, 1, 3, 10))
    calls: list[Call] = []
    now = 0.0
    while len(calls) < number:
        now += rng.expovariate(rate / burst)
        for _ in range(min(burst, number - len(calls))):
            calls.append(Call(now, length=40, deadline=DEADLINE, number=len(calls)))
    return calls
