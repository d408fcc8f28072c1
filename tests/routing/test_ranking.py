"""In which order models that fit are asked, by every strategy."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.routing.availability import Availability
from freerouter_core.routing.congestion import MAX_DENIAL, Congestion
from freerouter_core.routing.health import Health
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import STRATEGIES, Policy
from freerouter_core.routing.rank import rank
from freerouter_core.routing.situation import Situation
from freerouter_core.routing.ways import Way

from .driver import NOW, likely, model

A, B, C = (model(name, f"p{n}") for n, name in enumerate("abc"))


def ids(models: list[Model], **more: Any) -> str:
    """The ids of the models in order."""
    fields = {name: more.pop(name) for name in ("rng", "turn", "congestion") if name in more}
    book, need = more.pop("book", None) or HealthBook(), more.pop("need", None) or Need()
    situation = Situation(need=need, policy=Policy(**more), book=book, now=NOW, **fields)
    return "".join(m.id for m in rank(models, situation))


def book_of(**records: Health) -> HealthBook:
    book = HealthBook()
    for n, name in enumerate("abc"):
        if name in records:
            book.models[model(name, f"p{n}").identity] = records[name]
    return book


# -- strategies that sort by one number ---------------------------------------------------------


def test_a_strategys_order_decides_and_leaves_out_other_models() -> None:
    assert ids([A, B, C], order={"c": 0, "a": 1}) == "ca"


def test_random_shuffles_and_explains_in_the_catalogues_order() -> None:
    orders = {ids([A, B, C], strategy="random", rng=Random(n)) for n in range(50)}

    assert len(orders) == 6
    assert ids([A, B, C], strategy="random") == "abc"


def test_round_robin_moves_on_with_every_request() -> None:
    turns = [ids([C, A, B], strategy="round_robin", turn=turn) for turn in range(4)]

    assert turns == ["abc", "bca", "cab", "abc"]
    assert ids([], strategy="round_robin", turn=3) == ""


def test_context_asks_the_largest_window_first() -> None:
    large = model("z", context=99_999)

    assert ids([A, large], strategy="context") == "za"


def test_performance_asks_the_quickest_first_and_of_equals_the_best() -> None:
    quick = Health(first_token=0.5)
    slow = Health(first_token=0.1, speed=10.0)
    better = model("d", quality=6.0)
    book = book_of(a=slow, b=quick)

    assert ids([A, C, better, B], strategy="performance", book=book) == "bdca"


def test_cost_asks_the_cheapest_first_and_of_equals_the_best() -> None:
    dear = model("x", free=False, prompt_price=1.0, completion_price=2.0)
    cheap = model("y", free=False, prompt_price=2.0, completion_price=0.5)
    better = model("z", free=False, prompt_price=2.0, completion_price=0.5, quality=6.0)

    assert ids([dear, cheap, better], strategy="cost") == "zyx"


def lasting(share: float, chance_up: float = 1.0) -> Health:
    """A model that is up for this share of time."""
    return Health(
        availability=Availability(long_run=share, chance_up=chance_up, seen_at=NOW, sure=0.95)
    )


def test_availability_asks_the_surest_in_the_long_run_first() -> None:
    better = model("d", quality=6.0)
    book = book_of(a=lasting(0.95), b=lasting(0.5))

    assert ids([B, C, better, A], strategy="availability", book=book) == "adcb"
    down_just_now = book_of(a=lasting(0.95, chance_up=0.0))
    assert ids([C, A], strategy="availability", book=down_just_now) == "ac"


def test_every_strategy_returns_every_model() -> None:
    for strategy in STRATEGIES:
        assert sorted(ids([C, A, B], strategy=strategy, rng=Random(0))) == list("abc")


# -- the adaptive strategy ----------------------------------------------------------------------


def known(first_token: float = 1.0, chance: float = 0.95, **more: Any) -> Health:
    """A model that has answered twenty times, and does so this often now."""
    fields = {"availability": likely(chance), "answers": 20, **more}
    return Health(first_token=first_token, **fields)


def test_the_quicker_of_two_equally_sure_models_comes_first() -> None:
    assert ids([A, B], book=book_of(a=known(2.0), b=known(1.0))) == "ba"


def test_the_surer_of_two_equally_quick_models_comes_first() -> None:
    assert ids([A, B], book=book_of(a=known(chance=0.8), b=known())) == "ba"


def test_failures_that_take_long_count_against_a_model() -> None:
    patient = known(chance=0.8, failure_seconds=30.0)

    assert ids([A, B], book=book_of(a=patient, b=known(chance=0.8))) == "ba"


@pytest.mark.parametrize(
    "costs", [Congestion(delay=20.0), Congestion(denial=MAX_DENIAL)], ids=["delay", "denial"]
)
def test_congestion_of_an_account_makes_its_failures_dearer(costs: Congestion) -> None:
    book = book_of(a=known(1.0, chance=0.7), b=known(1.5, chance=0.7))

    assert ids([A, B], book=book) == "ab"
    assert ids([A, B], book=book, congestion={"p0": costs}) == "ba"


def test_speed_counts_as_much_as_the_answer_is_long() -> None:
    book = book_of(a=known(1.0, speed=10.0), b=known(2.0, speed=90.0))

    assert ids([A, B], book=book, need=Need(output_tokens=5)) == "ab"
    assert ids([A, B], book=book, need=Need(output_tokens=500)) == "ba"


@pytest.mark.parametrize(
    ("prefer", "order"), [("speed", "ab"), ("balanced", "ab"), ("quality", "ba")]
)
def test_quality_bends_the_order_as_far_as_the_policy_prefers(prefer: str, order: str) -> None:
    good = model("b", "p1", quality=8.0)
    book = book_of(a=known(0.5), b=known(1.8))

    assert ids([A, good], book=book, prefer=prefer) == order
    assert ids([A, good], book=book_of(a=known(), b=known(1.1)), prefer=prefer) == (
        "ab" if prefer == "speed" else "ba"
    )


def test_an_unknown_preference_is_balanced() -> None:
    good = model("b", "p1", quality=8.0)

    assert ids([A, good], book=book_of(a=known(), b=known(1.1)), prefer="?") == "ba"


def test_grades_and_the_owners_own_opinion_count_as_quality() -> None:
    book = book_of(a=known(), b=known(grade=10.0, grades=30.0))
    assert ids([A, B], book=book, prefer="quality") == "ba"
    assert ids([A, B], book=book_of(a=known(), b=known()), quality={"b": 9.0}) == "ba"


def test_a_model_made_for_the_task_comes_first() -> None:
    coder = model("qwen-coder", "p1")
    book = HealthBook()
    book.models[coder.identity] = known()
    book.models[A.identity] = known()

    assert ids([A, coder], book=book, need=Need(task="code")).startswith("qwen")
    assert ids([A, coder], book=book).startswith("a")


def test_a_structured_answer_takes_longer_without_native_json() -> None:
    native = model("b", "p1", parameters=frozenset({"structured_outputs"}))
    book = book_of(a=known(1.0), b=known(1.1))

    assert ids([A, native], book=book) == "ab"
    assert ids([A, native], book=book, need=Need(structured=True)) == "ba"


def test_a_model_without_native_json_is_doubted_until_it_gave_a_structured_answer() -> None:
    """What it did counts from then on, for structured requests only."""
    native = model("b", "p1", parameters=frozenset({"structured_outputs"}))
    slow = known(3.0, ways={"structured": Way(good=3.0)})
    doubted, proved = (known(1.5, ways=ways) for ways in ({}, {"structured": Way(good=3.0)}))
    structured = Need(structured=True)

    assert ids([A, native], book=book_of(a=doubted, b=slow), need=structured) == "ba"
    assert ids([A, native], book=book_of(a=proved, b=slow), need=structured) == "ab"
    assert ids([A, native], book=book_of(a=doubted, b=slow)) == "ab"


def test_published_times_make_a_model_known() -> None:
    book = HealthBook()
    book.described(B.identity, first_token=0.2, speed=200.0, tool_choice=True, now=NOW)

    assert ids([A, B], book=book) == "ba"


def test_a_model_that_cannot_do_a_way_of_asking_comes_last_for_it_and_no_other() -> None:
    unable = known(0.5, ways={"tools": Way(bad=1.0, failed_at=NOW)})
    book = book_of(a=unable, b=known(2.0))

    assert ids([A, B], book=book, need=Need(tools=True)) == "ba"
    assert ids([A, B], book=book, need=Need(structured=True)) == "ab"
    assert ids([A, B], book=book) == "ab"


# -- exploration --------------------------------------------------------------------------------


def share_first(name: str, book: HealthBook, **more: Any) -> float:
    """How often a model comes first, over many draws."""
    draws = [ids([A, B], book=book, rng=Random(n), **more)[0] for n in range(400)]
    return draws.count(name) / len(draws)


def test_an_unknown_model_is_tried_now_and_then() -> None:
    book = book_of(a=known(2.0))

    assert ids([A, B], book=book) == "ab"
    assert 0.2 < share_first("b", book) < 0.9


def test_scarce_requests_make_bold_moves_rarer() -> None:
    book = book_of(a=known(2.0))
    scarce = {"p0": Congestion(delay=20.0), "p1": Congestion(delay=20.0)}

    assert share_first("b", book, congestion=scarce) < share_first("b", book) / 2


def test_while_others_try_an_unknown_model_the_rest_wait() -> None:
    book = book_of(a=known(2.0))
    before = share_first("b", book)
    book.in_flight[B.identity] = 3

    assert share_first("b", book) < before / 3


def test_a_model_that_fell_comes_back() -> None:
    book = book_of(a=known(2.0), b=known(0.5, availability=likely(0.3, outcomes=3.0)))

    assert 0.0 < share_first("b", book) < 1.0


def test_a_chance_is_never_nothing_nor_certain() -> None:
    hopeless, certain = known(chance=0.0), known(chance=1.0)
    for n in range(20):
        assert ids([A, B], book=book_of(a=hopeless, b=certain), rng=Random(n)) == "ba"
