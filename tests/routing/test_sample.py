"""Of hundreds of models a decision looks at some."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.routing.candidates import Candidates
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
