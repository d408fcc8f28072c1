"""Of hundreds of models a decision looks at some."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.routing.candidates import Candidates
from freerouter_core.routing.charges import Refusal
from freerouter_core.routing.health_book import LATEST, HealthBook
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.sample import SAMPLE
from freerouter_core.routing.selection import select
from freerouter_core.routing.situation import Situation

from .driver import NOW, account, model

ONE = {"one": account("one")}
MANY = [model(f"m{n}") for n in range(SAMPLE + 1)]


def situation(seed: int | None = 0, book: HealthBook | None = None, **policy: Any) -> Situation:
    return Situation(
        need=Need(),
        policy=Policy(**policy),
        book=book or HealthBook(),
        now=NOW,
        rng=None if seed is None else Random(seed),
    )


def ranked(models: list[Model], wanted: Situation) -> list[Model]:
    return select(Catalogue.of(models, NOW), ONE, wanted).ranked


def answered(book: HealthBook, one: Model) -> None:
    book.answered(one.identity, NOW, first_token=0.1, seconds=1.0, tokens=50)


def test_up_to_the_size_of_a_sample_all_are_looked_at() -> None:
    assert len(ranked(MANY[:SAMPLE], situation())) == SAMPLE


def test_of_more_only_a_sample_is() -> None:
    assert len(ranked(MANY * 1, situation())) <= SAMPLE
    assert len(ranked(MANY, situation())) > SAMPLE / 2


@pytest.mark.parametrize(
    "whole",
    [
        situation(None),
        situation(strategy="round_robin"),
        situation(order={m.id: n for n, m in enumerate(MANY)}),
        situation(allow_paid=True),
    ],
    ids=["means", "round robin", "own strategy", "paid"],
)
def test_all_are_looked_at_where_the_first_of_all_is_promised(whole: Situation) -> None:
    assert len(ranked(MANY, whole)) == len(MANY)


def test_the_models_that_answered_last_are_always_in_the_sample() -> None:
    book = HealthBook()
    for one in MANY[: LATEST + 5]:
        answered(book, one)
    answered(book, MANY[5])
    assert list(book.latest) == [m.identity for m in (*MANY[6 : LATEST + 5], MANY[5])]

    for seed in range(20):
        looked_at = {m.identity for m in ranked(MANY, situation(seed, book))}
        assert book.latest.keys() <= looked_at


def test_however_many_have_answered_the_sample_is_no_larger() -> None:
    book = HealthBook()
    hundreds = [model(f"m{n}") for n in range(10 * SAMPLE)]
    for one in hundreds[:LATEST]:
        answered(book, one)

    for seed in range(5):
        assert len(ranked(hundreds, situation(seed, book))) <= SAMPLE


def test_one_that_answered_and_is_not_listed_any_more_is_left_out() -> None:
    book = HealthBook()
    answered(book, model("gone"))

    assert "one:gone" not in {m.id for m in ranked(MANY, situation(0, book))}


def test_every_model_is_looked_at_in_time() -> None:
    looked_at: set[str] = set()
    for seed in range(40):
        looked_at |= {m.id for m in ranked(MANY, situation(seed))}

    assert len(looked_at) == len(MANY)


def test_where_none_of_the_sample_will_do_the_others_follow() -> None:
    candidates = Candidates.of(Catalogue.of(MANY, NOW), ONE, situation())
    asked = set()
    while (turn := candidates.next(NOW)).candidate is not None:
        turn.candidate.out = True
        asked.add(turn.candidate.model.id)

    assert len(asked) == len(MANY)
    assert len(candidates.all) == len(MANY)
    assert not candidates.empty


TWO = {name: account(name) for name in ("one", "two")}
PAIR = [model("a", "one"), model("b", "two")]


def full(*names: str) -> dict[str, Refusal]:
    return {TWO[name].scope: Refusal(NOW + 60, TWO[name].scope) for name in names}


@pytest.mark.parametrize(
    ("names", "looked_at"), [((), "ab"), (("one",), "b"), (("one", "two"), "ab")]
)
def test_while_another_account_has_room_a_full_one_is_not_looked_at(
    names: tuple[str, ...], looked_at: str
) -> None:
    wanted = replace(situation(), full=full(*names))
    chosen = select(Catalogue.of(PAIR, NOW), TWO, wanted).ranked
    assert sorted(model.id for model in chosen) == list(looked_at)


def test_a_full_account_is_looked_at_once_nobody_else_can_be_asked() -> None:
    wanted = replace(situation(), background=True, full=full("one"))
    candidates = Candidates.of(Catalogue.of(PAIR, NOW), TWO, wanted)
    first = candidates.next(NOW).candidate
    assert first is not None and first.model.id == "b"
    first.out = True
    turn = candidates.next(NOW)
    assert (turn.candidate, turn.until, turn.scope) == (None, NOW + 60, TWO["one"].scope)
    later = candidates.next(NOW + 61).candidate
    assert later is not None and later.model.id == "a"


def test_who_has_waited_looks_at_the_accounts_that_have_room_by_then() -> None:
    wanted = replace(situation(), background=True, full=full("one"))
    candidates = Candidates.of(Catalogue.of(PAIR, NOW), TWO, wanted)
    candidates.waited(TWO["one"].scope, full("two"))
    candidates.rerank(NOW + 60)
    first = candidates.next(NOW + 60).candidate
    assert first is not None and first.model.id == "a"
