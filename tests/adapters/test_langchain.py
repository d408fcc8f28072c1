"""What LangChain's own suite does not look at: the traps of its contract, one by one."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.load import dumpd, load
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import ConfigurableField
from langchain_core.runnables.configurable import RunnableConfigurableFields
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from freerouter_core import Limit, Model, Need, Provider, errors
from freerouter_core.simulator import FAULTS, SimAccount, SimModel, World, calm_models
from freerouter_core.wire.json_values import Json
from langchain_freerouter import ChatFreeRouter

from ..frameworks import Person, chunks_of, langchain_model, langchain_weather, merged

BETA = pytest.mark.filterwarnings("ignore:The function `load` is in beta")


class Nicknamed(Person):
    nick: str = "none"


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def test_what_must_stand_on_one_chunk_only() -> None:
    with World([SimModel("a/m:free", reasoning=True)]) as world:
        chunks = list(langchain_model(world).stream("x"))
    told = [chunk for chunk in chunks if "model_name" in chunk.response_metadata]
    counted = [chunk for chunk in chunks if chunk.usage_metadata]
    full = merged(chunks)

    assert len(told) == len(counted) == 1
    assert full.response_metadata["model_name"] == "a/m:free"
    assert full.response_metadata["model_provider"] == "freerouter"
    assert full.response_metadata["finish_reason"] == "stop"
    assert full.response_metadata["cost"] == 0
    assert full.additional_kwargs["reasoning_content"].startswith("The user")
    assert [block["type"] for block in full.content_blocks] == ["reasoning", "text"]


def test_stream_and_invoke_tell_the_same() -> None:
    with World(calm_models()) as world:
        llm = langchain_model(world)
        whole, full = llm.invoke("x"), merged(llm.stream("x"))

        assert set(whole.response_metadata) == set(full.response_metadata)
        assert whole.content == full.content
        assert whole.usage_metadata == full.usage_metadata
        assert merged(llm.stream("x", stream_usage=False)).usage_metadata is None


@pytest.mark.parametrize("streaming", ["whole", "fragments"])
def test_streamed_tool_calls(streaming: str) -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world, tool_streaming=streaming).bind_tools(
            [langchain_weather, multiply]
        )
        chunks = chunks_of(llm.stream("Use get_weather in Paris and multiply 3 by 4"))
        full = merged(chunks)

        pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
        assert all(piece["index"] is not None for piece in pieces)
        assert {call["name"] for call in full.tool_calls} == {"get_weather", "multiply"}
        assert len({call["id"] for call in full.tool_calls}) == 2
        assert (len(pieces) == 2) is (streaming == "whole")


def test_truncated_calls_are_never_valid() -> None:
    with World(
        [SimModel("a/m:free", context=900_000, script=["truncated-tool"] * 2), SimModel("b/m:free")]
    ) as world:
        llm = langchain_model(world).bind_tools([langchain_weather])
        assert llm.invoke("get_weather in Paris").tool_calls[0]["args"] == {"city": "Paris"}
        world.clock.advance(100.0)

        assert merged(llm.stream("get_weather in Paris")).tool_calls[0]["args"] == {"city": "Paris"}


def test_tools_reach_only_models_that_have_them() -> None:
    models = [
        SimModel("a/none:free", context=900_000, tools=False),
        SimModel("b/auto:free", context=800_000, tool_choice=False),
        SimModel("c/all:free"),
    ]
    with World(models) as world:
        llm = langchain_model(world)
        llm.bind_tools([langchain_weather]).invoke("hello")
        llm.bind_tools([langchain_weather], tool_choice="any").invoke("hello")
        llm.bind(tools=[langchain_weather], tool_choice="get_weather").invoke("hello")
        llm.bind_tools([]).invoke("hello")

        assert world.asked == ["b/auto:free", "c/all:free", "c/all:free", "a/none:free"]
        assert "tools" not in world.requests[-1].body
        assert world.requests[2].body["tool_choice"]["function"]["name"] == "get_weather"


def test_an_unknown_tool_choice_is_refused_early() -> None:
    with pytest.raises(ModelInvalidRequestError, match="nope"):
        ChatFreeRouter(api_key="k").bind_tools([langchain_weather], tool_choice="nope")


SCHEMAS: list[Any] = [
    Person,
    Person.model_json_schema(),
    {"name": "person", "parameters": Person.model_json_schema()},
    {"type": "function", "function": {"name": "person", "parameters": Person.model_json_schema()}},
    {
        "type": "json_schema",
        "json_schema": {"name": "person", "schema": Person.model_json_schema()},
    },
    {"name": "person", "input_schema": Person.model_json_schema()},
]


@pytest.mark.parametrize(
    "schema", SCHEMAS, ids=["class", "schema", "function", "tool", "response_format", "anthropic"]
)
@pytest.mark.parametrize("method", ["auto", "json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("strict", [None, True])
def test_structured_output_in_every_spelling(schema: Any, method: Any, strict: bool | None) -> None:
    with World([SimModel("a/m:free"), SimModel("b/m:free", structured=False)]) as world:
        chain = langchain_model(world).with_structured_output(schema, method=method, strict=strict)
        got, *_, last = chain.invoke("Anna is 33"), *chain.stream("Anna is 33")

        for value in (got, last):
            plain = value.model_dump() if isinstance(value, BaseModel) else value
            assert isinstance(value, Person) is (schema is Person)
            assert plain["age"] == 33
        assert not any(seen.problem for seen in world.requests)


class Typed(TypedDict):
    """A typed person."""

    name: str
    age: int


def test_structured_output_of_a_typed_dict_and_without_a_schema() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)

        assert llm.with_structured_output(Typed).invoke("Anna is 33")["age"] == 33
        assert llm.with_structured_output(None, method="json_mode").invoke('Give "color"')["color"]
        with pytest.raises(ModelInvalidRequestError):
            llm.with_structured_output(None)


def test_structured_streams_grow() -> None:
    with World([SimModel("a/m:free")]) as world:
        parts = list(
            langchain_model(world)
            .with_structured_output(Person.model_json_schema())
            .stream("Anna is 33")
        )

        assert len(parts) > 1
        assert all(set(a) <= set(b) for a, b in pairwise(parts))


def test_optional_fields_written_as_null_are_left_out_in_streams_too() -> None:
    with World(
        [SimModel("a/m:free", says=lambda body: '{"name": "A", "age": 1, "nick": null}')]
    ) as world:
        chain = langchain_model(world).with_structured_output(Nicknamed)

        assert chain.invoke("x") == Nicknamed(name="A", age=1)
        assert list(chain.stream("x"))[-1] == Nicknamed(name="A", age=1)
        assert langchain_model(world, streaming=True).with_structured_output(Nicknamed).invoke(
            "x"
        ) == Nicknamed(name="A", age=1)


def test_include_raw() -> None:
    with World([SimModel("a/m:free")]) as world:
        got = (
            langchain_model(world)
            .with_structured_output(Person, include_raw=True)
            .invoke("Anna is 33")
        )

        assert isinstance(got["raw"], AIMessage)
        assert got["parsed"].age == 33
        assert got["parsing_error"] is None


def test_include_raw_reports_what_nobody_could_parse() -> None:
    with World([SimModel("a/m:free", says=lambda body: "no JSON at all")]) as world:
        llm = langchain_model(world)
        got = llm.with_structured_output(Person, include_raw=True).invoke("x")

        assert got["raw"].content == "no JSON at all"
        assert got["parsed"] is None
        assert got["parsing_error"] is not None
        with pytest.raises(ModelAPIError):
            llm.with_structured_output(Person).invoke("x")


def test_a_validator_of_the_class_sends_an_answer_on() -> None:
    class Adult(BaseModel):
        age: int = Field(ge=18)

    kid = SimModel(
        "a/m:free", context=900_000, says=lambda body: '{"age": 3}', structured=False, tools=False
    )
    with World([kid, SimModel("b/m:free")]) as world:
        got = langchain_model(world).with_structured_output(Adult).invoke("Somebody of 40")

        assert got.age == 40
        assert world.asked == ["a/m:free", "b/m:free"]


@pytest.mark.parametrize(
    "response_format", [None, Person, ToolStrategy(Person), ProviderStrategy(Person)]
)
def test_agents(response_format: Any) -> None:
    with World(
        [SimModel("a/m:free", script=["empty", "429-upstream"]), SimModel("b/m:free")]
    ) as world:
        agent = create_agent(
            langchain_model(world), [langchain_weather], response_format=response_format
        )
        state = agent.invoke(
            {"messages": [HumanMessage("Use get_weather in Lisbon, for Anna who is 33")]}
        )

        assert any(
            isinstance(m, ToolMessage) and "sunny" in str(m.content) for m in state["messages"]
        )
        if response_format is not None:
            assert state["structured_response"].age == 33


def test_fallbacks_and_retries_bind() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        both = llm.with_fallbacks([langchain_model(world)])

        assert both.bind_tools([langchain_weather]).invoke("get_weather in Paris").tool_calls
        assert both.with_structured_output(Person).invoke("Anna is 33").age == 33
        assert llm.with_retry(stop_after_attempt=2).invoke("x").content


ERRORS = [
    (["401"] * 9, ModelAuthenticationError, False),
    (["429-day"] * 9, ModelRateLimitError, True),
    (["502"] * 9, ModelAPIError, True),
    (["404-gone"] * 9, ModelNotFoundError, False),
    (["hang"] * 9, ModelTimeoutError, True),
]


@pytest.mark.parametrize(("script", "kind", "retryable"), ERRORS)
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke"])
def test_errors_are_model_errors(
    script: list[str], kind: type[ModelError], retryable: bool, way: str
) -> None:
    with World([SimModel("a/m:free", script=script)], [SimAccount("k", None)]) as world:
        llm = langchain_model(world, timeout=9.0)
        with pytest.raises(kind) as caught:
            if way == "ainvoke":
                asyncio.run(llm.ainvoke("x"))
            else:
                list(getattr(llm, way)("x"))

        assert isinstance(caught.value, errors.FreeRouterError)
        assert caught.value.is_retryable is retryable
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is type(caught.value)
        assert again.is_retryable is retryable


def test_every_error_of_every_fault_is_a_model_error() -> None:
    for fault in FAULTS:
        with World([SimModel("a/m:free", script=[fault] * 9)], [SimAccount("k", None)]) as world:
            llm = langchain_model(world, timeout=9.0, max_retries=0)
            for way in (llm.invoke, lambda x, llm=llm: list(llm.stream(x))):
                with pytest.raises(ModelError):
                    way("x")


def test_what_is_no_request_is_an_invalid_one() -> None:
    llm = ChatFreeRouter(api_key="k")
    with pytest.raises(ContextOverflowError), World([SimModel("a/m:free", context=1000)]) as world:
        langchain_model(world).invoke("word " * 9000)
    with pytest.raises(ModelNotFoundError), World([SimModel("a/m:free", tools=False)]) as world:
        langchain_model(world).bind_tools([langchain_weather]).invoke("x")
    for way in (llm.invoke, lambda x: list(llm.stream(x))):
        with pytest.raises(ModelInvalidRequestError):
            way([HumanMessage([{"type": "weird"}])])
    with pytest.raises(ModelInvalidRequestError):
        list(ChatFreeRouter(api_key="k", strategy="zz").stream("x"))


def test_the_cache_tells_models_apart() -> None:
    says = {"a/m:free": "A", "b/m:free": "B"}

    def saying(text: str) -> Callable[[Json], str]:
        return lambda body: text

    worlds = [World([SimModel(name, says=saying(text))]) for name, text in says.items()]
    cache = InMemoryCache()
    one, two = (ChatFreeRouter(router=world.router(), cache=cache) for world in worlds)

    assert [one.invoke("x").content, two.invoke("x").content, one.invoke("x").content] == [
        "A",
        "B",
        "A",
    ]
    assert len(worlds[0].requests) == 1
    one.temperature = 0.7
    one.invoke("x")
    one.model_copy(update={"max_tokens": 9}).invoke("x")
    assert len(worlds[0].requests) == 3
    for world in worlds:
        world.close()


@BETA
def test_serialized_without_keys_and_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unpatched round trip: the class is named to `load`, as LangChain wants it of outside packages."""
    llm = ChatFreeRouter(
        api_key="sk-secret-1",
        model="a/m:free",
        temperature=0.5,
        providers=[
            Provider("openrouter", "https://x.test/v1", "sk-secret-2", limits=[Limit(requests=3)])
        ],
        fallback_models=["b/m:free"],
    )
    made = dumpd(llm)
    assert "sk-secret" not in json.dumps(made)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-env")
    again = load(
        made,
        allowed_objects=[ChatFreeRouter],
        valid_namespaces=["langchain_freerouter"],
        secrets_from_env=True,
    )

    assert again._identifying_params == llm._identifying_params
    assert again.providers[0].limits == (Limit(requests=3),)
    assert again.api_key.get_secret_value() == "sk-env"


