"""What requests have in common that differ in their texts only."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.catalogue.serving import Space
from freerouter_core.routing.likeness import SMALL, likeness
from freerouter_core.routing.need import need_of
from freerouter_core.routing.texts_need import need_of_texts
from freerouter_core.wire.embeddings import EmbedRequest
from freerouter_core.wire.request import ChatRequest

SPACE = Space(family="tiny", dimension=2)
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def of(request: ChatRequest) -> int:
    return likeness(request, need_of(request))


def chat(text: str = "Hello", **fields: Any) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": text}], **fields)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat("Hello"), chat("Goodbye")),
        (chat(parameters={"seed": 1}), chat(parameters={"seed": 2})),
        (chat(parameters={"max_tokens": 100}), chat(parameters={"max_tokens": 120})),
        (chat(parameters={"user": "a"}), chat(parameters={"user": "b"})),
        (chat(parameters={"top_p": None, "stop": "a"}), chat(parameters={"stop": "b"})),
        (chat(parameters={"temperature": 0.5}), chat("Hi", parameters={"temperature": 0.5})),
    ],
)
def test_texts_and_seeds_make_no_difference(one: ChatRequest, other: ChatRequest) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    "other",
    [
        ChatRequest([{"role": "critic", "content": "Hello"}]),
        chat(tools=[TOOL]),
        chat(parameters={"temperature": 5}),
        chat(parameters={"max_tokens": 100_000}),
        chat(extra_body={"odd": "field"}),
        chat(reasoning=True),
        chat(reasoning=False),
        chat("word " * 4 * SMALL),
    ],
)
def test_how_it_is_made_does(other: ChatRequest) -> None:
    assert of(other) != of(chat())


def test_lists_of_texts_are_alike_whatever_the_texts() -> None:
    one, other = (EmbedRequest(texts, SPACE) for texts in (["a"], ["b", "c"]))

    assert likeness(one, need_of_texts(one)) == likeness(other, need_of_texts(other))
    assert likeness(one, need_of_texts(one)) != of(chat())
