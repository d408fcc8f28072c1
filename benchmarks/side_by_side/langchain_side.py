"""What users of LangChain rely on, tried on one package: `python langchain_side.py ChatFreeRouter`."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import pickle
from functools import reduce
from operator import add
from typing import Any

from behaviours import MODEL, OTHER, Behaviours, failing, quick, raises, staged
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core import exceptions
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

KEY = "sk-side-by-side-secret"
shows = Behaviours()


def free_router(url: str, model: str, **options: Any) -> Any:
    from freerouter_core import Provider
    from langchain_freerouter import ChatFreeRouter

    return ChatFreeRouter(
        model=model, providers=[Provider("openrouter", url, KEY, limits=[])], **options
    )


def chat_openai(url: str, model: str, **options: Any) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=model, base_url=url, api_key=KEY, **options)


def chat_openrouter(url: str, model: str, **options: Any) -> Any:
    from langchain_openrouter import ChatOpenRouter

    return ChatOpenRouter(model=model, base_url=url, api_key=KEY, **options)


def chat_litellm(url: str, model: str, **options: Any) -> Any:
    from langchain_litellm import ChatLiteLLM

    return ChatLiteLLM(model=f"openrouter/{model}", api_base=url, api_key=KEY, **options)


chat_litellm.prefix = "openrouter/"  # type: ignore[attr-defined]

PACKAGES = {
    "ChatFreeRouter": free_router,
    "ChatOpenAI": chat_openai,
    "ChatOpenRouter": chat_openrouter,
    "ChatLiteLLM": chat_litellm,
}


class Person(BaseModel):
    """A person."""

    name: str
    age: int
    nick: str | None = None


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: sunny"


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def whole(stream: Any) -> Any:
    return reduce(add, stream)


async def awaited(stream: Any) -> list[Any]:
    return [item async for item in stream]


# -- asking ----------------------------------------------------------------------------------------------------------


@shows("invoke, ainvoke, stream, astream, batch")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        assert llm.invoke("hi").content
        assert whole(llm.stream("hi")).content
        assert all(m.content for m in llm.batch(["a", "b", "c"]))
        assert asyncio.run(llm.ainvoke("hi")).content


@shows("several event loops in turn, streaming")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        for _ in range(3):
            assert whole(asyncio.run(awaited(llm.astream("hi")))).content
            assert asyncio.run(llm.ainvoke("hi")).content


@shows("an empty `tools` or `stop` is not sent")
def _(make: Any) -> None:
    with staged(make) as stage:
        stage.llm(stop=[]).bind_tools([]).invoke("hi")
        assert not stage.refused
        assert not {"tools", "stop"} & stage.bodies[-1].keys()


@shows("a `model=` of one call is asked and told")
def _(make: Any) -> None:
    with staged(make) as stage:
        message = stage.llm().invoke("hi", model=stage.name(OTHER))
        assert stage.world.asked == [OTHER]
        assert str(message.response_metadata["model_name"]).endswith(OTHER)


@shows("an unknown `tool_choice` is refused before anything is sent")
def _(make: Any) -> None:
    with staged(make) as stage:
        raises(
            Exception, lambda: stage.llm().bind_tools([get_weather], tool_choice="nope").invoke("x")
        )
        assert not stage.bodies


@shows("one `reasoning` setting reaches the wire")
def _(make: Any) -> None:
    with staged(make, quick(reasoning=True)) as stage:
        stage.llm(reasoning={"effort": "low"}).invoke("hi")
        sent = stage.bodies[-1]
        assert sent.get("reasoning_effort", sent.get("reasoning", {}).get("effort")) == "low", (
            "not in the request"
        )
        assert not stage.refused


# -- what comes back -------------------------------------------------------------------------------------------------


@shows("usage in streams, without asking for it")
def _(make: Any) -> None:
    with staged(make) as stage:
        assert whole(stage.llm().stream("hi")).usage_metadata["input_tokens"] > 0


@shows("reasoning, cached and written tokens in usage")
def _(make: Any) -> None:
    part = {"type": "text", "text": "remember", "cache_control": {"type": "ephemeral"}}
    with staged(make, quick(reasoning=True)) as stage:
        written = stage.llm().invoke([HumanMessage([part])]).usage_metadata
        read = stage.llm().invoke([HumanMessage([part])]).usage_metadata
        assert written["output_token_details"]["reasoning"] > 0
        assert written["input_token_details"]["cache_creation"] > 0
        assert read["input_token_details"]["cache_read"] > 0


@shows("cost, model and inference provider, once in a stream")
def _(make: Any) -> None:
    with staged(make) as stage:
        told = whole(stage.llm().stream("hi")).response_metadata
        assert str(told["model_name"]).endswith(MODEL), told["model_name"]
        assert 0 in (told.get("cost"), told.get("response_cost")), "no cost"
        assert "Simulated" in str(told), "no provider"


@shows("reasoning as content blocks, streamed and whole")
def _(make: Any) -> None:
    with staged(make, quick(reasoning=True)) as stage:
        for message in (stage.llm().invoke("hi"), whole(stage.llm().stream("hi"))):
            assert "reasoning" in [block["type"] for block in message.content_blocks]


@shows("`reasoning_details` return unchanged to their writer")
def _(make: Any) -> None:
    with staged(make, quick(reasoning=True)) as stage:
        said = whole(stage.llm().stream("hi"))
        stage.llm().invoke([HumanMessage("hi"), said, HumanMessage("and?")])
        [detail] = stage.bodies[-1]["messages"][1]["reasoning_details"]
        assert detail["text"] == "The user wants an answer, so I will give one."
        assert not stage.refused


@shows("… and to nobody else")
def _(make: Any) -> None:
    with staged(make, quick(reasoning=True), quick(OTHER)) as stage:
        said = stage.llm().invoke("hi")
        stage.llm(OTHER).invoke([HumanMessage("hi"), said, HumanMessage("and?")])
        assert "reasoning_details" not in stage.bodies[-1]["messages"][1]


@shows("`<think>` is split off the text")
def _(make: Any) -> None:
    with staged(make, quick(says=lambda _: "<think>hm</think>\n\nHello.")) as stage:
        assert whole(stage.llm().stream("hi")).content == "Hello."
        assert stage.llm().invoke("hi").content == "Hello."


@shows("the v3 event protocol, with reasoning")
def _(make: Any) -> None:
    with staged(make, quick(reasoning=True)) as stage:
        kinds = [event["event"] for event in stage.llm().stream_events("hi", version="v3")]
        assert kinds[0] == "message-start"
        assert kinds[-1] == "message-finish"
        blocks = [
            e
            for e in stage.llm().stream_events("hi", version="v3")
            if e["event"] == "content-block-start"
        ]
        assert {"reasoning", "text"} <= {e["content"]["type"] for e in blocks}


# -- tools -----------------------------------------------------------------------------------------------------------


@shows("tool calls, several at once, streamed")
def _(make: Any) -> None:
    with staged(make) as stage:
        bound = stage.llm().bind_tools([get_weather, multiply])
        asked = "get_weather in Rome, and multiply 3 by 4"
        for message in (bound.invoke(asked), whole(bound.stream(asked))):
            assert {c["name"]: c["args"] for c in message.tool_calls} == {
                "get_weather": {"city": "Rome"},
                "multiply": {"a": 3, "b": 4},
            }


@shows("a call that was cut off is never a valid call")
def _(make: Any) -> None:
    @tool
    def delete_records(target: str) -> str:
        """Delete."""
        return target

    for streamed in (False, True):
        with staged(make, quick(script=["truncated-tool"] * 9)) as stage:
            bound = stage.llm(max_retries=0).bind_tools([delete_records])
            try:
                message = whole(bound.stream("x")) if streamed else bound.invoke("x")
            except Exception:  # noqa: S112
                continue
            assert not message.tool_calls, f"would run {message.tool_calls}"


@shows("pictures in tool messages, Anthropic's history")
def _(make: Any) -> None:
    picture = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    use = [
        {"type": "text", "text": "I look"},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
    ]
    calls = [{"name": "look", "args": {}, "id": "t1"}]
    with staged(make, quick(inputs=("text", "image"))) as stage:
        stage.llm().invoke(
            [
                HumanMessage("look"),
                AIMessage("", tool_calls=calls),
                ToolMessage([picture], tool_call_id="t1"),
            ]
        )
        stage.llm().invoke(
            [
                HumanMessage("look"),
                AIMessage(use, tool_calls=calls),
                ToolMessage("seen", tool_call_id="t1"),
            ]
        )
        assert not stage.refused, stage.refused


@shows("tool-call ids as Mistral demands them")
def _(make: Any) -> None:
    def objects(body: Any) -> str | None:
        ids = [c["id"] for m in body["messages"] for c in m.get("tool_calls") or ()]
        return (
            None
            if all(len(i) == 9 and i.isalnum() for i in ids)
            else "Tool call id must have a length of 9"
        )

    calls = [{"name": "look", "args": {}, "id": "call_0123456789"}]
    with staged(make, quick("mistralai/devstral:free", objects=objects)) as stage:
        stage.llm("mistralai/devstral:free").invoke(
            [
                HumanMessage("look"),
                AIMessage("", tool_calls=calls),
                ToolMessage("x", tool_call_id="call_0123456789"),
            ]
        )


@shows("a later system message for who takes only a first")
def _(make: Any) -> None:
    def objects(body: Any) -> str | None:
        return (
            "System message must be at the beginning."
            if any(m["role"] == "system" for m in body["messages"][1:])
            else None
        )

    with staged(make, quick(objects=objects)) as stage:
        assert (
            stage.llm()
            .invoke([SystemMessage("be brief"), HumanMessage("hi"), SystemMessage("end")])
            .content
        )


# -- structured output -----------------------------------------------------------------------------------------------


@shows("structured output by all three methods")
def _(make: Any) -> None:
    for method in ("function_calling", "json_schema", "json_mode"):
        with staged(make) as stage:
            llm = stage.llm().with_structured_output(Person, method=method)
            asked = 'Anna is 33 years old; answer as JSON with "name" and "age"'
            if (
                method == "json_mode"
            ):  # what JSON mode gives is the model's own: only how it is asked for is looked at
                with contextlib.suppress(Exception):
                    llm.invoke(asked)
                assert stage.bodies[0]["response_format"] == {"type": "json_object"}
            else:
                assert llm.invoke(asked).age == 33
            assert not stage.refused, stage.refused


@shows("strict schemas as strict endpoints want them")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm().with_structured_output(Person, method="json_schema", strict=True)
        assert llm.invoke("Anna is 33").age == 33
        assert not stage.refused, stage.refused


@shows("JSON that came fenced, or after `<think>`")
def _(make: Any) -> None:
    answer = '<think>easy</think>Here:\n```json\n{"name": "Anna", "age": 33}\n```'
    with staged(
        make, quick(tools=False, structured=False, json_object=False, says=lambda _: answer)
    ) as stage:
        assert stage.llm().with_structured_output(Person).invoke("Anna").age == 33


@shows("streamed structured output grows")
def _(make: Any) -> None:
    with staged(make) as stage:
        parts = list(
            stage.llm()
            .with_structured_output(Person.model_json_schema() | {"title": "Person"})
            .stream("A person named Anna, 33")
        )
        assert len(parts) > 1
        assert parts[-1]["age"] == 33


# -- failures --------------------------------------------------------------------------------------------------------


@shows("another model answers where one is limited, empty, gone or broken")
def _(make: Any) -> None:
    for fault in ("429-upstream", "empty", "404-gone", "error-in-200", "choices-empty", "502"):
        with failing(make, *[fault] * 9) as stage:
            assert stage.llm(max_retries=3).invoke("hi").content, fault


@shows("… in streams, before anything was shown")
def _(make: Any) -> None:
    for fault in ("429-upstream", "empty", "stream-error-before", "stream-error-empty-choices"):
        with failing(make, *[fault] * 9) as stage:
            assert whole(stage.llm(max_retries=3).stream("hi")).content, fault


@shows("a stream that breaks is an error, not a short answer")
def _(make: Any) -> None:
    for fault in ("mid-stream-error", "mid-stream-finish-error", "mid-stream-cut"):
        with staged(make, quick(script=[fault] * 9)) as stage:
            raises(
                Exception, lambda stage=stage: whole(stage.llm(max_retries=0).stream("hi")).content
            )


@shows("a broken stream can be continued, nothing said twice")
def _(make: Any) -> None:
    with staged(
        make, quick(script=["mid-stream-cut"]), quick(OTHER, says=lambda _: "upon a time.")
    ) as stage:
        message = whole(stage.llm(on_stream_break="continue").stream("hi"))
        assert message.content == "Once upon a time."


@shows("an empty answer is not taken for one")
def _(make: Any) -> None:
    with staged(make, quick(script=["empty"] * 9)) as stage:
        raises(Exception, lambda: stage.llm(max_retries=0).invoke("hi"))


@shows("errors are `ModelError`s that know whether to retry")
def _(make: Any) -> None:
    kinds = {
        "429-upstream": (exceptions.ModelRateLimitError, True),
        "401": (exceptions.ModelAuthenticationError, False),
        "502": (exceptions.ModelAPIError, True),
        "error-in-200": (exceptions.ModelError, True),
    }
    for fault, (kind, retryable) in kinds.items():
        with staged(make, quick(script=[fault] * 9)) as stage:
            caught = raises(kind, lambda stage=stage: stage.llm(max_retries=0).invoke("hi"))
            assert caught.is_retryable is retryable, fault


@shows("`max_retries=0` asks once")
def _(make: Any) -> None:
    with staged(make, quick(script=["502"] * 50)) as stage:
        raises(Exception, lambda: stage.llm(max_retries=0).invoke("hi"))
        assert len(stage.bodies) == 1, f"{len(stage.bodies)} requests"


@shows("an agent with tools and a typed answer, in a storm")
def _(make: Any) -> None:
    with failing(make, "empty", "429-upstream", "truncated-tool", "502") as stage:
        agent = create_agent(stage.llm(), [get_weather], response_format=ToolStrategy(Person))
        state = agent.invoke(
            {"messages": [HumanMessage("Use get_weather in Lisbon, for Anna who is 33")]}
        )
        assert state["structured_response"].age == 33


# -- being a component -----------------------------------------------------------------------------------------------


@shows("pickled and deep-copied after use")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        llm.invoke("hi")
        assert pickle.loads(pickle.dumps(llm)).invoke("hi").content
        assert copy.deepcopy(llm).invoke("hi").content


@shows("serialised without its key")
def _(make: Any) -> None:
    with staged(make) as stage:
        made = dumpd(stage.llm())
        assert made["type"] == "constructor", made["type"]
        assert KEY not in json.dumps(made) + repr(stage.llm())


@shows("a copy with another model is not answered from the cache")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm(cache=InMemoryCache())
        name = (
            "model_name"
            if getattr(llm, "model_name", None) and "model_name" in type(llm).model_fields
            else "model"
        )
        llm.invoke("hi")
        changed = llm.model_copy(update={name: getattr(llm, name).replace(MODEL, OTHER)})
        changed.invoke("hi")
        assert stage.world.asked == [MODEL, OTHER], stage.world.asked


@shows("tokens counted offline")
def _(make: Any) -> None:
    with staged(make) as stage:
        assert stage.llm().get_num_tokens_from_messages([HumanMessage("one two three four")]) > 0


@shows("`with_fallbacks(...).bind_tools`")
def _(make: Any) -> None:
    with staged(make) as stage:
        both = stage.llm().with_fallbacks([stage.llm(OTHER)])
        assert both.bind_tools([get_weather]).invoke("get_weather in Paris").tool_calls


@shows("usage that summaries trust (`model_provider` is `ls_provider`)")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        params = llm._get_ls_params()  # noqa: SLF001
        assert llm.invoke("hi").response_metadata.get("model_provider") == params["ls_provider"]


if __name__ == "__main__":
    shows.main(PACKAGES)
