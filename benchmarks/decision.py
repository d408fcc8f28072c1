"""How long a routing decision takes: fit the candidates, rank them, choose the first.

    python benchmarks/decision.py

Prints microseconds a decision (the best of several rounds) over catalogues of growing size. For
100 candidates it adds the ratio to a plain httpx call without a network, from the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import httpx

from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.routing.candidates import Candidates
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.situation import Situation


def catalogue_of(free: int, listed: int) -> Catalogue:
    """`listed` models, of which `free` are free chat models."""
    parameters = frozenset({"max_tokens", "tools", "tool_choice"})
    models = [
        Model(
            f"acme/m{n}:free",
            name=f"acme/m{n}:free",
            context=131_072,
            parameters=parameters,
            free=n < free,
        )
        for n in range(listed)
    ]
    return Catalogue.of(models, 1.0)


def best(call: Callable[[], object], rounds: int = 7, repeat: int = 40) -> float:
    """Microseconds a call, the best round of several."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(repeat):
            call()
        times.append((time.perf_counter() - started) / repeat)
    return min(times) * 1e6


def decision(free: int, listed: int) -> float:
    """Microseconds for one decision."""
    catalogue = catalogue_of(free, listed)
    accounts = {"openrouter": Account("openrouter", "https://x.test/v1", "k", dialect="openrouter")}
    book, rng, policy = HealthBook(), Random(1), Policy()
    for n, model in enumerate(catalogue.models[:free]):
        if n % 2:
            book.answered(model.identity, 1.0, first_token=0.5, seconds=1.0, tokens=50)
    need = Need(prompt_tokens=900, tools=True)

    def decide() -> object:
        situation = Situation(need=need, policy=policy, book=book, now=2.0, rng=rng)
        return Candidates.of(catalogue, accounts, situation).next(2.0)

    return best(decide, repeat=40 if listed < 2_000 else 4)


def plain_call() -> float:
    """Microseconds of an httpx call without a network: client, request and response only."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"choices": []}))
    with httpx.Client(transport=transport) as client:
        return best(lambda: client.post("http://x.test/v1", json={"model": "m"}).json())


def main() -> None:
    plain = plain_call()
    print(f"{'candidates':>10} {'listed':>8} {'µs/decision':>12}")
    for free, listed in ((20, 400), (100, 400), (400, 400), (1_000, 1_000), (10_000, 10_000)):
        elapsed = decision(free, listed)
        note = ""
        if free == 100:
            ratio = elapsed / plain
            note = f"   {ratio:.2f} x an httpx call without a network ({plain:.0f} µs)"
        print(f"{free:>10} {listed:>8} {elapsed:>12.0f}{note}")


if __name__ == "__main__":
    main()
