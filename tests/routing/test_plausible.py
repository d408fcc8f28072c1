"""Words are believed as far as they can be checked: lengths, values, reasons (law 11)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.errors import BadRequest, ContextTooLong, FreeRouterError
from freerouter_core.routing.need import Need
from freerouter_core.routing.plausible import (
    checked_length,
    checked_value,
    may_fill,
    refused_window,
)
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import read_rejection
from freerouter_core.wire.request import ChatRequest

from .driver import NOW, Fates, Play, answers, fails, model, plan, play

SHORT, LONG = Need(prompt_tokens=3), Need(prompt_tokens=7_000)
A, B, C = model("a", context=8_000), model("b", "two", context=8_000), model("c", "three")
TOO_LONG = Fault(Kind.UNFIT, Cause.CONTEXT, "prompt is too long", status=400, teaches=False)
STATED = Fault(Kind.UNFIT, Cause.CONTEXT, "too long", status=400, context=8_000, teaches=False)


def judged(message: str, status: int = 400) -> Fault:
    body = json.dumps({"error": {"message": message}}).encode()
    return judge_rejection(read_rejection(status, {}, body), NOW)


WORDS = [
    "prompt is too long",
    "Input is too long for requested model.",
    "This model's maximum context length is 8000 tokens. However, you requested 9000 tokens",
    "Prompt contains 8001 tokens, too large for model with 8000 maximum context length",
    "The input (9001 tokens) is longer than the model's context length (8000 tokens).",
    "the request exceeds the available context size",
    "context_length_exceeded",
    # Nobody says this of a prompt.
    "The context length forbidden",
    "Is your context window open?",
]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("status", [400, 413, 422, 500, 502])
def test_nobody_keeps_a_prompt_of_two_letters_from_the_next_model(words: str, status: int) -> None:
    fault = judged(words, status)
    played = play(plan(A, B, need=SHORT), {"a": fails(fault), "b": answers()})

    assert played.asked == ["a", "b"]
    record = played.state.health.models.get(A.identity)
    assert record is None or record.context is None


@pytest.mark.parametrize("words", WORDS[:7])
def test_a_prompt_that_may_be_too_long_is_not_sent_to_equal_windows(words: str) -> None:
    fates = {"a": fails(judged(words)), "c": answers()}

    assert play(plan(A, B, C, need=LONG), fates).asked == ["a", "c"]


def test_a_prompt_that_is_short_for_a_listed_window_says_nothing_of_others() -> None:
    """It may be too long for a server that was started with a small one, though it says nothing."""
    wide, other = model("a", context=131_072), model("b", "two", context=131_072)
    need = Need(prompt_tokens=50_000)
    fates = {"a": fails(TOO_LONG), "b": answers()}

    assert play(plan(wide, other, need=need), fates).asked == ["a", "b"]
    assert refused_window(TOO_LONG, wide, need) == 0
    assert refused_window(TOO_LONG, wide, Need(prompt_tokens=65_100)) == 131_072
    assert refused_window(STATED, wide, need) == 8_000


@pytest.mark.parametrize(
    ("need", "may"),
    [
        (Need(prompt_tokens=2_000), False),
        (Need(prompt_tokens=2_200), True),
        (Need(prompt_tokens=3, output_tokens=7_990), True),
        (Need(inputs=frozenset({"image"})), False),
        (Need(inputs=frozenset({"file"})), True),
        (Need(older_inputs=frozenset({"audio"})), True),
        (Need(inputs=frozenset({"video"})), True),
    ],
)
def test_a_request_fills_a_window_at_most_if_each_byte_is_a_token(need: Need, may: bool) -> None:
    """Files and clips are of any size."""
    assert may_fill(8_000, need) is may
    believed = checked_length(STATED, A, need)
    assert (believed is STATED) is may


@pytest.mark.parametrize(
    ("status", "kind", "cause"),
    [(400, Kind.UNFIT, Cause.BAD_REQUEST), (413, Kind.UNFIT, Cause.BAD_REQUEST),
     (None, Kind.UNFIT, Cause.BAD_REQUEST), (500, Kind.BUSY, Cause.SERVER),
     (502, Kind.BUSY, Cause.SERVER)],
)  # fmt: skip
def test_words_that_cannot_be_true_are_a_bare_refusal(
    status: int | None, kind: Kind, cause: Cause
) -> None:
    fault = Fault(Kind.UNFIT, Cause.CONTEXT, "no", status=status, context=9_000, teaches=False)
    believed = checked_length(fault, A, SHORT)

    assert (believed.kind, believed.cause, believed.context) == (kind, cause, None)
    assert (believed.message, believed.status) == ("no", status)
    assert checked_length(Fault(kind, cause), A, SHORT) == Fault(kind, cause)


def error(need: Need, fault: Fault) -> FreeRouterError:
    with pytest.raises(FreeRouterError) as caught:
        Play(plan(A, B, need=need), {"a": fails(fault), "b": fails(fault)}).run()
    return caught.value


def test_the_error_says_that_a_prompt_is_too_long_only_if_it_may_be() -> None:
    assert type(error(LONG, STATED)) is ContextTooLong
    assert type(error(SHORT, STATED)) is BadRequest


PARTS = (
    ["Image size", "Number of tools", "Your request rate", "Tool schema depth", "The field `user`",
     "File count", "Video length in frames", "Your spend"],
    ["exceeds the limit", "exceeds the limit of 20", "exceeds your account limit",
     "exceeds the allowed length", "exceeds the maximum number of tokens"],
)  # fmt: skip
ENVELOPES: list[Callable[[str], str]] = [
    lambda text: json.dumps({"error": {"message": text}}),
    lambda text: json.dumps({"error": {"Message": text}}),
    lambda text: json.dumps({"message": text}),
    lambda text: json.dumps({"error": text}),
    lambda text: json.dumps({"error": {"message": json.dumps({"error": {"message": text}})}}),
    lambda text: f"HTTP 400: {json.dumps({'message': text})}",
    lambda text: json.dumps({"detail": f"HTTP 400: {json.dumps({'message': text})}"}),
    lambda text: text,
]
"""How the same words are wrapped."""


@pytest.mark.parametrize("subject", PARTS[0])
def test_what_else_exceeds_a_limit_is_no_long_prompt_in_any_envelope(subject: str) -> None:
    """The name of the field in which an error stands is no word of it."""
    for rest, wrap in itertools.product(PARTS[1], ENVELOPES):
        rejection = read_rejection(400, {}, wrap(f"{subject} {rest}").encode())

        assert judge_rejection(rejection, NOW).cause is not Cause.CONTEXT, rejection


def test_nothing_but_a_message_may_be_empty() -> None:
    """A refusal of an empty field is none of an empty message, whatever wraps it."""
    for wrap in ENVELOPES:
        rejection = read_rejection(422, {}, wrap("Parameter 'tools' must not be empty").encode())
        assert judge_rejection(rejection, NOW).cause is Cause.BAD_REQUEST


@given(words=st.lists(st.sampled_from([
    "the", "context", "length", "window", "prompt", "is", "too", "long", "maximum", "exceeds",
    "tokens", "limit", "8000", "forbidden", "input", "large", "model", "size",
]), min_size=1, max_size=9), status=st.sampled_from([400, 413, 422, 500, 502]))  # fmt: skip
def test_no_words_end_a_prompt_of_two_letters(words: list[str], status: int) -> None:
    fault = judged(" ".join(words), status)
    played = play(plan(A, B, need=SHORT), {"a": fails(fault), "b": answers()})

    assert played.asked == ["a", "b"]


@pytest.mark.parametrize(
    "words",
    [
        "`max_tokens` must be less than or equal to `8192`: less than the `context_window`",
        "max_completion_tokens must be less than or equal to 8192: see the context length",
    ],
)
def test_a_stated_bound_of_the_answer_is_kept_to_and_is_no_long_prompt(words: str) -> None:
    """Groq explains it by the window."""
    fault = judged(words)

    assert fault.cause is Cause.NO_PARAMETER
    assert fault.lacks == {"max-output-8192"}


# -- values ---------------------------------------------------------------------------------------

VALUES = [
    # (what is said, what was sent, whether the request is at fault)
    ("temperature must be between 0 and 1", {"temperature": 1.3}, False),
    ("temperature must be between 0 and 1", {"temperature": 2.1}, True),
    ("temperature must be between 0 and 1", {"temperature": "hot"}, True),
    ("top_p must be greater than 0", {"top_p": 0}, False),
    ("top_p should be less than 1", {"top_p": 1.0}, False),
    ("top_p must be between 0 and 1", {"top_p": -1}, True),
    ("presence_penalty should be between 0 and 2", {"presence_penalty": -1.0}, False),
    ("frequency_penalty should be between -2 and 2", {"frequency_penalty": 3}, True),
]


@pytest.mark.parametrize(("words", "sent", "is_wrong"), VALUES)
def test_a_value_is_wrong_only_outside_the_range_of_the_interface(
    words: str, sent: dict[str, Any], is_wrong: bool
) -> None:
    """Else it is one server's own range: that model is asked again without the field."""
    request = replace(ChatRequest.of("hi"), parameters=sent)
    fault = judged(words)
    assert fault.cause is Cause.BAD_VALUE
    fates: Fates = {"a": [fails(fault), answers()], "b": fails(fault), "c": answers()}
    played = Play(plan(A, B, C, request=request), fates)
    if is_wrong:
        with pytest.raises(BadRequest):
            played.run()
        assert played.asked == ["a", "b"]
    else:
        played.run()
        assert played.asked == ["a", "a"]


def test_who_blames_a_field_that_was_not_sent_does_not_end_a_request() -> None:
    fault = judged("temperature must be between 0 and 1")
    fates: Fates = {"a": fails(fault), "b": fails(fault), "c": answers()}

    assert play(plan(A, B, C), fates).asked == ["a", "b", "c"]
    assert checked_value(fault, plan(A).operation).cause is Cause.BAD_REQUEST


def test_reasons_without_an_offence_are_no_verdict_on_the_content() -> None:
    for reasons in (["ip not in allowlist"], ["max_tokens is too large"], ["quota"], []):
        body = json.dumps({"error": {"message": "Invalid request", "reasons": reasons}}).encode()
        for status in (400, 403, 422):
            assert judge_rejection(read_rejection(status, {}, body), NOW).kind is not Kind.REFUSED
    for reasons in (["violence"], ["sexual/minors"], ["S1", "hate"], ["self-harm"]):
        body = json.dumps({"error": {"message": "no", "reasons": reasons}}).encode()
        assert judge_rejection(read_rejection(403, {}, body), NOW).kind is Kind.REFUSED
