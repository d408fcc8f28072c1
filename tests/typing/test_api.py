"""What type checkers are told in this folder is true: its functions run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from freerouter_core import Router

from . import api, embeddings_api


@pytest.mark.parametrize(
    "example",
    [
        api.providers_and_limits,
        api.routers,
        api.worlds,
        api.failures,
        api.settings,
        embeddings_api.embeddings,
    ],
    ids=lambda example: example.__name__,
)
def test_examples_that_need_nothing(example: Callable[[], None]) -> None:
    example()


@pytest.mark.parametrize(
    "example",
    [
        api.chats,
        api.streams,
        api.sessions,
        api.reports,
        api.observers,
        api.langchain,
        api.llamaindex,
    ],
    ids=lambda example: example.__name__,
)
def test_examples_with_a_router(example: Callable[[Router], None]) -> None:
    with api.example_world() as world:
        example(world.router())


def test_examples_for_event_loops() -> None:
    with api.example_world() as world:
        asyncio.run(api.asynchronous(world.router()))
