"""Accounts that answered lately and refuse everything alike."""

from __future__ import annotations

import pytest

from freerouter_core.routing.disturbance import (
    FIRST_HOLD,
    GAP,
    KEY_LASTS,
    LASTS,
    LASTS_BY,
    LONGEST_HOLD,
    MAX_KINDS,
    MAX_LIKENESSES,
    MAX_MODELS,
    Disturbance,
    Disturbances,
    hold,
)
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW

GONE = Fault(Kind.GONE, Cause.GONE, "not found", status=404)
KEY = Fault(Kind.ACCOUNT, Cause.KEY_REFUSED, "no such key", status=401)


def refused(
    book: Disturbances,
    at: float,
    model: str = "a",
    fault: Fault = GONE,
    *,
    sent: float | None = None,
    request: int = 1,
) -> Disturbance:
    return book.refused(
        "scope",
        model,
        fault,
        NOW + at,
        request=request,
        sent=NOW + (at if sent is None else sent),
        worked=NOW - 2.0,
    )


def test_looks_come_ever_more_seldom() -> None:
    assert [hold(n) for n in range(8)] == [5, 10, 20, 40, 80, 160, LONGEST_HOLD, LONGEST_HOLD]
    assert hold(0) == FIRST_HOLD
    assert hold(10_000) == LONGEST_HOLD


def test_refusals_of_one_burst_are_one_in_a_row() -> None:
    book = Disturbances()
    refused(book, 1.0, sent=0.0)
    refused(book, 1.1, "b", sent=0.0, request=2)
    found = refused(book, 1.2, "c", sent=0.5, request=3)
    assert (found.row, found.models, len(found.requests)) == (1, {"a", "b", "c"}, 2)

    assert refused(book, 2.0, sent=1.5).row == 2


def test_other_words_are_another_kind() -> None:
    book = Disturbances()
    first = refused(book, 0.0)
    other = refused(book, 1.0, fault=Fault(Kind.GONE, Cause.GONE, "no route", status=404))

    assert first is not other
    assert book.of("scope") is other, "the one that was met last"
    assert book.of("another") is None
    same = Fault(Kind.GONE, Cause.GONE, "not found 8471", status=404)
    assert refused(book, 2.0, fault=same) is first, "numbers are no words"


def test_a_refusal_after_a_long_gap_is_a_first_one() -> None:
    book = Disturbances()
    first = refused(book, 0.0)
    assert refused(book, GAP) is first
    assert refused(book, 2 * GAP + 1.0) is not first


@pytest.mark.parametrize(("fault", "lasts"), [(GONE, LASTS), (KEY, KEY_LASTS)])
@pytest.mark.parametrize(
    ("early", "refusals", "believed"),
    [(0.0, LASTS_BY, True), (1.0, LASTS_BY, False), (0.0, LASTS_BY - 1, False)],
)
def test_proof_needs_time_as_well_as_count(
    fault: Fault, lasts: float, early: float, refusals: int, believed: bool
) -> None:
    book = Disturbances()
    for n in range(refusals):
        found = refused(book, float(n), fault=fault)

    assert found.lasts(NOW + lasts - early) is believed


def test_only_an_answer_to_what_was_sent_later_ends_it() -> None:
    book = Disturbances()
    refused(book, 10.0)
    book.answered("scope", NOW + 9.0)
    assert book.of("scope") is not None
    book.answered("scope", NOW + 10.0)
    assert book.of("scope") is None
    book.answered("scope", NOW + 11.0)


def test_it_says_what_is_known() -> None:
    found = refused(Disturbances(), 0.0)
    told = "p has refused everything with status 404 for 30 s, and answered 32 s ago"
    assert found.told("p", NOW + 30.0) == told

    found.status = None
    assert found.told("p", NOW - 9.0) == "p has refused everything for 0 s, and answered 0 s ago"


def test_memory_is_bounded() -> None:
    book = Disturbances()
    for n in range(MAX_KINDS + 3):
        refused(book, float(n), fault=Fault(Kind.GONE, Cause.GONE, status=n))
    assert len(book.by_scope["scope"]) == MAX_KINDS

    for n in range(MAX_MODELS + 3):
        found = refused(book, float(n), f"m{n}")
    assert len(found.models) == MAX_MODELS

    for n in range(MAX_LIKENESSES):
        book.did("scope", "a", n, NOW + n)
    assert len(book.answers) == MAX_LIKENESSES
    assert book.last_answer("scope", 0) < 0.0
    assert book.last_answer("scope", MAX_LIKENESSES - 1) == NOW + MAX_LIKENESSES - 1
    assert book.last_answer("scope", MAX_LIKENESSES - 1, "b") < 0.0

    book.reset()
    assert not book.answers
    assert not book.by_scope
