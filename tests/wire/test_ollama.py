"""Ollama's chat API, from the server's side."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core import errors
from freerouter_core.catalogue.model import Model
from freerouter_core.wire import ollama
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.tool_calls import InvalidToolCall, ToolCall

AT = "2026-11-29T00:00:00Z"


def test_a_body_of_ollamas_becomes_a_request() -> None:
    schema = {"type": "object"}
    asked = ollama.read_chat(
        {
            "model": "acme/a:latest",
            "messages": [{"role": "user", "content": "x", "images": ["AAAA"]},
                         {"role": "tool", "content": "y", "tool_name": "f"}, 7],
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "format": schema,
            "options": {"temperature": 0, "num_predict": 9, "num_ctx": 4_096},
            "think": "low",
            "keep_alive": "5m",
        }
    )  # fmt: skip

    request = asked.request
    assert request.model == "acme/a"
    assert request.messages[1]["name"] == "f"
    assert list[object](request.messages)[2:] == [7]
    assert request.parameters == {"temperature": 0, "max_tokens": 9}
    assert request.structured is not None
    assert request.structured.schema == schema
    assert request.reasoning == "low"
    assert (asked.stream, asked.shown.thinking) == (True, True)


def test_a_body_of_ollamas_needs_no_more_than_messages() -> None:
    body: Json = {"messages": [], "stream": False, "options": {"num_predict": -1}, "format": "json"}
    request, stream, shown = ollama.read_chat(body | {"model": "auto:latest"})

    assert (request.model, request.parameters, request.reasoning) == (None, {}, None)
    assert request.structured is not None
    assert request.structured.schema is None
    assert (stream, shown.thinking) == (False, False)
    assert ollama.read_chat({"messages": [], "format": ""}).request.structured is None


@pytest.mark.parametrize(
    "body",
    [[], {}, {"messages": "x"}, {"messages": [], "model": 7}, {"messages": [], "tools": {"a": 1}},
     {"messages": [], "format": 7}],
)  # fmt: skip
def test_a_wrong_body_of_ollamas_is_refused(body: object) -> None:
    with pytest.raises(errors.BadRequest):
        ollama.read_chat(body)


def test_lines_are_ollamas() -> None:
    shown, deaf = ollama.Shown(True, frozenset()), ollama.Shown(False, frozenset())
    call = ToolCall("c", "f", '{"a": 1}')
    invalid = InvalidToolCall("d", "g", "{", "no such tool")

    def line(delta: Delta, to: ollama.Shown) -> Any:
        written = ollama.write_delta(delta, "m", AT, to)
        return written and written["message"]

    assert line(Delta("x", "Hm."), shown) == {
        "role": "assistant", "content": "x", "thinking": "Hm.",
    }  # fmt: skip
    assert line(Delta(reasoning="Hm."), deaf) is None
    calls = line(Delta(tool_calls=(call,), invalid_calls=(invalid,)), deaf)["tool_calls"]
    assert calls[0] == {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}
    assert calls[1]["function"]["name"] == "invalid_tool_call"


@pytest.mark.parametrize(("finish", "reason"), [("length", "length"), ("stop", "stop")])
def test_whole_answers_are_ollamas(finish: str, reason: str) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": "odd"}
    answer = Answer(refusal="No.", model="m", finish_reason=finish, usage=usage)
    whole = ollama.write_whole(answer, AT, 1.5, {"x": 1}, ollama.Shown(False, frozenset()))

    assert whole["message"] == {"role": "assistant", "content": "No."}
    assert (whole["done"], whole["done_reason"], whole["total_duration"]) == (True, reason, 1.5e9)
    assert (whole["prompt_eval_count"], whole["eval_count"]) == (3, 0)
    assert ollama.write_end(Answer("x"), AT, 1.0, {})["prompt_eval_count"] == 0


def test_models_are_listed_as_ollamas() -> None:
    (row,) = ollama.write_tags([Model("acme/a:free", size=7)], AT)["models"]

    assert (row["name"], row["model"], row["size"]) == ("acme/a:free", "acme/a:free", 7)
