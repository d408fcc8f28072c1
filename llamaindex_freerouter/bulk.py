"""Jobs of many inputs: prompts or chats as rows, answers as responses or objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole

from freerouter_core.client.bulk.rows import BulkRequest
from freerouter_core.errors import FreeRouterError
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.request import ChatRequest

from .responses import to_response

BulkInput = str | Sequence[ChatMessage] | tuple[str, Any] | Mapping[str, Any]
"""A prompt or a chat, alone, after an id in a tuple, or as the "prompt" of a row with an "id"."""


def rows_of(
    inputs: Iterable[BulkInput], request_of: Callable[[Sequence[ChatMessage]], ChatRequest]
) -> Iterator[BulkRequest]:
    """Inputs as the core's rows. What cannot be asked is a problem of its own row."""
    for item in inputs:
        row: dict[str, Any] = {}
        value: Any = item
        if isinstance(item, Mapping):
            row = {key: item[key] for key in ("id", "data") if key in item}
            value = item.get("prompt", item.get("messages"))
        elif isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
            row, value = {"id": item[0]}, item[1]
        if isinstance(value, str):
            value = [ChatMessage(role=MessageRole.USER, content=value)]
        try:
            yield {**row, "prompt": request_of(value)}
        except FreeRouterError as error:
            yield {**row, "problem": error}


def to_chat_response(answer: Answer, metadata: Json) -> ChatResponse:
    """An answer as a response."""
    return to_response(answer, metadata)
