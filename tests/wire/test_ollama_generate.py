"""Ollama's prompts, from the server's side."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core import errors
from freerouter_core.catalogue.model import Model
from freerouter_core.wire.ollama_generate import (
    read_generate,
    write_generated,
    write_loaded,
    write_shown,
)

AT = "2026-12-01T00:00:00Z"


def test_a_prompt_is_a_chat_of_one_message() -> None:
    asked = read_generate(
        {
            "model": "acme/a:latest",
            "prompt": "x",
            "system": "Be brief.",
            "images": ["AAAA"],
            "format": "json",
            "options": {"num_predict": 9},
            "think": True,
            "stream": False,
            "tools": [{"type": "web_search"}],
            "raw": True,
            "template": "{{ .Prompt }}",
            "context": [1, 2, 3],
            "keep_alive": 0,
        }
    )

    assert asked is not None
    assert list(asked.request.messages) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "x", "images": ["AAAA"]},
    ]
    assert (asked.request.model, asked.request.parameters) == ("acme/a", {"max_tokens": 9})
    assert asked.request.structured is not None
    assert not asked.request.tools
    assert (asked.stream, asked.shown.thinking) == (False, True)


@pytest.mark.parametrize("body", [{}, {"model": "a"}, {"prompt": ""}, {"prompt": None}])
def test_without_a_prompt_a_model_is_loaded(body: dict[str, Any]) -> None:
    assert read_generate(body) is None
    loaded = write_loaded(body, AT)
    assert (loaded["model"], loaded["done_reason"]) == (body.get("model", "auto"), "load")


@pytest.mark.parametrize(
    "body",
    [[], "x", None, {"prompt": 7}, {"prompt": ["x"]}, {"prompt": "x", "system": 7},
     {"prompt": "x", "suffix": "y"}, {"prompt": "x", "format": 7}, {"prompt": "x", "model": 7}],
)  # fmt: skip
def test_a_wrong_prompt_is_refused(body: object) -> None:
    with pytest.raises(errors.BadRequest):
        read_generate(body)


def test_lines_have_a_response_instead_of_a_message() -> None:
    line = {"model": "m", "message": {"role": "assistant", "content": "x"}, "done": False}
    thought = {"message": {"role": "assistant", "content": "", "thinking": "Hm."}}

    assert write_generated(line) == {"model": "m", "done": False, "response": "x"}
    assert write_generated(thought) == {"response": "", "thinking": "Hm."}


@pytest.mark.parametrize(
    ("model", "able"),
    [
        (Model("a", context=9), ["completion"]),
        (
            Model("a", context=9, parameters=frozenset({"tools", "reasoning"})),
            ["completion", "tools", "thinking"],
        ),
        (Model("a", context=9, inputs=frozenset({"text", "image"})), ["completion", "vision"]),
        (
            Model("a", context=9, parameters=frozenset({"tools"}), lacks=frozenset({"tools"})),
            ["completion"],
        ),
    ],
)
def test_what_a_model_can_do_is_told_in_ollamas_words(model: Model, able: list[str]) -> None:
    shown = write_shown(model, AT)

    assert shown["capabilities"] == able
    assert shown["model_info"]["freerouter.context_length"] == 9
