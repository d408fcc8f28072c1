"""Refusals that name nobody: when several of them mean the account."""

from __future__ import annotations

import pytest

from freerouter_core.routing.suspicion import (
    LONGEST_GAP,
    MAX_KINDS,
    MAX_MODELS,
    MEMORY,
    PROVED_AFTER,
    PROVED_BY,
    SAME_END,
    Conclusion,
    Suspicion,
    Suspicions,
)
from freerouter_core.wire.fault import Cause

from .driver import NOW

Refusal = tuple[float, str]
"""Seconds, and the model."""


def concluded(
    cause: Cause, *refusals: Refusal, message: str = "Forbidden"
) -> list[Conclusion | None]:
    """What is concluded after each refusal."""
    suspicions = Suspicions()
    return [suspicions.refused("scope", model, cause, message, NOW + at) for at, model in refusals]


def last(cause: Cause, *refusals: Refusal) -> Conclusion | None:
    return concluded(cause, *refusals)[-1]


# -- bare limits --------------------------------------------------------------------------------


def test_three_models_within_a_minute_are_taken_for_the_account() -> None:
    limit = Conclusion(Cause.ACCOUNT_GUESSED)
    verdicts = concluded(Cause.AMBIGUOUS_429, (0, "a"), (1, "a"), (2, "b"), (59, "c"))

    assert verdicts == [None, None, None, limit]
    assert last(Cause.AMBIGUOUS_429, (0, "a"), (1, "b"), (60, "c")) is None


@pytest.mark.parametrize(
    ("ends", "of_account"),
    [
        ([30.0, 30.0, 30.0], True),
        ([30.0, 30.0 + SAME_END, 30.0], True),
        ([30.0, None, 30.0], True),
        ([20.0, 40.0, 30.0], False),
        ([30.0, 30.0, 31.0 + SAME_END], False),
        ([30.0, 31.0 + SAME_END, 31.0 + SAME_END], False),
        ([1.5, 40.0, 40.0], True),  # the first has come before the others say another one
    ],
)
def test_refusals_that_state_different_ends_are_of_different_limits(
    ends: list[float | None], of_account: bool
) -> None:
    suspicions = Suspicions()
    verdicts = [
        suspicions.refused(
            "scope",
            f"model {n}",
            Cause.AMBIGUOUS_429,
            "Too many requests",
            NOW + 2.0 * n,
            until=None if end is None else NOW + end,
        )
        for n, end in enumerate(ends)
    ]

    assert (verdicts[-1] is not None) is of_account


def test_a_limit_that_outlasts_all_limits_of_minutes_is_of_another_kind() -> None:
    spent = Conclusion(Cause.ACCOUNT_SPENT)
    often = [(n * 100.0, "ab"[n % 2]) for n in range(8)]

    assert last(Cause.AMBIGUOUS_429, *often) == spent
    assert last(Cause.AMBIGUOUS_429, *often[:7]) is None
    assert last(Cause.AMBIGUOUS_429, *[(n * 80.0, "a") for n in range(8)]) is None


@pytest.mark.parametrize(("gap", "lasts"), [(LONGEST_GAP, True), (LONGEST_GAP + 1.0, False)])
def test_what_nobody_saw_for_long_may_have_been_over(gap: float, lasts: bool) -> None:
    first = [(n * 90.0, "a") for n in range(6)]
    then = [(450.0 + gap + n * 5.0, "b") for n in range(2)]

    verdict = last(Cause.AMBIGUOUS_429, *first, *then)
    assert verdict == (Conclusion(Cause.ACCOUNT_SPENT) if lasts else None)


def test_two_patient_calls_far_apart_saw_no_long_time() -> None:
    calls = [(at + n * 7.0, "a") for at in (0.0, 700.0) for n in range(8)]

    assert last(Cause.AMBIGUOUS_429, *calls) is None
    longer = [*calls, (770.0, "a"), (840.0, "a")]
    assert last(Cause.AMBIGUOUS_429, *longer) == Conclusion(Cause.ACCOUNT_SPENT)
    assert last(Cause.AMBIGUOUS_429, *longer, (9_999.0, "a")) == Conclusion(Cause.ACCOUNT_SPENT), (
        "its own bench is a gap, too"
    )


# -- what is forbidden --------------------------------------------------------------------------


def test_three_forbidden_models_mean_the_key_and_five_prove_it() -> None:
    believed, proved = (Conclusion(Cause.ACCOUNT_FORBIDDEN, p) for p in (False, True))
    five = [(n * 999.0, name) for n, name in enumerate(("one", "two", "three", "four", "five"))]

    assert concluded(Cause.FORBIDDEN, *five) == [None, None, believed, believed, proved]


def test_two_models_that_are_forbidden_again_and_again_mean_the_key() -> None:
    verdicts = concluded(Cause.FORBIDDEN, *[(n * 99.0, "ab"[n % 2]) for n in range(7)])

    assert verdicts[4] is None
    assert verdicts[5] == Conclusion(Cause.ACCOUNT_FORBIDDEN)
    assert verdicts[6] == Conclusion(Cause.ACCOUNT_FORBIDDEN, proved=True)


def test_one_model_never_proves_anything_of_its_account() -> None:
    assert last(Cause.FORBIDDEN, *[(n * 99.0, "a") for n in range(99)]) is None


