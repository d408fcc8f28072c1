"""The order in which models are asked: congestion, records, recent outcomes, untried models."""

from __future__ import annotations

import asyncio
import copy
import re
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from freerouter_core import Model, Need
from freerouter_core.routing.congestion import Congestion
from freerouter_core.routing.health import LACKS_KEPT, PRIOR_SAFETY, Health
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.rank import rank
from freerouter_core.routing.situation import Situation
from freerouter_core.routing.timings import USUAL_TOKENS, Pool
from freerouter_core.simulator import Phase, SimAccount, SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind

NOW = 1_800_000_000.0
QUICK, SURE = Model("quick", free=True), Model("sure", free=True)
FAULT = Fault(Kind.BUSY, Cause.SERVER, status=502)


def book_of(records: dict[Model, tuple[int, int, float]], ago: float = 3_600.0) -> HealthBook:
    """(answers, failures, seconds an answer) of each model, one after the other in turn, some time
    ago."""
    book = HealthBook()
    for model, (good, bad, seconds) in records.items():
        count = good + bad
        for n in range(count):
            at = NOW - ago - 20.0 * (count - n)
            if (n + 1) * bad // count > n * bad // count:
                book.failed(model.identity, FAULT, at, Random(0), seconds=0.2)
            else:
                book.answered(model.identity, at, first_token=None, seconds=seconds, tokens=160)
    return book


def first(book: HealthBook, costs: dict[str, Congestion]) -> Model:
    situation = Situation(need=Need(), policy=Policy(), book=book, now=NOW, congestion=costs)
    return rank([QUICK, SURE], situation)[0]


def test_a_quick_model_comes_first_until_requests_are_scarce() -> None:
    book = book_of({QUICK: (20, 10, 1.0), SURE: (30, 0, 3.0)})

    assert first(book, {}) is QUICK
    assert first(book, {"openrouter": Congestion(delay=20.0)}) is SURE


def test_one_failure_of_a_good_model_counts_little_and_three_count_much() -> None:
    def odds(good: int, failures: int, later: float = 1.0) -> float:
        book = book_of({SURE: (good, 0, 1.0)}, ago=0.0)
        for _ in range(failures):
            book.failed(SURE.identity, FAULT, NOW, Random(0))
        return book.of(SURE.identity).odds(NOW + later)[0]

    assert odds(30, 0) > 0.9
    assert odds(30, 1) > odds(0, 1)
    assert odds(30, 3) < 0.1
    assert odds(30, 3, 1_800.0) > 0.6, "moods pass"


def test_a_recent_answer_outweighs_a_poor_record_for_a_while() -> None:
    book = book_of({SURE: (0, 12, 1.0)}, ago=60.0)
    poor = book.of(SURE.identity).odds(NOW)[0]
    book.answered(SURE.identity, NOW, first_token=None, seconds=1.0, tokens=100)
    health = book.of(SURE.identity)

    assert poor < 0.3
    assert health.odds(NOW + 1)[0] > 0.75
    assert health.odds(NOW + 1_800.0)[0] < Health().odds(NOW)[0], "its long run is poor"


def test_expected_seconds_follow_whole_answers() -> None:
    book = book_of({QUICK: (12, 0, 1.0), SURE: (12, 0, 8.0)})

    assert book.of(QUICK.identity).expected(160) == pytest.approx(1.0, rel=0.05)
    assert book.of(SURE.identity).expected(160) == pytest.approx(8.0, rel=0.05)
    assert book.of(Model("new").identity).expected(160) > 1.0, (
        "what is usual here is expected of those that come"
    )


def test_concurrent_requests_try_different_untried_models() -> None:
    models = [SimModel(f"m{n}/x:free") for n in range(12)]
    with World(models) as world:
        router = world.router(hedge="off")

        async def together() -> None:
            await asyncio.gather(*(router.achat("x") for _ in range(12)))

        world.runtime.call(together)
        assert len(set(world.asked)) >= 10


