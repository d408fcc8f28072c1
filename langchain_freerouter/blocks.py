"""Content blocks (v1) of our messages: text, reasoning, tool calls and refusals, in the order they were said.

LangChain knows a provider's dialect by `model_provider`; "freerouter" is registered here, as is documented for packages
outside of core. Its own translator for OpenAI's dialect drops reasoning.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from .messages import PROVIDER

_REFUSAL = hasattr(types, "RefusalContentBlock")
"""Whether LangChain has a block for refusals (since 1.7.5), which its parsers turn into `ModelRefusalError`."""


def translate(message: AIMessage) -> list[types.ContentBlock]:
    """The blocks of a whole message."""
    blocks = _said(message)
    blocks += [
        {"type": "tool_call", "name": call["name"], "args": call["args"], "id": call["id"]}
        for call in message.tool_calls
    ]
    blocks += [dict(call) for call in message.invalid_tool_calls]
    return cast("list[types.ContentBlock]", blocks)


def translate_chunk(message: AIMessageChunk) -> list[types.ContentBlock]:
    """The blocks of a piece of one: tool calls stay pieces until the last."""
    if message.chunk_position == "last" and not message.tool_call_chunks:
        return translate(message)
    blocks = _said(message)
    if message.chunk_position == "last":
        blocks += [
            {"type": "tool_call", "name": call["name"], "args": call["args"], "id": call["id"]}
            for call in message.tool_calls
        ]
    else:
        for chunk in message.tool_call_chunks:
            # LangChain numbers the blocks it finds unnumbered from 0, and merges blocks of one number whatever they are.
            blocks.append({**chunk, "type": "tool_call_chunk", "index": f"lc_tc_{chunk['index']}"})
    return cast("list[types.ContentBlock]", blocks)


def _said(message: AIMessage) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    reasoning = message.additional_kwargs.get("reasoning_content")
    if reasoning:
        blocks.append({"type": "reasoning", "reasoning": reasoning})
    content = message.content
    if isinstance(content, str):
        cited = [_citation(a) for a in message.additional_kwargs.get("annotations") or ()]
        if content or cited:
            blocks.append(
                {"type": "text", "text": content} | ({"annotations": cited} if cited else {})
            )
    else:
        blocks += [
            {"type": "text", "text": part} if isinstance(part, str) else dict(part)
            for part in content
        ]
    blocks += [_picture(image) for image in message.additional_kwargs.get("images") or ()]
    refusal = message.additional_kwargs.get("refusal")
    if refusal:
        block = {"type": "refusal", "refusal": refusal}
        blocks.append(block if _REFUSAL else {"type": "non_standard", "value": block})
    return blocks


def _picture(image: dict[str, Any]) -> dict[str, Any]:
    """A picture the model made: OpenRouter sends it as a data URL."""
    url = str((image.get("image_url") or {}).get("url") or "")
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return {"type": "image", "base64": data, "mime_type": head.removeprefix("data:")}
    return {"type": "image", "url": url}


def _citation(annotation: dict[str, Any]) -> dict[str, Any]:
    """A source as OpenRouter tells it, in LangChain's words; what is no source (a file that was read) stays as it is."""
    told = annotation.get("url_citation")
    if annotation.get("type") != "url_citation" or not isinstance(told, dict):
        return {"type": "non_standard_annotation", "value": annotation}
    names = {
        "url": "url",
        "title": "title",
        "start_index": "start_index",
        "end_index": "end_index",
        "content": "cited_text",
    }
    return {"type": "citation"} | {
        ours: told[name] for name, ours in names.items() if told.get(name) is not None
    }


register_translator(PROVIDER, translate, translate_chunk)