def test_other_words_are_another_refusal() -> None:
    suspicions = Suspicions()
    for n, words in enumerate(("Not allowed", "Denied", "Go away", "No", "Never")):
        assert suspicions.refused("scope", f"m{n}", Cause.FORBIDDEN, words, NOW) is None
    assert suspicions.refused("scope", "x7", Cause.FORBIDDEN, "no, 7", NOW) is None
    assert suspicions.refused("scope", "x8", Cause.FORBIDDEN, "no: page 8", NOW) is None
    assert suspicions.refused("scope", "x9", Cause.FORBIDDEN, "NO 9", NOW) is not None


@pytest.mark.parametrize(
    "message", ["You may not use gpt-x", "This model is closed", "the model needs a request"]
)
def test_a_refusal_that_speaks_of_the_model_is_the_models(message: str) -> None:
    models = [(0.0, "openai/gpt-x:free"), (0.0, "gpt-x"), (0.0, "a/gpt-x"), (0.0, "b/gpt-x")]

    assert concluded(Cause.FORBIDDEN, *models, message=message) == [None] * 4


# -- nobody there, or somebody who refuses everything -------------------------------------------


def test_two_models_that_cannot_be_reached_mean_the_host() -> None:
    suspicions = Suspicions()
    suspicions.refused("scope", "a", Cause.CONNECT, "connection refused", NOW)
    verdict = suspicions.refused("scope", "b", Cause.CONNECT_TIMEOUT, "no answer", NOW + 9.0)

    assert verdict == Conclusion(Cause.UNREACHABLE)
    assert last(Cause.CONNECT, (0, "a"), (61, "b")) is None


def test_three_models_that_refused_what_others_answered_mean_the_account() -> None:
    refused = Conclusion(Cause.ACCOUNT_REFUSED)

    assert concluded(Cause.BAD_REQUEST, (0, "a"), (9, "b"), (99, "c")) == [None, None, refused]


# -- memory -------------------------------------------------------------------------------------


def test_an_old_suspicion_begins_anew() -> None:
    assert last(Cause.FORBIDDEN, (0, "a"), (1, "b"), (MEMORY + 2, "c")) is None
    assert last(Cause.FORBIDDEN, (0, "a"), (1, "b"), (MEMORY, "c")) is not None


def test_an_answer_ends_all_suspicions_of_its_account() -> None:
    suspicions = Suspicions()
    suspicions.refused("scope", "a", Cause.FORBIDDEN, "no", NOW)

    assert suspicions.answered("scope")
    assert not suspicions.answered("scope")


def test_what_is_remembered_is_bounded() -> None:
    suspicions = Suspicions()
    for n in range(3 * MAX_KINDS):
        words = "abcdefghijklmnopqrstuvwxyz"[n]
        suspicions.refused("scope", "m", Cause.FORBIDDEN, f"no {words}", NOW)
    for n in range(3 * MAX_MODELS):
        suspicions.refused("scope", f"m{n}", Cause.FORBIDDEN, "long " * 99, NOW)
    kinds = suspicions.by_scope["scope"]

    assert len(kinds) == MAX_KINDS
    assert max(len(suspicion.last) for suspicion in kinds.values()) == MAX_MODELS
    assert max(map(len, kinds)) < 120


def test_two_processes_know_together_what_each_saw() -> None:
    ours = Suspicion(5.0, {"a": 2, "b": 1}, {"a": 9.0, "b": 5.0})
    theirs = Suspicion(3.0, {"a": 1, "c": 1}, {"a": 11.0, "c": 3.0})

    assert ours.joined(theirs) == Suspicion(
        3.0, {"a": 2, "b": 1, "c": 1}, {"a": 11.0, "b": 5.0, "c": 3.0}
    )


# -- the server's trouble -----------------------------------------------------------------------


def test_three_models_in_the_same_trouble_mean_that_all_of_it_is_down() -> None:
    down = Conclusion(Cause.ACCOUNT_DOWN)
    verdicts = concluded(
        Cause.SERVER, (0, "x1"), (1, "x1"), (300, "x2"), (599, "x3"), (9_999, "x3")
    )

    assert verdicts == [None, None, None, down, down]


@pytest.mark.parametrize("message", ["", "Upstream error from Acme", "Provider returned error"])
def test_an_upstreams_trouble_and_trouble_without_words_are_the_models(message: str) -> None:
    three = ((0.0, "x1"), (1.0, "x2"), (2.0, "x3"))

    assert concluded(Cause.SERVER, *three, message=message) == [None] * 3


@pytest.mark.parametrize(
    ("page", "seconds", "proved"),
    [
        (False, 0.0, True),
        (False, 2 * PROVED_AFTER, True),
        (True, PROVED_AFTER - 1.0, False),
        (True, PROVED_AFTER, True),
    ],
)
def test_the_pages_of_a_gateway_prove_nothing_within_a_moment(
    page: bool, seconds: float, proved: bool
) -> None:
    suspicions, message = Suspicions(), "Forbidden"
    for n in range(PROVED_BY):
        at = NOW + seconds * n / (PROVED_BY - 1)
        found = suspicions.refused("scope", f"m{n}", Cause.FORBIDDEN, message, at, page=page)
    assert found == Conclusion(Cause.ACCOUNT_FORBIDDEN, proved)