@BETA
def test_a_strategy_of_ones_own_is_asked_for_when_loading() -> None:
    def mine(need: Need, models: Sequence[Model]) -> Sequence[Model]:
        return models

    made = dumpd(ChatFreeRouter(api_key="k", strategy=mine))
    again = load(
        made,
        allowed_objects=[ChatFreeRouter],
        valid_namespaces=["langchain_freerouter"],
        secrets_map={"OPENROUTER_API_KEY": "k"},
    )

    assert made["kwargs"]["strategy"] == "mine"
    with pytest.raises(errors.BadSetting, match="callable itself"):
        again.invoke("x")


def test_copies() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        llm.invoke("x")

        assert copy.deepcopy(llm).invoke("y").text.endswith("y")
        assert copy.copy(llm).invoke("y").text.endswith("y")
        assert len(world.requests) == 3
    keyed = pickle.loads(
        pickle.dumps(ChatFreeRouter(api_key="k", model="a/m:free", http_client=world.transport()))
    )

    assert keyed.api_key.get_secret_value() == "k"
    assert keyed.http_client is None


def test_configurable_fields_keep_the_rest() -> None:
    with World([SimModel("a/m:free"), SimModel("b/m:free", context=900_000)]) as world:
        llm = ChatFreeRouter(router=world.router(model="a/m:free", timeout=7.0, min_context=5))
        chosen = llm.configurable_fields(temperature=ConfigurableField(id="t"))
        assert isinstance(chosen, RunnableConfigurableFields)
        made, _ = chosen.prepare({"configurable": {"t": 0.5}})
        assert isinstance(made, ChatFreeRouter)

        assert (made._router.model, made._router.timeout, made._router.min_context) == (
            "a/m:free",
            7.0,
            5,
        )
        assert (
            chosen.invoke("x", {"configurable": {"t": 0.5}}).response_metadata["model_name"]
            == "a/m:free"
        )
        assert world.requests[-1].body["temperature"] == 0.5


