"""The content of LangChain messages as parts of the wire: text, images, sounds, films, files."""

from __future__ import annotations

import json
from collections.abc import Sequence

from freerouter_core.errors import BadRequest
from freerouter_core.wire.json_values import Json

CALLS = frozenset({"tool_use", "tool_call", "function_call", "invalid_tool_call"})
"""Blocks of an assistant's content that are tool calls."""
_SENDABLE = frozenset(
    {
        "text",
        "image",
        "image_url",
        "input_audio",
        "audio",
        "file",
        "video",
        "video_url",
        "text-plain",
    }
)
_MIME = {
    "image": "image/png",
    "audio": "audio/wav",
    "video": "video/mp4",
    "file": "application/pdf",
    "document": "application/pdf",
    "text-plain": "text/plain",
}
"""The type of a block's data where the block does not say it."""
_SOUNDS = {"mpeg": "mp3", "wave": "wav", "vnd.wave": "wav"}
"""The wire's names for audio formats where they differ from the MIME type's."""


def is_sendable(part: Json) -> bool:
    """Whether a block of an assistant's content can be sent to a chat model.

    The rest (thoughts, calls, searches) has another place on the wire, or means nothing to another
    model.
    """
    kind = part.get("type")
    return kind in _SENDABLE or (
        isinstance(part.get("text"), str) and kind in (None, "output_text")
    )


def to_content(content: str | Sequence[str | Json]) -> str | list[Json]:
    """A string, or a list of parts. Parts that are all text become a string: many free backends
    take nothing else."""
    if isinstance(content, str):
        return content
    parts = [_part(part) for part in content]
    if all(part.get("type") == "text" and set(part) <= {"type", "text"} for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: str | Json) -> Json:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type")
    if kind == "text":
        text = {"type": "text", "text": part.get("text", "")}
        cache = part.get("cache_control")
        return text | ({"cache_control": cache} if cache else {})
    if kind in ("image_url", "input_audio", "video_url") or (
        kind == "file" and isinstance(part.get("file"), dict)
    ):
        if kind == "image_url" and isinstance(part["image_url"], str):
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        return {key: value for key, value in part.items() if key in ("type", kind)}
    medium = _medium(part)
    if medium is not None:
        return medium
    if kind == "json":
        return {"type": "text", "text": json.dumps(part.get("json"), ensure_ascii=False)}
    if isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    raise BadRequest(
        f"a content block of type {kind!r} cannot be sent to a chat model",
        hint="use text, image, audio, video or file blocks",
    )


def _medium(part: Json) -> Json | None:
    """An image, sound, film or document in any of LangChain's or Anthropic's shapes, else None."""
    kind = part.get("type")
    source: Json = part["source"] if isinstance(part.get("source"), dict) else {}
    data = part.get("base64") or part.get("data") or source.get("data")
    mime = part.get("mime_type") or source.get("media_type") or _MIME.get(str(kind), "")
    url = part.get("url") or source.get("url") or (f"data:{mime};base64,{data}" if data else None)
    if kind in ("text-plain", "document") and (
        source.get("type") == "text" or mime == "text/plain" or part.get("text")
    ):
        return {"type": "text", "text": str(part.get("text") or source.get("data") or data or "")}
    if url is None or kind not in _MIME:
        return None
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    if kind == "video":
        return {"type": "video_url", "video_url": {"url": url}}
    if kind == "audio":
        return {"type": "input_audio", "input_audio": _sound(data, mime)}
    extras = part.get("extras") or part.get("metadata") or {}
    name = part.get("filename") or extras.get("filename") or part.get("title") or "document.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": url}}


def _sound(data: object, mime: str) -> Json:
    if not data:
        raise BadRequest(
            "audio can only be sent as data, not by its URL", hint="read it and pass base64=…"
        )
    name = mime.rpartition("/")[2].removeprefix("x-")
    return {"data": data, "format": _SOUNDS.get(name, name)}
