"""Rates that nobody states: guessed from refusals, and tested."""

from __future__ import annotations

import asyncio
import math

import pytest

from freerouter_core import Limit, Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.errors import Exhausted
from freerouter_core.routing.adaptive_limits import FORGOTTEN, AdaptiveLimits, LearnedRate
from freerouter_core.routing.charges import Grant, Refusal
from freerouter_core.routing.limits import LEARNT_POLL, reserve
from freerouter_core.routing.window import Window
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind

ACCOUNT = Account("mine", "https://h/v1", "k")
MODEL = Model("a", provider="mine", free=True)
PACED = Fault(Kind.ACCOUNT, Cause.ACCOUNT_GUESSED, status=429)
"""Nobody said which limit refused."""
START = 1_800_000_000.0


def sent(pace: LearnedRate, count: int, now: float) -> None:
    pace.sent.extend(now - 1.0 for _ in range(count))
    pace.let_in_at.extend(now - 0.5 for _ in range(count))


def test_a_refusal_tells_the_rate_which_is_tested_and_forgotten_after_an_hour() -> None:
    pace = LearnedRate()
    sent(pace, 12, START)
    assert pace.allowed(START) == math.inf
    pace.refused(START)
    assert [pace.allowed(START + t) for t in (0, 5.9, 6, 119, 120, 180)] == [12, 12, 13, 13, 14, 15]
    assert pace.allowed(START + 1 + FORGOTTEN) == math.inf


def test_a_burst_of_refusals_counts_once() -> None:
    pace = LearnedRate()
    sent(pace, 12, START)
    for n in range(5):
        pace.refused(START + n)
    assert pace.allowed(START + 4) == 12


@pytest.mark.parametrize(("count", "allowed"), [(4, math.inf), (5, 5)])
def test_a_refusal_after_few_requests_is_not_a_rate_limit(count: int, allowed: float) -> None:
    pace = LearnedRate()
    sent(pace, count, START)
    pace.refused(START)
    assert pace.allowed(START) == allowed


def test_requests_sent_before_the_refusal_count() -> None:
    paces, window = AdaptiveLimits(), Window()
    for n in range(12):
        paces.answered(ACCOUNT, MODEL, paces.sent(ACCOUNT, MODEL, START + n), START + n)
    paces.refused(ACCOUNT, MODEL, PACED, START + 12)
    charges = paces.charges(ACCOUNT, MODEL, START + 12)
    refusal = reserve(lambda charge: window, charges, 1, START + 12)
    assert isinstance(refusal, Refusal)
    assert refusal.until == pytest.approx(START + 12 + LEARNT_POLL), "it is looked at again soon"

    def at(now: float) -> Grant | Refusal:
        return reserve(lambda charge: window, paces.charges(ACCOUNT, MODEL, now), 2, now)

    assert isinstance(at(START + 17), Refusal)
    assert isinstance(at(START + 18), Grant), "one more tests the guess"
    assert isinstance(at(START + 60), Refusal), "the first of the twelve must have passed"
    assert isinstance(at(START + 61), Grant)


@pytest.mark.parametrize(
    ("place", "contradicts"), [(4, False), (5, False), (6, True), (12, True), (13, False)]
)
def test_an_answer_to_a_later_request_of_the_burst_lifts_the_limit(
    place: int, contradicts: bool
) -> None:
    paces = AdaptiveLimits()
    for _ in range(12):
        paces.sent(ACCOUNT, MODEL, START)
    for _ in range(5):
        paces.answered(ACCOUNT, MODEL, 1, START)
    paces.refused(ACCOUNT, MODEL, PACED, START, 5)
    assert paces.charges(ACCOUNT, MODEL, START)
    paces.sent(ACCOUNT, MODEL, START + 61)
    paces.answered(ACCOUNT, MODEL, place, START)
    assert bool(paces.charges(ACCOUNT, MODEL, START)) is not contradicts


@pytest.mark.parametrize(
    ("cause", "limits", "whole", "own"),
    [
        ("ambiguous-429", (), False, True),
        ("account-guessed", (), True, False),
        ("account-minute", (), True, False),
        ("account-minute", (Limit(requests=8),), True, False),
        ("account-minute", (Limit(requests=7),), False, False),
        ("model-minute", (), False, True),
        ("model-limit", (), False, False),
        ("account-minute", (Limit(requests=1, per=1.0),), True, False),
        ("upstream-429", (), False, False),
    ],
)
def test_a_refusal_limits_the_account_or_the_model(
    cause: str, limits: tuple[Limit, ...], whole: bool, own: bool
) -> None:
    account = Account("mine", "https://h/v1", "k", limits=limits)
    paces = AdaptiveLimits()
    for n in range(8):
        paces.answered(account, MODEL, paces.sent(account, MODEL, START + n), START + n)
    paces.refused(account, MODEL, Fault(Kind.BUSY, Cause(cause), status=429), START + 9)
    scopes = {charge.scope for charge in paces.charges(account, MODEL, START + 9)}
    assert (account.scope in scopes, f"{account.scope}|a" in scopes) == (whole, own)


def test_the_number_of_concurrent_requests_is_learnt() -> None:
    models = [SimModel(f"m{n}/x:free", first_token=1.0, jitter=0.0) for n in range(3)]
    with World(models, [SimAccount(per_minute=None, at_once=2)]) as world:
        router = world.router(timeout=None, hedge="off")

        async def together(calls: int) -> None:
            await asyncio.gather(*(router.achat("x") for _ in range(calls)))

        world.runtime.call(lambda: together(12))
        refused = [seen.fate for seen in world.requests].count("429-at-once")
        world.requests.clear()
        world.runtime.call(lambda: together(12))

        again = [seen.fate for seen in world.requests].count("429-at-once")
        assert again <= 1 < refused, "one more may be tried each minute"
        records = world.runtime.state.health.models.values()
        assert not any(health.availability.slips for health in records), "law 6"


def test_two_daily_caps_on_one_account_count_together() -> None:
    with World([SimModel("a/x:free")], [SimAccount(per_minute=None)]) as world:
        for _ in range(3):
            world.router(daily_cap=10).chat("x")

        with pytest.raises(Exhausted):
            world.router(daily_cap=3, timeout=5).chat("x")
        world.router(daily_cap=4).chat("x")
