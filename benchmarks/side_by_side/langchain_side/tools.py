"""Tool calls and structured output."""

from __future__ import annotations

import contextlib
from typing import Any

from behaviours import Package, mistral_ids, no_later_system, quick, staged
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from .fixtures import Person, get_weather, multiply, shows, whole

# -- tools ----------------------------------------------------------------------------------------


@shows("tool calls, several at once, streamed")
def _(package: Package) -> None:
    with staged(package) as stage:
        bound = stage.llm().bind_tools([get_weather, multiply])
        prompt = "get_weather in Rome, and multiply 3 by 4"
        for message in (bound.invoke(prompt), whole(bound.stream(prompt))):
            assert {c["name"]: c["args"] for c in message.tool_calls} == {
                "get_weather": {"city": "Rome"},
                "multiply": {"a": 3, "b": 4},
            }


@shows("a call that was cut off is never a valid call")
def _(package: Package) -> None:
    @tool
    def delete_records(target: str) -> str:
        """Delete."""
        return target

    for streamed in (False, True):
        with staged(package, quick(script=["truncated-tool"] * 9)) as stage:
            bound = stage.llm(max_retries=0).bind_tools([delete_records])
            try:
                message = whole(bound.stream("x")) if streamed else bound.invoke("x")
            except Exception:  # noqa: S112
                continue
            assert not message.tool_calls, f"would run {message.tool_calls}"


@shows("pictures in tool messages, Anthropic's history")
def _(package: Package) -> None:
    picture = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    use: list[str | dict[Any, Any]] = [
        {"type": "text", "text": "I look"},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
    ]
    calls = [{"name": "look", "args": {}, "id": "t1"}]
    with staged(package, quick(inputs=("text", "image"))) as stage:
        for call, answer in (
            (AIMessage("", tool_calls=calls), ToolMessage([{**picture}], tool_call_id="t1")),
            (AIMessage(use, tool_calls=calls), ToolMessage("seen", tool_call_id="t1")),
        ):
            stage.llm().invoke([HumanMessage("look"), call, answer])
        assert not stage.refused, stage.refused


@shows("tool-call ids as Mistral demands them")
def _(package: Package) -> None:
    calls = [{"name": "look", "args": {}, "id": "call_0123456789"}]
    with staged(package, quick("mistralai/devstral:free", objects=mistral_ids)) as stage:
        call = AIMessage("", tool_calls=calls)
        answer = ToolMessage("x", tool_call_id="call_0123456789")
        stage.llm("mistralai/devstral:free").invoke([HumanMessage("look"), call, answer])


@shows("a later system message for who takes only a first")
def _(package: Package) -> None:
    messages = [SystemMessage("be brief"), HumanMessage("hi"), SystemMessage("end")]
    with staged(package, quick(objects=no_later_system)) as stage:
        assert stage.llm().invoke(messages).content


# -- structured output ----------------------------------------------------------------------------


@shows("structured output by all three methods")
def _(package: Package) -> None:
    for method in ("function_calling", "json_schema", "json_mode"):
        with staged(package) as stage:
            llm = stage.llm().with_structured_output(Person, method=method)
            prompt = 'Anna is 33 years old; answer as JSON with "name" and "age"'
            if method == "json_mode":  # its answer is up to the model: only the request counts
                with contextlib.suppress(Exception):
                    llm.invoke(prompt)
                assert stage.bodies[0]["response_format"] == {"type": "json_object"}
            else:
                assert llm.invoke(prompt).age == 33
            assert not stage.refused, stage.refused


@shows("strict schemas as strict endpoints want them")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm().with_structured_output(Person, method="json_schema", strict=True)
        assert llm.invoke("Anna is 33").age == 33
        assert not stage.refused, stage.refused


@shows("JSON that came fenced, or after `<think>`")
def _(package: Package) -> None:
    answer = '<think>easy</think>Here:\n```json\n{"name": "Anna", "age": 33}\n```'
    plain = quick(tools=False, structured=False, json_object=False, says=lambda _: answer)
    with staged(package, plain) as stage:
        assert stage.llm().with_structured_output(Person).invoke("Anna").age == 33


@shows("streamed structured output grows")
def _(package: Package) -> None:
    with staged(package) as stage:
        schema = Person.model_json_schema() | {"title": "Person"}
        llm = stage.llm().with_structured_output(schema)
        parts = list(llm.stream("A person named Anna, 33"))
        assert len(parts) > 1
        assert parts[-1]["age"] == 33
