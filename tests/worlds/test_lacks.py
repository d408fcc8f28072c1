"""What a model turns out to lack is remembered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from freerouter_core import errors
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.request import ChatRequest

from ..inspection import health_of

OTHER = {
    "type": "function",
    "function": {"name": "sub", "parameters": {"type": "object", "properties": {}}},
}


def test_a_lack_is_learnt_once_for_all_requests() -> None:
    """The model is asked again at once in the form it takes, and next time in that form first."""

    def objects(body: dict[str, Any]) -> str | None:
        if "seed" in body:
            return "Unsupported parameter: 'seed' is not supported with this model."
        later = any(m["role"] == "system" for m in body["messages"][1:])
        return "System message must be at the beginning." if later else None

    request = ChatRequest(
        [{"role": "user", "content": "hi"}, {"role": "system", "content": "end now"}],
        parameters={"seed": 1, "temperature": 0.5},
    )
    with World([SimModel("a/m:free", objects=objects), SimModel("b/m:free")]) as world:
        router = world.router(model="a/m:free")
        first = router.chat(request)
        second = router.chat(request)

        assert (first.answer.model, second.answer.model) == ("a/m:free", "a/m:free")
        assert [a["fault"] for a in first.attempts] == ["unfit", "unfit", None]
        assert [a["fault"] for a in second.attempts] == [None]
        assert world.requests[-1].body["temperature"] == 0.5
        assert health_of(world.runtime, "a/m:free").failures == 0


def test_concurrent_callers_all_learn_a_lack() -> None:
    """All are refused at once. Each asks again in the form that is known by then."""

    def objects(body: dict[str, Any]) -> str | None:
        return (
            "Unsupported parameter: 'temperature' is not supported with this model."
            if "temperature" in body
            else None
        )

    request = ChatRequest([{"role": "user", "content": "hi"}], parameters={"temperature": 0.5})
    with World([SimModel("a/m:free", objects=objects, jitter=0.0)]) as world:
        router = world.router(model="a/m:free", fallback_models=())

        async def crowd() -> list[Any]:
            return await asyncio.gather(*(router.achat(request) for _ in range(5)))

        assert len(asyncio.run(crowd())) == 5


def test_a_model_that_objects_to_a_field_that_was_not_sent_is_left() -> None:
    objections = iter(
        [
            f"property '{name}' is unsupported"
            for name in ("top_k", "min_p", "user", "store", "verbosity", "logprobs")
        ]
    )
    with World(
        [SimModel("a/m:free", objects=lambda _: next(objections)), SimModel("b/m:free")]
    ) as world:
        world.router(model="a/m:free").chat("x")

        assert world.asked == ["a/m:free", "b/m:free"]


def test_a_model_is_asked_again_only_while_it_names_something_new() -> None:
    objections = iter(["property 'seed' is unsupported"] * 9)
    with World(
        [SimModel("a/m:free", objects=lambda _: next(objections)), SimModel("b/m:free")]
    ) as world:
        answer = world.router(model="a/m:free").chat(
            ChatRequest([{"role": "user", "content": "x"}], parameters={"seed": 1})
        )

        assert world.asked == ["a/m:free", "a/m:free", "b/m:free"]
        assert answer.answer.model == "b/m:free"


def test_a_request_that_needs_what_the_model_lacks_goes_to_another() -> None:
    def objects(body: dict[str, Any]) -> str | None:
        return "Unrecognized request argument supplied: tools" if body.get("tools") else None

    with World([SimModel("a/m:free", objects=objects), SimModel("b/m:free")]) as world:
        router = world.router(strategy="context")
        for expected in (["a/m:free", "b/m:free"], ["a/m:free", "b/m:free", "b/m:free"]):
            router.chat(ChatRequest([{"role": "user", "content": "add"}], tools=[OTHER]))
            assert world.asked == expected


def test_a_mistake_in_a_callers_tools_takes_tools_from_nobody() -> None:
    """All models refuse it alike, in words that name the field: it was not they (law 6)."""

    def objects(body: dict[str, Any]) -> str | None:
        name = body["tools"][0]["function"]["name"]
        return f"Names like {name} are not allowed in tools" if name != "sub" else None

    odd = {"type": "function", "function": {"name": "odd"}}
    request = ChatRequest([{"role": "user", "content": "hi"}], tools=[odd])
    with World([SimModel(f"{name}/m:free", objects=objects) for name in "abc"]) as world:
        router = world.router()
        with pytest.raises(errors.BadRequest, match="Names like odd"):
            router.chat(request)
        right = router.chat(request.but(tools=[OTHER], tool_choice="required"))

        assert [call.name for call in right.answer.tool_calls] == ["sub"]
