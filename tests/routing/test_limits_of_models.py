"""A limit is the model's if the refusal names the model, and its siblings are asked."""

from __future__ import annotations

import json

import pytest

from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.suspicion import names_model, speaks_of
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import read_rejection

from .driver import NOW, account, answers, fails, model, plan, play

A, B, B2 = model("acme/m-1:free"), model("acme/m-2:free"), model("b2", "two")


def judged(message: str, status: int = 429, headers: dict[str, str] | None = None) -> Fault:
    body = json.dumps({"error": {"message": message}}).encode()
    return judge_rejection(read_rejection(status, headers or {}, body), NOW)


WORDS = [
    "Daily limit reached for {name}",
    "{name}: free tier: 20 requests per day",
    "Monthly quota for {name} used up",
    "weekly limit of {name} reached",
    "Model quota: 5 requests per hour for {name}",
    "{name} is limited to 50 requests per day on the free plan",
    "You've used all your free {name} messages for today",
    "Too many requests to {name}. Your account may make 5 requests per minute to it",
    "20 requests per day per model",
    "this model's daily limit is reached",
    "Hourly limit of this model reached",
]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("name", ["m-1", "acme/m-1", "acme/m-1:free", "M-1"])
def test_a_limit_of_one_model_leaves_its_sibling_free(words: str, name: str) -> None:
    state = RoutingState()
    refused = judged(words.format(name=name))
    played = play(plan(A, B), {A.id: fails(refused), B.id: answers()}, state=state)

    assert played.asked == [A.id, B.id]
    assert not state.health.accounts.benches


@pytest.mark.parametrize(
    "headers", [{"x-ratelimit-remaining": "0"}, {"x-ratelimit-remaining": "0", "retry-after": "9"}]
)
def test_words_about_a_model_count_more_than_a_header_that_names_nobody(
    headers: dict[str, str],
) -> None:
    state = RoutingState()
    refused = judged("Rate limit exceeded for m-1", headers=headers)
    played = play(plan(A, B), {A.id: fails(refused), B.id: answers()}, state=state)

    assert not state.health.accounts.benches
    assert played.journal.attempts[0]["fault"] == "busy"
    assert state.health.of(A.identity).last_fault == "model-minute"


@pytest.mark.parametrize(
    "words",
    [
        "free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
        "you have used up your daily free allocation of 10,000 neurons",
        "You have reached your daily limit",
    ],
)
@pytest.mark.parametrize("name", ["acme/m-1:free", "openrouter/free", "acme/model", "x/limit"])
def test_a_limit_of_the_account_stays_the_accounts(words: str, name: str) -> None:
    """Also of a model whose name is a word."""
    state, asked = RoutingState(), model(name)
    play(plan(asked, B2), {name: fails(judged(words)), "b2": answers()}, state=state)

    bench = state.health.accounts.get(account().scope)
    assert bench is not None
    assert bench.cause is Cause.ACCOUNT_DAY


def test_a_guessed_end_of_a_day_is_probed() -> None:
    """One healthy account, and a sentence: who comes again within the hour is answered."""
    state = RoutingState()
    refused = judged("You have reached your daily limit")
    play(plan(A, B2), {A.id: fails(refused), "b2": answers()}, state=state)
    bench = state.health.accounts.get(account().scope)
    assert bench is not None
    assert not bench.firm

    again = play(plan(A), {A.id: answers()}, state=state, now=NOW + 3_600.0)
    assert again.asked == [A.id]
    assert not state.health.accounts.benches


def test_two_periods_in_a_sentence_shut_nobody_out() -> None:
    state = RoutingState()
    refused = judged("You are limited to 20 API calls / minute and 1000 API calls / month.")
    played = play(plan(A, timeout=60.0), {A.id: [fails(refused), answers()]}, state=state)

    assert played.asked == [A.id, A.id]


# -- who is spoken of -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "speaks"),
    [
        ("This API key is not authorized for the requested model", True),
        ("You cannot use model: foo", True),
        ("no access to the `model`", True),
        ("Model not allowed", True),
        ("models not permitted for this key", True),
        ("This model is restricted", True),
        ('"model" is not part of your plan', True),
        ("acme/m-1 is not for you", True),
        ("Invalid API key", False),
        ("Invalid API key. See https://acme.test/docs/models", False),
        ("You need a key of our large language models", False),
        ("This key is not one of the Model Studio", False),
        ("a remodelled kitchen", False),
        ("The `models` permission is required", False),
        ("Your token needs the scope models:read", False),
    ],
)
def test_a_refused_key_may_be_one_models(message: str, speaks: bool) -> None:
    """Then its siblings are asked. Every kind of quotation and stop may follow the word."""
    assert speaks_of("acme/m-1:free", message) is speaks
    refused = judged(message, 401)
    fates = {A.id: fails(refused), B.id: answers(), "b2": answers()}
    played = play(plan(A, B, B2), fates)

    assert played.journal.attempts[0]["fault"] == ("busy" if speaks else "account")
    assert len(played.state.health.accounts.benches) == (not speaks)


@pytest.mark.parametrize(
    ("name", "message", "names"),
    [
        ("a/gpt-x:free", "the limit of gpt-x is reached", True),
        ("a/gpt-x", "the limit of GPT-X is reached", True),
        ("a/gpt-x", "the limit of gpt-xl is reached", False),
        ("a/gpt-x", "the limit of my-gpt-x is reached", True),
        ("a/free", "your free requests are used up", False),
        ("a/grok", "grok your limits", False),
        ("a/deepseek", "deepseek has a limit", True),
        ("a/x", "for this model", True),
        ("a/x", "1000 free model requests per day", False),
        ("", "a limit", False),
    ],
)
def test_a_model_is_named_by_its_name_or_as_this_one(name: str, message: str, names: bool) -> None:
    assert names_model(name, message) is names


def test_a_limit_of_other_kinds_is_not_made_a_models() -> None:
    """A debt is the account's, whoever was asked for."""
    fault = judged("Insufficient credits for m-1", 402)
    played = play(plan(A, B2), {A.id: fails(fault), "b2": answers()})

    assert fault.kind is Kind.ACCOUNT
    assert played.journal.attempts[0]["fault"] == "account"
