"""Streams are iterators and context managers. Closing one cancels its request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from freerouter_core import Router
from freerouter_core.errors import Exhausted, FreeRouterError
from freerouter_core.events import Answered, CalledOff, Event
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.delta import Delta

STORY = "a long story about a lighthouse keeper and the sea " * 100
"""Minutes of text, so that a stream is still running when it is closed."""


@pytest.fixture
def world() -> Iterator[World]:
    with World([SimModel("acme/a:free", speed=20.0, says=lambda body: STORY)]) as world:
        yield world


@pytest.fixture
def router(world: World) -> Router:
    return world.router()


def end_of(router: Router) -> list[Event]:
    """The events that end requests, from now on."""
    ends: list[Event] = []

    def observe(event: Event) -> None:
        if isinstance(event, (Answered, CalledOff)):
            ends.append(event)

    router.subscribe(observe)
    return ends


def ended(router: Router, ends: list[Event]) -> list[type[Event]]:
    """Wait for the runtime's loop and its observers. Returns the kinds of end so far."""
    router.stats()
    router.flush()
    return [type(event) for event in ends]


def test_a_stream_is_an_iterator(router: Router) -> None:
    stream = router.stream("hello")
    first, second = next(stream), next(stream)

    assert isinstance(stream, Iterator)
    assert iter(stream) is stream
    assert isinstance(first, Delta)
    assert first.text + second.text + "".join(delta.text for delta in stream) == STORY
    assert stream.done
    assert stream.outcome.text == STORY
    with pytest.raises(StopIteration):
        next(stream)


async def test_an_async_stream_is_an_iterator(router: Router) -> None:
    stream = router.astream("hello")
    first, second = await anext(stream), await anext(stream)
    rest = [delta.text async for delta in stream]

    assert isinstance(stream, AsyncIterator)
    assert aiter(stream) is stream
    assert isinstance(first, Delta)
    assert first.text + second.text + "".join(rest) == STORY
    assert stream.done
    assert stream.outcome.text == STORY
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


def test_leaving_the_with_block_cancels_the_request(router: Router) -> None:
    ends = end_of(router)
    with router.stream("hello") as stream:
        assert next(stream).text

    assert ended(router, ends) == [CalledOff]
    assert not stream.done
    assert list(stream) == []


async def test_leaving_the_async_with_block_cancels_the_request(router: Router) -> None:
    ends = end_of(router)
    async with router.astream("hello") as stream:
        assert (await anext(stream)).text

    await router.astats()
    router.flush()
    assert [type(event) for event in ends] == [CalledOff]
    assert not stream.done
    assert [delta async for delta in stream] == []


def test_a_stream_that_was_read_is_not_cancelled_by_closing(router: Router) -> None:
    ends = end_of(router)
    with router.stream("hello") as stream:
        for _ in stream:
            pass
    stream.close()

    assert ended(router, ends) == [Answered]
    assert stream.outcome.text == STORY


def test_a_stream_that_was_not_read_sends_nothing(router: Router, world: World) -> None:
    with router.stream("hello"):
        pass
    router.stream("hello").close()

    assert world.asked == []


def test_an_error_inside_the_with_block_cancels_the_request(router: Router) -> None:
    ends = end_of(router)
    with pytest.raises(KeyError), router.stream("hello") as stream:
        next(stream)
        raise KeyError

    assert ended(router, ends) == [CalledOff]


def test_before_its_end_a_stream_has_no_outcome(router: Router) -> None:
    with router.stream("hello") as stream:
        next(stream)
        assert not stream.done
        with pytest.raises(FreeRouterError, match="no outcome yet") as caught:
            _ = stream.outcome

    assert "read it to its end first" in caught.value.hint
    with pytest.raises(FreeRouterError, match="no outcome yet"):
        _ = stream.outcome


async def test_before_its_end_an_async_stream_has_no_outcome(router: Router) -> None:
    async with router.astream("hello") as stream:
        await anext(stream)
        assert not stream.done
        with pytest.raises(FreeRouterError, match="no outcome yet"):
            _ = stream.outcome


def test_a_stream_that_failed_has_no_outcome() -> None:
    with World([SimModel("acme/a:free", script=["502"])]) as world:
        stream = world.router(max_retries=0).stream("hello")
        with pytest.raises(Exhausted):
            next(stream)

        assert not stream.done
        with pytest.raises(FreeRouterError, match="no outcome yet"):
            _ = stream.outcome
