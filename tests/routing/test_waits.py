"""A wait in words: for what, how long, and how many stand before."""

from __future__ import annotations

import math
from random import Random

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY, HOUR
from freerouter_core.routing.candidate import Candidate
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.steps import Refused, Wait
from freerouter_core.routing.waits import limit_in_words, models_resting, resting, told, wait_of
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, account, busy, model

MIDNIGHT = 20_000 * DAY


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(requests=20), "20 requests a minute"),
        (Limit(tokens=8_000, per=DAY), "8,000 tokens a day"),
        (Limit(concurrent=2), "2 requests at once"),
        (Limit(requests=9, per=30 * DAY, reset="utc-month"), "9 requests a month"),
        (Limit(requests=1, per=1.0), "1 request a second"),
        (Limit(requests=5, per=300.0), "5 requests in 5 minutes"),
    ],
)
def test_a_limit_in_words(limit: Limit, words: str) -> None:
    assert limit_in_words(limit) == words


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (Wait("x", MIDNIGHT + 9.0), "x; its turn would come in 9 s"),
        (
            Wait("x", MIDNIGHT + 9.0, 1),
            "x; 1 request stands before this one, and its turn would come in 9 s",
        ),
        (
            Wait("x", MIDNIGHT + 2 * HOUR, 50),
            "x; 50 requests stand before this one, and its turn would come at 02:00 UTC, in 2 h",
        ),
        (Wait("x", MIDNIGHT + 3 * DAY), "x; its turn would come on 7 October at 00:00 UTC, in 3 d"),
        (Wait("x", math.inf), "x, and no wait would help"),
    ],
)
def test_a_wait_in_one_sentence(wait: Wait, words: str) -> None:
    assert told(wait, MIDNIGHT) == words


MINUTE = Limit(requests=20)


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (Refused(0.0, 1.0, "a"), "groq has no room"),
        (Refused(0.0, 1.0, "a", limit=MINUTE), "the 20 requests a minute of groq are used"),
        (
            Refused(0.0, 1.0, "a", limit=MINUTE, learnt=True),
            "groq seems to allow about 20 requests a minute, and they are used",
        ),
        (
            Refused(0.0, 1.0, "a", limit=Limit(requests=1), learnt=True),
            "groq seems to allow about 1 request a minute, and it is used",
        ),
        (
            Refused(0.0, 1.0, "a", limit=MINUTE, kept=True),
            "the 20 requests a minute of groq are kept for interactive requests",
        ),
        (
            Refused(0.0, 1.0, "a", limit=Limit(concurrent=3, per=DAY), kept=True),
            "the 3 requests at once of groq are kept for interactive requests",
        ),
        (
            Refused(0.0, 1.0, "a", limit=Limit(50, per=DAY, reset="utc-day"), kept=True),
            (
                'the 50 requests a day of groq are paced (pace="asap" is faster),'
                " or kept for interactive requests"
            ),
        ),
    ],
)
def test_what_is_waited_for(refused: Refused, reason: str) -> None:
    assert wait_of(refused, "groq") == Wait(reason, 1.0)


def test_the_turn_counts_where_others_stand_before() -> None:
    assert wait_of(Refused(0.0, 60.0, "a", 121.0, 37), "groq").ends == 121.0
    assert wait_of(Refused(0.0, 60.0, "a", 12.0, 1), "groq").ends == 60.0


# -- nobody can be asked ------------------------------------------------------------------------


def rests(*faults: Fault | None) -> tuple[HealthBook, list[Candidate]]:
    """Models of one account, of which each failed so a second ago."""
    book = HealthBook()
    models = [model(name) for name in "abc"[: len(faults)]]
    for one, fault in zip(models, faults, strict=True):
        if fault is not None:
            book.failed(one.identity, fault, NOW - 1.0, Random(0))
    return book, [Candidate(model=one, account=account()) for one in models]


LIMITED = Fault(Kind.BUSY, Cause.AMBIGUOUS_429, until=NOW + 60.0)
UPSTREAM = Fault(Kind.BUSY, Cause.UPSTREAM_429, until=NOW + 60.0)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([LIMITED], "a waits: ambiguous-429"),
        ([LIMITED, LIMITED], "2 models of one wait: ambiguous-429"),
        ([LIMITED, UPSTREAM], "a waits: ambiguous-429; b waits: upstream-429"),
        ([busy(), None], "no model can be asked"),
        ([], "no model can be asked"),
    ],
)
def test_which_models_rest_is_told(faults: list[Fault | None], words: str) -> None:
    """A guess is no reason: such a model is the last resort."""
    book, candidates = rests(*faults)

    assert resting([account()], candidates, book, NOW + 60.0, NOW) == Wait(words, NOW + 60.0)


def test_an_account_that_rests_is_told_instead() -> None:
    book, candidates = rests(LIMITED)
    spent = Fault(Kind.ACCOUNT, Cause.ACCOUNT_DAY, until=NOW + 30.0)
    book.account_refused(account().scope, spent, NOW, Random(0))
    both = [account("two"), account()]

    assert resting(both, candidates, book, NOW + 60.0, NOW).reason == "one waits: account-day"
    later = NOW + 31.0
    assert resting(both, candidates, book, later, later).reason == "a waits: ambiguous-429"


def test_a_model_that_answered_somebody_while_it_waits_is_told_too() -> None:
    book, candidates = rests(LIMITED)
    book.answered(candidates[0].model.identity, NOW, first_token=1.0, seconds=1.0, tokens=9)

    assert models_resting(candidates, book, NOW) == "a waits: as its provider said"
