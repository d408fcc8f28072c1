"""OpenAI's legacy completions, from the server's side."""

from __future__ import annotations

import pytest
from openai.types import Completion

from freerouter_core import errors
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.completions import TextCompletion, read_completions


def test_each_prompt_is_a_chat() -> None:
    asked = read_completions(
        {
            "model": "acme/a:free",
            "prompt": ["one", "two"],
            "n": 2,
            "best_of": 2,
            "max_tokens": 9,
            "stop": ["x"],
            "echo": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": None,
            "suffix": "",
            "tools": [{}],
        }
    )

    assert asked.prompts == ("one", "two")
    assert (asked.n, asked.echo) == (2, True)
    first, second = asked.chats
    assert first.request.messages == [{"role": "user", "content": "one"}]
    assert second.request.messages == [{"role": "user", "content": "two"}]
    assert first.request.parameters == {"max_tokens": 9, "stop": ["x"]}
    assert (first.request.model, list(first.request.tools)) == ("acme/a:free", [])
    assert (first.stream, first.include_usage) == (True, True)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"prompt": []},
        {"prompt": 7},
        {"prompt": [1, 2, 3]},
        {"prompt": ["x"] * 17},
        {"prompt": "x", "suffix": "y"},
        {"prompt": "x", "logprobs": 3},
        {"prompt": "x", "best_of": 3},
    ],
)
def test_a_wrong_completion_is_refused(body: object) -> None:
    with pytest.raises(errors.BadRequest):
        read_completions(body)


def test_completions_are_openais() -> None:
    writer = TextCompletion("cmpl-1", 7)
    one = Answer("a", model="m", finish_reason="stop", usage={"prompt_tokens": 1})
    two = Answer("b", model="m", finish_reason="length", usage={"prompt_tokens": 2})

    whole = writer.whole([("p", one), ("", two)], [{"x": 1}, {"x": 2}])
    Completion.model_validate(writer.last(1, two))

    assert [(c["text"], c["finish_reason"]) for c in whole["choices"]] == [
        ("pa", "stop"), ("b", "length"),
    ]  # fmt: skip
    assert whole["usage"]["prompt_tokens"] == 3
    assert whole["freerouter"] == {"answers": [{"x": 1}, {"x": 2}]}
    assert writer.chunk(1, "b", "m")["choices"][0]["text"] == "b"
    assert writer.last(1, two)["choices"][0]["finish_reason"] == "length"
    assert writer.usage([one, two])["usage"]["prompt_tokens"] == 3
