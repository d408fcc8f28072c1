"""OpenAI's Batch format: what is a line of it, what a line may ask, what its answer says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freerouter_core.apps.cli.bulk_job import opened

from ..runtime.conftest import redis_url as redis_url
from .bulk_shell import bulk, read_lines, said, write_lines


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV_MODE", "true")


def line(ident: str, **changes: Any) -> dict[str, Any]:
    body = {"model": "auto", "messages": [{"role": "user", "content": f"Question {ident}"}]}
    whole = {"custom_id": ident, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return whole | changes


@pytest.mark.parametrize(
    "letter",
    [
        {"id": "a", "prompt": "Label this", "body": {"subject": "hi", "messages": ["two"]}},
        {"custom_id": "a", "prompt": "Label this", "body": {"text": "hello"}},
        {"custom_id": "a", "messages": [{"role": "user", "content": "Label this"}], "body": "hi"},
        {"id": "a", "url": "https://x.invalid", "prompt": "Label this", "body": {"input": 1}},
    ],
)
def test_a_row_with_a_body_that_asks_something_itself_is_no_line_of_a_batch(letter: Any) -> None:
    write_lines("in.jsonl", [letter])
    done = bulk("in.jsonl", "-o", "out.jsonl", "-q")
    assert done.exit_code == 0, said(done)
    (row,) = read_lines("out.jsonl")
    assert "Label this" in row["answer"]
    assert row["body"] == letter["body"]


def test_a_column_body_asks_nothing() -> None:
    write_lines("in.jsonl", [{"custom_id": "a", "body": {"subject": "hi", "text": "hello"}}])
    done = bulk("in.jsonl", "-o", "out.jsonl", "-q")
    assert done.exit_code == 1
    assert "the row has neither a prompt nor messages" in said(done)
    assert read_lines("out.jsonl")[0]["body"] == {"subject": "hi", "text": "hello"}
    labelled = bulk("in.jsonl", "-o", "labels.jsonl", "-p", "Label {body}", "-q")
    assert labelled.exit_code == 0
    assert "hello" in read_lines("labels.jsonl")[0]["answer"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "GET"}, "the method 'GET'; only POST is served"),
        ({"url": "/v1/embeddings", "body": {"input": "x"}}, "a batch asks /v1/embeddings"),
        ({"url": "/v1/responses", "body": {"input": "x"}}, "a batch asks /v1/responses"),
        ({"body": "hello"}, "the line's body is a text, not an object"),
        ({"body": {"messages": "hello"}}, "messages are a text, not a list"),
    ],
)
def test_a_line_that_asks_what_is_not_served_fails_alone(changes: Any, words: str) -> None:
    write_lines("in.jsonl", [line("good"), line("bad", **changes)])
    done = bulk("in.jsonl", "-o", "out.jsonl", "-q", "--in-order")
    assert done.exit_code == 1
    good, bad = read_lines("out.jsonl")
    assert good["error"] is None
    assert words in bad["error"]["message"]
    assert (bad["custom_id"], bad["response"]) == ("bad", None)


def test_a_line_without_method_and_address_asks_for_a_chat() -> None:
    asked = line("a", body={"messages": [{"role": "user", "content": "hello"}]})
    del asked["method"], asked["url"]
    write_lines("in.jsonl", [asked])
    assert bulk("in.jsonl", "-o", "out.jsonl", "-q").exit_code == 0
    (answer,) = read_lines("out.jsonl")
    assert list(answer) == ["id", "custom_id", "response", "error"]
    assert list(answer["response"]) == ["status_code", "request_id", "body"]


def test_an_answer_keeps_the_time_at_which_it_was_made() -> None:
    write_lines("in.jsonl", [line("a")])
    assert bulk("in.jsonl", "-o", "out.jsonl", "-q").exit_code == 0
    first = read_lines("out.jsonl")[0]["response"]["body"]["created"]
    (result,) = opened("out.jsonl.job").results()
    assert result.answered_at is not None
    assert first == int(result.answered_at)


def test_fields_that_no_request_has_are_told() -> None:
    asked = line("a")
    asked["body"] |= {"user": "u1", "service_tier": "flex", "temperatur": 0.1, "top_k": 5}
    write_lines("in.jsonl", [asked, line("b")])
    done = bulk("in.jsonl", "-o", "out.jsonl", "-q")
    assert done.exit_code == 0
    assert "the field service_tier of rows is left out: free models have one tier" in said(done)
    assert "the field temperatur of rows is left out: no field of a chat completion" in said(done)
    assert "top_k" not in said(done)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": 5}, "the row's prompt is a number, not a text"),
        ({"prompt": None}, "the row's prompt is null, not a text"),
        ({"prompt": True}, "the row's prompt is true, not a text"),
        ({"prompt": ["a"]}, "the row's prompt is a list, not a text"),
        ({"prompt": {"a": 1}}, "the row's prompt is an object, not a text"),
        ({"messages": []}, "the row's messages are an empty list, not a chat"),
        ({"messages": "hello"}, "the row's messages are a text, not a list"),
    ],
)
def test_a_row_of_another_shape_is_told_what_is_wrong_with_it(row: Any, words: str) -> None:
    write_lines("in.jsonl", [row, {"prompt": "hello"}])
    done = bulk("in.jsonl", "-o", "out.jsonl", "-q", "--in-order")
    assert done.exit_code == 1
    assert words in read_lines("out.jsonl")[0]["error"]
    assert words in said(done)


# -- where a row stands ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ([{"prompt": "a"}, {"prompt": "z"}], "line 2 of in.jsonl is not what it was"),
        ([{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}], "line 3 of in.jsonl was not in the"),
        ([{"prompt": "a"}, {"id": "x", "prompt": "b"}], "row x (line 2 of in.jsonl) was not in"),
    ],
)
def test_a_row_that_is_refused_is_told_by_its_line(changed: list[Any], told: str) -> None:
    write_lines("in.jsonl", [{"prompt": "a"}, {"prompt": "b"}])
    assert bulk("in.jsonl", "-o", "out.jsonl", "-q").exit_code == 0
    write_lines("in.jsonl", changed)
    refused = bulk("in.jsonl", "-o", "out.jsonl", "-q")
    assert refused.exit_code == 2
    assert told in said(refused)


def test_lines_of_a_table_are_those_of_its_file() -> None:
    Path("in.csv").write_text('prompt,n\n"two\nlines",1\n\nb,2\n', "utf-8")
    assert bulk("in.csv", "-o", "out.csv", "-q").exit_code == 0
    Path("in.csv").write_text('prompt,n\n"two\nlines",1\n\nc,2\n', "utf-8")
    assert "line 5 of in.csv is not what it was" in said(bulk("in.csv", "-o", "out.csv", "-q"))


def test_a_job_in_redis_tells_the_line_too(redis_url: str) -> None:
    job = ("--job", f"{redis_url}#lines", "-q")
    write_lines("in.jsonl", [{"prompt": "a"}, {"prompt": "b"}])
    assert bulk("in.jsonl", "-o", "out.jsonl", *job).exit_code == 0
    write_lines("in.jsonl", [{"prompt": "a"}, {"prompt": "z"}])
    refused = bulk("in.jsonl", "-o", "out.jsonl", *job)
    assert "line 2 of in.jsonl is not what it was" in said(refused)