def test_callbacks_see_tokens_and_usage_by_the_model_that_answered() -> None:
    class Tokens(BaseCallbackHandler):
        def __init__(self) -> None:
            self.text = ""

        def on_llm_new_token(self, token: str | list[str | dict[str, Any]], **_: Any) -> None:
            self.text += str(token)

    with World(
        [SimModel("a/m:free", context=900_000, script=["empty"]), SimModel("b/m:free")]
    ) as world:
        tokens, usage = Tokens(), UsageMetadataCallbackHandler()
        llm = langchain_model(world, streaming=True)
        message = llm.invoke("x", {"callbacks": [tokens, usage]})

        assert tokens.text == message.content
        assert set(usage.usage_metadata) == {"b/m:free"}


def test_events_of_both_versions() -> None:
    async def kinds() -> list[str]:
        return [event["event"] async for event in llm.astream_events("x", version="v2")]

    with World(calm_models()) as world:
        llm = langchain_model(world)

        assert asyncio.run(kinds())[-1] == "on_chat_model_end"


FOREIGN: list[Any] = [
    AIMessage(
        [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "I see"},
        ]
    ),
    AIMessage(
        [
            {"type": "server_tool_use", "id": "1", "name": "x", "input": {}},
            {"type": "text", "text": "I see"},
        ]
    ),
    AIMessage([{"type": "reasoning_content", "reasoning_content": {}}, "I see"]),
    AIMessage([{"type": "non_standard", "value": {}}, {"type": "text", "text": "I see"}]),
]


