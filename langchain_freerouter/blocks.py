"""Content blocks (v1) of our messages: text, reasoning, tool calls, images and refusals.

LangChain looks up a translator by `model_provider`. Its translator for OpenAI drops reasoning, so
ours is registered for "freerouter", as LangChain documents for packages outside its core.
"""

from __future__ import annotations

from typing import cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from freerouter_core.wire.json_values import Json

from .outputs import PROVIDER

_HAS_REFUSALS = hasattr(types, "RefusalContentBlock")
"""Whether LangChain has a block for refusals (since 1.7.5). Its parsers then raise
`ModelRefusalError`."""


def translate(message: AIMessage) -> list[types.ContentBlock]:
    """The blocks of a whole message."""
    return _typed(_content_blocks(message) + _call_blocks(message))


def translate_chunk(message: AIMessageChunk) -> list[types.ContentBlock]:
    """The blocks of a chunk. Tool calls stay fragments until the last chunk."""
    if message.chunk_position != "last":
        return _typed(_content_blocks(message) + _fragment_blocks(message))
    if not message.tool_call_chunks:
        return translate(message)
    return _typed(_content_blocks(message) + _call_blocks(message))


def _typed(blocks: list[Json]) -> list[types.ContentBlock]:
    return cast("list[types.ContentBlock]", blocks)  # a union of TypedDicts: dicts at run time


def _call_blocks(message: AIMessage) -> list[Json]:
    blocks: list[Json] = [
        {"type": "tool_call", "name": call["name"], "args": call["args"], "id": call["id"]}
        for call in message.tool_calls
    ]
    return blocks + [{**call} for call in message.invalid_tool_calls]


def _fragment_blocks(message: AIMessageChunk) -> list[Json]:
    # LangChain numbers blocks without an index from 0, and merges blocks of one index whatever they
    # are. Named indexes keep calls apart from text.
    return [
        {**chunk, "type": "tool_call_chunk", "index": f"lc_tc_{chunk['index']}"}
        for chunk in message.tool_call_chunks
    ]


def _content_blocks(message: AIMessage) -> list[Json]:
    blocks: list[Json] = []
    extras = message.additional_kwargs
    if extras.get("reasoning_content"):
        blocks.append({"type": "reasoning", "reasoning": extras["reasoning_content"]})
    content = message.content
    if isinstance(content, str):
        citations = [_citation(annotation) for annotation in extras.get("annotations") or ()]
        if content or citations:
            text: Json = {"type": "text", "text": content}
            blocks.append(text | ({"annotations": citations} if citations else {}))
    else:
        blocks += [
            {"type": "text", "text": part} if isinstance(part, str) else dict(part)
            for part in content
        ]
    blocks += [_image(image) for image in extras.get("images") or ()]
    if extras.get("refusal"):
        block = {"type": "refusal", "refusal": extras["refusal"]}
        blocks.append(block if _HAS_REFUSALS else {"type": "non_standard", "value": block})
    return blocks


def _image(image: Json) -> Json:
    """An image that the model made. OpenRouter sends it as a data URL."""
    url = str((image.get("image_url") or {}).get("url") or "")
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return {"type": "image", "base64": data, "mime_type": head.removeprefix("data:")}
    return {"type": "image", "url": url}


def _citation(annotation: Json) -> Json:
    """A source under LangChain's names. An annotation of another kind (a file that was read) stays
    as it is."""
    source = annotation.get("url_citation")
    if annotation.get("type") != "url_citation" or not isinstance(source, dict):
        return {"type": "non_standard_annotation", "value": annotation}
    names = {
        "url": "url",
        "title": "title",
        "start_index": "start_index",
        "end_index": "end_index",
        "content": "cited_text",
    }
    return {"type": "citation"} | {
        ours: source[name] for name, ours in names.items() if source.get(name) is not None
    }


register_translator(PROVIDER, translate, translate_chunk)
