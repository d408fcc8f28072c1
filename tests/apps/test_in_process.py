"""OpenAI's own client over a router, in the same process."""

from __future__ import annotations

import asyncio
import socket

import openai
import pytest

from freerouter_core import Router
from freerouter_core.simulator import SimModel, World

HELLO = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def router() -> Router:
    busy = SimModel("acme/busy:free", script=["429-retry-after"])
    return World([busy, SimModel("acme/good:free")]).router(model="acme/busy:free")


def test_an_answer_comes_from_the_model_that_could_give_it(router: Router) -> None:
    completion = router.openai_client().chat.completions.create(**HELLO)  # type: ignore[call-overload]

    assert "hello" in completion.choices[0].message.content
    assert completion.model == "acme/good:free"
    assert [attempt["fault"] for attempt in completion.freerouter["attempts"]] == ["busy", None]


async def test_an_asynchronous_client_answers_and_streams(router: Router) -> None:
    client = router.async_openai_client()
    completion = await client.chat.completions.create(**HELLO)  # type: ignore[call-overload]
    stream = await client.chat.completions.create(**HELLO, stream=True)  # type: ignore[call-overload]
    pieces = [chunk.choices[0].delta.content async for chunk in stream]

    assert "".join(filter(None, pieces)) == completion.choices[0].message.content


def test_one_asynchronous_client_serves_several_event_loops(router: Router) -> None:
    client = router.async_openai_client()

    async def ask() -> str:
        return str((await client.chat.completions.create(**HELLO)).model)  # type: ignore[call-overload]

    assert asyncio.run(ask()) == asyncio.run(ask()) == "acme/good:free"


def test_a_stream_comes_piece_by_piece(router: Router) -> None:
    """Each as the model wrote it: nothing waits for the end."""
    stream = router.openai_client().chat.completions.create(**HELLO, stream=True)  # type: ignore[call-overload]
    pieces = [chunk.choices[0].delta.content for chunk in stream]

    assert len(pieces) > 4
    assert stream.response.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_that_is_closed_cancels_its_request(is_async: bool) -> None:
    router = World([SimModel("acme/endless:free", says=lambda _: "word " * 200_000)]).router()

    async def leave() -> None:
        client = router.async_openai_client()
        stream = await client.chat.completions.create(**HELLO, stream=True)  # type: ignore[call-overload]
        async for _ in stream:
            break
        await stream.close()

    if is_async:
        asyncio.run(leave())
    else:
        with router.openai_client().chat.completions.create(**HELLO, stream=True) as stream:  # type: ignore[call-overload]
            next(iter(stream))
    router.close()  # waits for what is under way
    counts = router.runtime.counts if router.runtime is not None else {}

    assert counts["called_off"] == 1
    assert not counts["answered"]


def test_errors_are_those_of_the_client(router: Router) -> None:
    client = router.openai_client()
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**HELLO, n=0)  # type: ignore[call-overload]
    with pytest.raises(openai.NotFoundError):
        client.get("/nothing", cast_to=object)

    assert "n must be" in str(refused.value)


def test_models_are_listed_and_no_socket_is_opened(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    names = [model.id for model in router.openai_client().models.list()]

    assert names[0] == "auto"
    assert "acme/good:free" in names


def test_the_clients_own_options_count(router: Router) -> None:
    client = router.openai_client(max_retries=3, default_headers={"x-request-id": "mine"})

    assert client.max_retries == 3
    assert client.chat.completions.create(**HELLO)._request_id == "mine"  # type: ignore[call-overload]