@pytest.mark.parametrize("message", FOREIGN)
def test_histories_of_other_models(message: AIMessage) -> None:
    with World([SimModel("a/m:free")]) as world:
        langchain_model(world).invoke([HumanMessage("hi"), message, HumanMessage("and?")])

        assert world.requests[0].body["messages"][1] == {"role": "assistant", "content": "I see"}


def test_calls_that_stand_only_in_content_or_were_invalid_are_answered() -> None:
    use = AIMessage(
        [{"type": "tool_use", "id": "c1", "name": "multiply", "input": {"a": 1, "b": 2}}]
    )
    bad = AIMessage(
        "", invalid_tool_calls=[{"name": "multiply", "args": '{"a":', "id": "c2", "error": None}]
    )
    history = [
        HumanMessage("x"),
        use,
        ToolMessage("2", tool_call_id="c1"),
        bad,
        ToolMessage("no", tool_call_id="c2"),
    ]
    with World([SimModel("a/m:free")]) as world:
        langchain_model(world).bind_tools([multiply]).invoke(history)
        sent = world.requests[0].body["messages"]

        assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"a": 1, "b": 2}'
        assert sent[3]["tool_calls"][0]["function"]["arguments"] == "{}"


MEDIA = [
    ({"type": "image", "base64": "aGk=", "mime_type": "image/png"}, "image_url"),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        "image_url",
    ),
    ({"type": "image_url", "image_url": "https://x.test/a.png"}, "image_url"),
    ({"type": "audio", "base64": "aGk=", "mime_type": "audio/mpeg"}, "input_audio"),
    ({"type": "video", "url": "https://x.test/a.mp4"}, "video_url"),
    ({"type": "file", "base64": "aGk=", "mime_type": "application/pdf"}, "file"),
    ({"type": "file", "url": "https://x.test/a.pdf"}, "file"),
    (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
        },
        "file",
    ),
    ({"type": "text-plain", "text": "hello"}, "text"),
]


