"""The six ways a row is asked: core, LangChain and LlamaIndex, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, convert_to_messages
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ImageBlock, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from freerouter_core import ChatRequest, Router, Structured
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..frameworks import merged
from .row import Ask


@dataclass(frozen=True)
class Got:
    """What a caller got. `calls`: (name, arguments) of valid calls. `invalid`: names of others."""

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    invalid: Sequence[str] = ()
    value: Mapping[str, Any] | None = None
    shown: Sequence[str] = field(default=(), compare=False)
    """The texts of a stream in the order they came."""


Way = Callable[[Router, Ask], Got]

# -- core ------------------------------------------------------------------------------------------


def request_of(ask: Ask) -> ChatRequest:
    schema = None if ask.schema is None else Structured(ask.schema.model_json_schema())
    return ChatRequest(
        list(ask.messages),
        [convert_to_openai_tool(function) for function in ask.tools],
        structured=schema,
        parameters=ask.parameters,
    )


def _core(answer: Any, text: str, shown: Sequence[str] = (), *, schema: object) -> Got:
    valid = [(call.name, call.parsed()) for call in answer.tool_calls]
    invalid = [call.name for call in answer.invalid_calls]
    value = json.loads(text) if schema is not None and text else None
    return Got("" if value is not None else text, valid, invalid, value, shown)


def core_chat(router: Router, ask: Ask) -> Got:
    outcome = router.chat(request_of(ask))
    return _core(outcome.answer, outcome.text, schema=ask.schema)


def core_stream(router: Router, ask: Ask) -> Got:
    stream = router.stream(request_of(ask).but(replaces=ask.schema is not None))
    shown: list[str] = []
    for delta in stream:
        if delta.restarts:
            shown.clear()
        if delta.text:
            shown.append(delta.text)
    return _core(stream.outcome.answer, "".join(shown), shown, schema=ask.schema)


# -- LangChain -------------------------------------------------------------------------------------


def _langchain_messages(ask: Ask) -> list[BaseMessage]:
    if ask.langchain is not None:
        return list(ask.langchain)
    return convert_to_messages(list(ask.messages))


def _langchain(router: Router, ask: Ask) -> Any:
    model: Any = ChatFreeRouter(router=router, **ask.parameters)
    if ask.schema is not None:
        return model.with_structured_output(ask.schema)
    return model.bind_tools([tool(function) for function in ask.tools]) if ask.tools else model


def _message(message: AIMessage, shown: Sequence[str] = ()) -> Got:
    valid = [(call["name"], call["args"]) for call in message.tool_calls]
    invalid = [call["name"] or "" for call in message.invalid_tool_calls]
    return Got(message.text, valid, invalid, None, shown)


def lc_invoke(router: Router, ask: Ask) -> Got:
    result = _langchain(router, ask).invoke(_langchain_messages(ask))
    return _message(result) if ask.schema is None else Got(value=_dumped(result))


def lc_stream(router: Router, ask: Ask) -> Got:
    parts = list(_langchain(router, ask).stream(_langchain_messages(ask)))
    if ask.schema is not None:
        return Got(value=_dumped(parts[-1]))
    return _message(merged(parts), [part.text for part in parts if part.text])


# -- LlamaIndex ------------------------------------------------------------------------------------


def _llamaindex_messages(ask: Ask) -> list[ChatMessage]:
    if ask.llamaindex is not None:
        return list(ask.llamaindex)
    return [_chat_message(message) for message in ask.messages]


def _chat_message(message: Mapping[str, Any]) -> ChatMessage:
    content = message.get("content")
    blocks: list[Any] = []
    for part in content if isinstance(content, list) else ():
        if part["type"] == "image_url":
            blocks.append(ImageBlock(url=part["image_url"]["url"]))
        else:
            blocks.append(TextBlock(text=part["text"]))
    extras = {name: message[name] for name in ("tool_calls", "tool_call_id") if name in message}
    given = blocks if isinstance(content, list) else content
    return ChatMessage(role=message["role"], content=given, additional_kwargs=extras)


def _llamaindex(router: Router, ask: Ask) -> FreeRouter:
    return FreeRouter(router=router, **ask.parameters)


def _response(model: FreeRouter, response: ChatResponse, shown: Sequence[str] = ()) -> Got:
    selections = model.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    problems = response.message.additional_kwargs.get("invalid_tool_calls") or {}
    valid = [
        (chosen.tool_name, chosen.tool_kwargs)
        for chosen in selections
        if chosen.tool_id not in problems
    ]
    invalid = [s.tool_name.partition(" (")[0] for s in selections if s.tool_id in problems]
    return Got(response.message.content or "", valid, invalid, None, shown)


def li_chat(router: Router, ask: Ask) -> Got:
    model, messages = _llamaindex(router, ask), _llamaindex_messages(ask)
    if ask.schema is not None:
        prompt = PromptTemplate(str(messages[-1].content))
        return Got(value=_dumped(model.structured_predict(ask.schema, prompt)))
    if not ask.tools:
        return _response(model, model.chat(messages))
    tools = [FunctionTool.from_defaults(function) for function in ask.tools]
    return _response(model, model.chat_with_tools(tools, chat_history=messages))


def li_stream(router: Router, ask: Ask) -> Got:
    model, messages = _llamaindex(router, ask), _llamaindex_messages(ask)
    if ask.schema is not None:
        prompt = PromptTemplate(str(messages[-1].content))
        return Got(value=_dumped(list(model.stream_structured_predict(ask.schema, prompt))[-1]))
    if ask.tools:
        tools = [FunctionTool.from_defaults(function) for function in ask.tools]
        parts = list(model.stream_chat_with_tools(tools, chat_history=messages))
    else:
        parts = list(model.stream_chat(messages))
    shown = [part.delta for part in parts if part.delta]
    got = _response(model, parts[-1], shown)
    assert "".join(shown) == got.text
    return got


def _dumped(value: object) -> Mapping[str, Any]:
    assert isinstance(value, BaseModel)
    return value.model_dump()


WAYS: dict[str, Way] = {
    way.__name__: way for way in (core_chat, core_stream, lc_invoke, lc_stream, li_chat, li_stream)
}
STREAMED = frozenset({"core_stream", "lc_stream", "li_stream"})