def test_no_request_is_sent_whose_answer_would_come_too_late() -> None:
    model = SimModel("a/x:free", first_token=8.0, jitter=0.0)
    with World([model], [SimAccount()]) as world:
        router = world.router(hedge="off", timeout=66.0)
        router.chat("x")

        async def one() -> str:
            try:
                await router.achat("x")
            except Exception as error:
                return type(error).__name__
            return "answered"

        async def together() -> list[str]:
            return await asyncio.gather(*(one() for _ in range(26)))

        results = world.runtime.call(together)
        sent = len(world.requests)

    assert results.count("answered") == sent - 1, "every request that was sent was answered in time"


def test_a_new_record_has_nothing_against_the_model() -> None:
    assert Health().safety == PRIOR_SAFETY
    assert Health().plain


def test_a_model_that_recovers_is_used_again() -> None:
    models = [
        SimModel("steady/x:free", first_token=2.0, jitter=0.0),
        SimModel("moody/x:free", first_token=0.2, jitter=0.0, phases=[Phase(100.0, 400.0, "502")]),
    ]
    with World(models) as world:
        router = world.router(hedge="off")
        for _ in range(120):
            router.chat("x")
            world.clock.advance(10.0)
        early = [seen.model for seen in world.requests if 30 < seen.at < 100]
        amid = [seen.model for seen in world.requests if 150 < seen.at < 400]
        late = [seen.model for seen in world.requests if seen.at > 900]

    assert early.count("moody/x:free") > len(early) * 0.7
    assert amid.count("moody/x:free") < 6
    assert late.count("moody/x:free") > len(late) * 0.5


class Claiming(World):
    """A world that states the same number of tokens for every answer."""

    tokens = "0"

    def respond(self, method: str, path: str, headers: Any, body: bytes) -> Any:
        script = super().respond(method, path, headers, body)
        number = f'"completion_tokens": {self.tokens}'.encode()
        parts = [
            re.sub(rb'"completion_tokens": \d+', number, part) if isinstance(part, bytes) else part
            for part in script.body
        ]
        return replace(script, body=tuple(parts))


@pytest.mark.parametrize(
    "tokens", ["1000000000", "-5", "1" * 401, "true", "1e9"], ids=lambda text: text[:9]
)
def test_absurd_token_counts_do_not_change_what_is_expected(tokens: str) -> None:
    with Claiming([SimModel("a/m:free")]) as world:
        world.tokens = tokens
        book = world.runtime.state.health
        router = world.router()
        for _ in range(5):
            router.chat("x")
        assert 0 < book.pool.size_of().mean < 2 * USUAL_TOKENS
        assert book.pool.size_of().likely(None) < 10 * USUAL_TOKENS

        router.reset()
        assert book.pool == Pool()


def test_explain_is_the_ranking_that_requests_use() -> None:
    models = [
        SimModel(f"m{n}/x:free", first_token=0.2 + n, script=["502"] * (n % 3)) for n in range(6)
    ]
    with World(models, [SimAccount(per_minute=None, per_day=50)]) as world:
        router = world.router(daily_cap=50, strategy="performance")
        for _ in range(6):
            first = router.explain("x").candidates[0].id
            world.requests.clear()
            router.chat("x")
            assert world.asked[0] == first
            world.clock.advance(700.0)


def test_reading_a_record_neither_creates_nor_changes_one() -> None:
    book = book_of({SURE: (1, 0, 1.0)})
    limited = Fault(Kind.UNFIT, Cause.NO_TOOLS, lacks=frozenset({"tools"}), teaches=False)
    book.failed(SURE.identity, limited, NOW, Random(0))
    before = copy.deepcopy(book)

    assert book.of(SURE.identity).lacks_at(NOW + LACKS_KEPT) == {"tools"}
    assert not book.of(SURE.identity).lacks_at(NOW + LACKS_KEPT + 1)
    assert book.of(QUICK.identity).answers == 0
    assert book.timings(QUICK.identity).first_token == book.pool.first_token
    book.of(SURE.identity).odds(NOW + 1e6)
    assert book == before


def test_what_a_model_lacked_long_ago_is_forgotten_at_its_next_answer() -> None:
    book = book_of({})
    book.failed(
        SURE.identity, Fault(Kind.UNFIT, Cause.NO_TOOLS, lacks=frozenset({"tools"})), NOW, Random(0)
    )
    later = NOW + LACKS_KEPT + 1
    book.answered(SURE.identity, later, first_token=None, seconds=1.0, tokens=10)

    assert not book.of(SURE.identity).lacks