@pytest.mark.parametrize(("block", "kind"), MEDIA)
def test_media(block: dict[str, Any], kind: str) -> None:
    inputs = ("text", "image", "audio", "video", "file")
    with World(
        [SimModel("a/blind:free", context=900_000), SimModel("b/m:free", inputs=inputs)]
    ) as world:
        langchain_model(world).invoke(
            [SystemMessage("s"), HumanMessage([{"type": "text", "text": "what?"}, block])]
        )
        seen = world.requests[0]
        content = seen.body["messages"][1]["content"]

        assert not seen.problem
        if kind == "text":
            assert content == "what?hello"
        else:
            assert seen.model == "b/m:free"
            assert content[1]["type"] == kind
            assert content[1].get("input_audio", {}).get("format", "mp3") == "mp3"


def test_reasoning_details_return_to_their_writer_only() -> None:
    with World(
        [SimModel("a/m:free", reasoning=True), SimModel("b/m:free", reasoning=True)]
    ) as world:
        llm = langchain_model(world)
        first = llm.invoke("x", model="a/m:free")
        llm.invoke([HumanMessage("x"), first, HumanMessage("y")], model="a/m:free")
        llm.invoke([HumanMessage("x"), first, HumanMessage("y")], model="b/m:free")
        own, other = (seen.body["messages"][1] for seen in world.requests[1:])

        assert own["reasoning_details"] == first.additional_kwargs["reasoning_details"]
        assert "reasoning_details" not in other
        assert "model" not in own


def test_per_call_parameters_and_names() -> None:
    with World([SimModel("a/m:free"), SimModel("b/m:free")]) as world:
        llm = langchain_model(world, temperature=0.1, stop=["END"], max_tokens=50)
        llm.invoke(
            [HumanMessage("x", name="anna")], model="b/m:free", temperature=0.9, stop=["X"], seed=7
        )
        body = world.requests[0].body

    assert (body["model"], body["temperature"], body["stop"], body["seed"]) == (
        "b/m:free",
        0.9,
        ["X"],
        7,
    )
    assert body["messages"][0]["name"] == "anna"
    assert "stop" not in _body_of(ChatFreeRouter, stop=[])


def _body_of(kind: type, **options: Any) -> dict[str, Any]:
    with World([SimModel("a/m:free")]) as world:
        kind(router=world.router(), **options).invoke("x")
        return world.requests[0].body


def test_tokens_are_counted_offline() -> None:
    llm = ChatFreeRouter(api_key="k")

    assert llm.get_num_tokens("four characters a token") > 3
    assert llm.get_num_tokens_from_messages([HumanMessage("hello")], tools=[langchain_weather]) > 10


def test_ls_params() -> None:
    params = ChatFreeRouter(api_key="k", temperature=0.3)._get_ls_params(stop=["a"], model="x/y")

    assert params == {"ls_provider": "freerouter", "ls_model_name": "x/y", "ls_model_type": "chat", "ls_temperature": 0.3, "ls_stop": ["a"]}  # fmt: skip
