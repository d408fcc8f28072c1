"""The error object of a body: what stands under `error`, and what is said beside it."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.wire.answer import read_answer
from freerouter_core.wire.embeddings import error_in as error_in_embeddings
from freerouter_core.wire.fault import Cause, Fault
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.judge import judge_embedded, judge_rejection
from freerouter_core.wire.rejection import read_rejection

NOW = 1_790_000_000.0


def judged(status: int, body: Any) -> Fault:
    return judge_rejection(read_rejection(status, {}, json.dumps(body).encode()), NOW)


BESIDE: list[tuple[int, Json, Cause, str]] = [
    # (status, body, cause, the words that the user must see)
    (403, {"statusCode": 403, "error": "Forbidden", "message": "Your API key is invalid"},
     Cause.KEY_REFUSED, "Your API key is invalid"),
    (400, {"statusCode": 400, "error": "Bad Request", "message": "This model has no tool use: tools"
     " are not supported"}, Cause.NO_TOOLS, "This model has no tool use: tools are not supported"),
    (400, {"error": None, "message": "model m-1 does not exist"}, Cause.NOT_A_MODEL,
     "model m-1 does not exist"),
    (400, {"error": True, "message": "model m-1 does not exist"}, Cause.NOT_A_MODEL,
     "model m-1 does not exist"),
    (400, {"error": 1, "reason": "insufficient credits"}, Cause.DEBT, "insufficient credits"),
    (400, {"error": "invalid_request_error", "error_description": "no such model"},
     Cause.NOT_A_MODEL, "no such model"),
    (403, {"error": "access_denied", "detail": "API key expired"}, Cause.KEY_REFUSED,
     "API key expired"),
    (400, {"error": {"code": 1008}, "message": "insufficient balance"}, Cause.DEBT,
     "insufficient balance"),
    (400, {"error": {}, "message": "insufficient balance"}, Cause.DEBT, "insufficient balance"),
    (400, {"error": ["API key not valid"]}, Cause.KEY_REFUSED, "API key not valid"),
    (400, {"error": [{"message": "API key not valid"}]}, Cause.KEY_REFUSED, "API key not valid"),
    # The word under `error` is the telling one.
    (400, {"error": "insufficient balance", "message": "Bad Request"}, Cause.DEBT,
     "insufficient balance"),
    (400, {"error": "insufficient balance", "message": "Bad request."}, Cause.DEBT,
     "insufficient balance"),
    (400, {"error": "insufficient balance", "message": ""}, Cause.DEBT, "insufficient balance"),
    (400, {"error": "insufficient balance", "message": "error"}, Cause.DEBT,
     "insufficient balance"),
    (400, {"code": "invalid argument", "error": "Incorrect API key provided"}, Cause.KEY_REFUSED,
     "Incorrect API key provided"),
    # Both say what it is.
    (400, {"error": "model_not_found", "message": "Look at the list"}, Cause.NOT_A_MODEL,
     "Look at the list"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "cause", "says"), BESIDE)
def test_what_is_said_beside_an_error_counts(
    status: int, body: Json, cause: Cause, says: str
) -> None:
    fault = judged(status, body)

    assert (fault.cause, fault.message) == (cause, says)


@pytest.mark.parametrize(("status", "body", "cause", "says"), BESIDE)
def test_it_counts_inside_a_success_too(status: int, body: Json, cause: Cause, says: str) -> None:
    error = read_answer(body).error
    assert error is not None
    fault = judge_embedded(error, NOW)

    assert fault.message == says
    assert fault.cause in (cause, Cause.SERVER)  # the status is lost, and it may be needed


def test_a_wait_that_stands_beside_an_error_is_kept() -> None:
    body = {"statusCode": 429, "error": "Too Many Requests", "message": "Please retry in 40 s"}

    assert judged(429, body).until == NOW + 40
    assert judged(429, {"error": "rate_limited", "retry_after": 20}).until == NOW + 20


PHRASES = [
    HTTPStatus(status).phrase
    for status in (400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 500, 502, 503)
]


@given(phrase=st.sampled_from(PHRASES), said=st.text("abc ", min_size=1))
def test_no_name_of_a_status_hides_what_a_server_says(phrase: str, said: str) -> None:
    said = " ".join(said.split())
    for body in ({"error": phrase, "message": said}, {"error": said, "message": phrase}):
        assert judged(418, body).message == (said or phrase)


@pytest.mark.parametrize("value", [True, 7, {"code": 7}])
def test_an_error_without_words_is_one_all_the_same(value: object) -> None:
    assert read_answer({"error": value}).error
    assert error_in_embeddings({"error": value})


def test_vectors_beside_which_nothing_is_wrong_are_no_error() -> None:
    body: Json = {"error": None, "message": "fine", "data": []}

    assert error_in_embeddings(body) is None
    assert error_in_embeddings(body | {"error": "Bad Request", "message": "no"}) == {
        "message": "no", "data": [], "error": "Bad Request",
    }  # fmt: skip
