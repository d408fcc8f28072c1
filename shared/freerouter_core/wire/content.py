"""`parts_of`: the content of a message, in any framework's shape, as parts of OpenAI's wire.

A history comes from anywhere: Anthropic's blocks, Gemini's parts, OpenAI's Responses items, MCP's
results, the blocks of LangChain and of the AI SDK. What no chat model can be sent becomes words
that say what was left out. So no block, however odd, keeps a conversation from going on.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping

from ..errors import BadRequest
from .foreign_calls import is_ui_tool
from .json_values import Json, JsonMapping, as_mapping

NO_CONTENT = frozenset({
    "tool_use", "tool_call", "function_call", "invalid_tool_call", "tool-call", "tool_call_chunk",
    "input_json_delta", "custom_tool_call", "thinking", "redacted_thinking", "reasoning",
    "reasoning_content", "reasoning_text", "summary_text", "encrypted", "cache_point", "cachePoint",
    "server_tool_use", "server_tool_call", "server_tool_result", "web_search_call",
    "web_search_tool_result", "code_interpreter_call", "step-start",
})  # fmt: skip
"""Types of an assistant's blocks that are calls, thoughts, or a service's own work. Calls and
thoughts have another place on the wire; the rest means nothing to another model."""
MEDIA = {
    "image_url": "image",
    "input_audio": "audio",
    "video_url": "video",
    "file": "file",
}
"""The input that a part needs, by its type on the wire."""

_TEXTS = frozenset({"text", "input_text", "output_text", "text-plain"})
_IMAGES = frozenset({"image", "input_image", "image_url", "computer_screenshot"})
_FILES = frozenset({"file", "input_file", "document", "document_url", "container_upload"})
_KINDS = {
    **dict.fromkeys(_IMAGES, "image"),
    **dict.fromkeys(_FILES, "file"),
    "audio": "audio",
    "video": "video",
    "input_video": "video",
    "video_url": "video",
}
_MIME = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "file": ""}
"""The MIME type of data where nobody says it."""
_WORDS = {"image": "picture", "audio": "recording"}
"""What sentences call an input, where that is another word."""
_SOUNDS = {"mpeg": "mp3", "wave": "wav", "vnd.wave": "wav"}
"""The wire's names for audio formats where they differ from the MIME type's."""
_TEXT_TYPES = frozenset({"json", "xml", "yaml", "x-yaml", "javascript", "sql", "toml", "svg+xml"})
"""MIME types that are text although they do not begin with it."""
_EXTENSIONS = {"pdf": "pdf", "octet-stream": "bin", "msword": "doc", "zip": "zip"}
"""The ending of a file's name, by the end of its MIME type; any other: that end itself."""
_NO_ADDRESSES = frozenset({"filename", "format", "detail"})
"""What parts say beside their content or its address."""
_OPEN_SCHEMES = ("http://", "https://", "data:", "gs://")
"""Beginnings of addresses that some provider opens."""
_LONGEST_SCHEME = max(map(len, _OPEN_SCHEMES))
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]*")
"""Letters of data. An address of any scheme (`file:`, `s3:`, `notes:`) has others."""
_LONGEST_HEAD = 200
"""Letters in which the scheme of an address ends. Base64 has no colon."""
_LONGEST_NAME = 200
"""Letters of a name or an address that a sentence about it repeats."""


def parts_of(content: object, *, tell: bool = True) -> list[Json]:
    """Content of any shape as parts. Calls, results of tools and thoughts are passed over.

    `tell`: whether an unknown block becomes words; False: it is passed over, too. Raises
    `BadRequest` for an object of Python, which has no form on the wire.
    """
    if content is None:
        return []
    if not isinstance(content, (list, tuple)):
        content = (content,)
    parts = (part for item in content for part in _parts(item, tell=tell))
    return [part for part in parts if part.get("text") != ""]


def joined(parts: list[Json], *, prose: bool = False) -> str | list[Json]:
    """Parts that are all plain text as one string, which every backend takes; else the parts.

    Two texts stand on lines of their own, unless there is space between them already. `prose`: they
    may be pieces of a sentence, cut where a source is quoted.
    """
    if not all(part["type"] == "text" and part.keys() <= {"type", "text"} for part in parts):
        return parts
    return join_texts([part["text"] for part in parts], prose=prose)


def join_texts(texts: list[str], *, prose: bool = False) -> str:
    """Texts as one; see `joined`."""
    whole: list[str] = []
    for text in filter(None, texts):
        if whole and _needs_line(whole[-1][-1], text[0], prose=prose):
            whole.append("\n")
        whole.append(text)
    return "".join(whole)


def _needs_line(before: str, after: str, *, prose: bool) -> bool:
    return not (before.isspace() or after.isspace() or (prose and after in ".,;:!?)]}%…"))


# -- one block -------------------------------------------------------------------------------------


def _parts(block: object, *, tell: bool) -> list[Json]:
    if isinstance(block, str):
        return [_text(block)]
    if not isinstance(block, Mapping):
        raise _not_json(block)
    kind = None if block.get("type") is None else str(block["type"])
    if kind in NO_CONTENT or kind in ("tool_result", "tool-result") or is_ui_tool(block):
        return []
    if kind == "non_standard" and isinstance(block.get("value"), Mapping):
        return _parts(block["value"], tell=tell)
    if kind is None:
        return _untyped(block, tell=tell)
    if kind in _TEXTS and isinstance(block.get("text"), str):
        return _with_cache_mark(block)
    if kind in ("resource", "resource_link"):
        return _resource(block)
    if kind in _KINDS or kind in ("input_audio", "text-plain"):
        return _media(block, str(kind))
    if kind == "refusal" and isinstance(block.get("refusal"), str):
        return [_text(block["refusal"])]
    if kind == "search_result":
        source = str(block.get("title") or block.get("source") or "")
        inner = joined(parts_of(block.get("content")))
        return [_text(join_texts([source, inner if isinstance(inner, str) else ""]))]
    if kind == "json":
        return [_text(json.dumps(block.get("json"), ensure_ascii=False))]
    for key in ("text", "content"):
        if isinstance(block.get(key), str):
            return [_text(block[key])]
    return [_text(left_out(f"block of the type {_short(kind)}"))] if tell else []


def _untyped(block: JsonMapping, *, tell: bool) -> list[Json]:
    """Gemini's parts, and blocks whose type is their only key (Bedrock's)."""
    if isinstance(block.get("text"), str):
        return [] if block.get("thought") is True else [_text(str(block["text"]))]
    data = as_mapping(block.get("inline_data") or block.get("inlineData"))
    link = as_mapping(block.get("file_data") or block.get("fileData"))
    mime = str(_get(data or link, "mime_type", "mimeType") or "")
    if data:
        return [_medium(_kind_of(mime), mime, data=data.get("data"))]
    if link:
        url = _get(link, "file_uri", "fileUri")
        return [_medium(_kind_of(mime), mime, url=url)]
    for kind in ("image", "document", "video", "audio"):
        if as_mapping(block.get(kind)).get("source"):
            return [_of_bedrock(kind, as_mapping(block[kind]))]
    code = as_mapping(block.get("executable_code") or block.get("executableCode"))
    result = as_mapping(block.get("code_execution_result") or block.get("codeExecutionResult"))
    if code or result:
        return [_text(str(code.get("code") or result.get("output") or ""))]
    if not tell or not block or block.keys() & _CALLS_OF_PARTS:
        return []
    keys = _short(", ".join(map(str, block)))
    return [_text(left_out(f"block with {keys} in it"))]


def _of_bedrock(kind: str, medium: JsonMapping) -> Json:
    """Bedrock's pictures, documents, films and sounds."""
    source, form = as_mapping(medium.get("source")), str(medium.get("format") or "")
    data, name = source.get("bytes"), str(medium.get("name") or "")
    if isinstance(data, bytes):
        data = base64.b64encode(data).decode()
    if kind != "document":
        return _medium(kind, f"{kind}/{form}" if form else "", data=data, name=name)
    mime = "text/plain" if form in _TEXT_FORMS else f"application/{form or 'pdf'}"
    return _medium("file", mime, data=data, name=name)


_TEXT_FORMS = frozenset({"csv", "html", "md", "txt"})
"""Bedrock's formats of documents that are text."""
_CALLS_OF_PARTS = frozenset({
    "function_call", "functionCall", "function_response", "functionResponse", "toolUse",
    "toolResult", "reasoningContent", "thought_signature", "thoughtSignature", "cachePoint",
})  # fmt: skip
"""Keys of untyped blocks that are calls, their results, or thoughts."""


def _with_cache_mark(block: JsonMapping) -> list[Json]:
    cache = block.get("cache_control")
    return [_text(str(block["text"])) | ({"cache_control": cache} if cache else {})]


def _resource(block: JsonMapping) -> list[Json]:
    """MCP's resources: a link, a text, or data."""
    inner = as_mapping(block.get("resource")) or block
    uri, mime = str(inner.get("uri") or ""), str(_get(inner, "mimeType", "mime_type") or "")
    name = str(inner.get("name") or inner.get("title") or _last(uri) or "")
    if isinstance(inner.get("text"), str):
        return [_file_as_text(name, str(inner["text"]))]
    if inner.get("blob"):
        return [_medium(_kind_of(mime), mime, data=inner["blob"], name=name)]
    about = [name if name != uri else "", uri, str(inner.get("description") or ""), mime]
    return [_text(f"[Resource: {', '.join(_short(text) for text in about if text)}]")]


def _media(block: JsonMapping, kind: str) -> list[Json]:
    """An image, sound, film or file in the shape of any API."""
    native = block.get(kind)
    if isinstance(native, Mapping) and kind in MEDIA and kind != "file":
        return [{"type": kind, kind: dict(native)}]
    if isinstance(native, Mapping) and native.keys() & {"file_data", "file_id"}:
        return [_native_file(native)]
    source = as_mapping(block.get("source")) or as_mapping(native) or block
    if kind == "document" and source.get("type") == "content":
        return parts_of(source.get("content"))
    mime = str(_get(block, "mime_type", "mimeType", "mediaType") or "")
    mime = mime or str(_get(source, "media_type", "mime_type", "mimeType") or "")
    name = _name_in(block)
    text = block.get("text") or (source.get("data") if source.get("type") == "text" else None)
    if isinstance(text, str):
        return [_file_as_text(name, text) if name else _text(text)]
    data = _get(block, "base64", "data", "file_data") or _get(source, "data", "file_data")
    url = native if isinstance(native, str) else _get(source, "url", "image_url", "file_url")
    url = url or _get(block, "url", "image_url", "file_url", "document_url", "video_url")
    if isinstance(url, Mapping):
        url = url.get("url")
    kind = "audio" if kind == "input_audio" else _KINDS.get(kind, "file")
    return [_medium(kind, mime, data=data, url=url, name=name)]


def _name_in(block: JsonMapping) -> str:
    extras = as_mapping(block.get("extras") or block.get("metadata"))
    name = _get(block, "filename", "file_name", "title", "name") or _get(extras, "filename", "name")
    return str(name or "")


def _native_file(file: JsonMapping) -> Json:
    """OpenAI's own part. A file without a name gets one, and text is sent as text."""
    data, name = file.get("file_data"), str(file.get("filename") or "")
    if isinstance(data, str) and data.startswith("data:"):
        return _medium("file", "", url=data, name=name)
    return {"type": "file", "file": dict(file)}


def _medium(
    kind: str, mime: str, *, data: object = None, url: object = None, name: str = ""
) -> Json:
    """A part of the wire from what is known of a medium; words if that is not enough."""
    if isinstance(url, str) and not url[:_LONGEST_SCHEME].lower().startswith(_OPEN_SCHEMES):
        data, url = url, None  # the AI SDK's `image`, which is an address or data
    if isinstance(url, str) and url.startswith("data:") and ";base64," in url:
        head, _, data = url.partition(";base64,")
        mime, url = mime or head.removeprefix("data:").partition(";")[0], None
    elif isinstance(data, str) and data.startswith("data:"):
        return _medium(kind, mime, url=data, name=name)
    if kind == "file":
        kind = _kind_of(mime)
    mime = mime.partition(";")[0].strip() or _MIME[kind]
    data = data if isinstance(data, str) and data else None
    url = url if isinstance(url, str) and url else None
    if data is not None and _is_text(mime):
        text = _decoded(data)
        if text is not None:
            return _file_as_text(name, text)
    if data is not None and not _BASE64.fullmatch(data[:_LONGEST_HEAD]):
        return _text(left_out(_WORDS.get(kind, kind), data, "no model can open this address"))
    if data is None and (url is None or kind == "audio"):
        return _text(left_out(_WORDS.get(kind, kind), name or url or ""))
    address = url if data is None else f"data:{mime or 'application/pdf'};base64,{data}"
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": address}}
    if kind == "video":
        return {"type": "video_url", "video_url": {"url": address}}
    if kind == "audio":
        sound = mime.rpartition("/")[2].removeprefix("x-")
        return {
            "type": "input_audio",
            "input_audio": {"data": data, "format": _SOUNDS.get(sound, sound)},
        }
    name = name or (_last(url) if url else "") or f"file.{_extension(mime)}"
    return {"type": "file", "file": {"filename": name, "file_data": address}}


def _kind_of(mime: str) -> str:
    major = mime.partition("/")[0]
    return major if major in ("image", "audio", "video") and not _is_text(mime) else "file"


def _is_text(mime: str) -> bool:
    major, _, minor = mime.partition("/")
    return major == "text" or minor in _TEXT_TYPES or minor.endswith(("+json", "+xml"))


def _decoded(data: str) -> str | None:
    """Base64 as text; None: it is neither."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _extension(mime: str) -> str:
    end = mime.rpartition("/")[2] or "pdf"
    return _EXTENSIONS.get(end, end.rpartition(".")[2])


def refuse_files_of_the_machine(messages: Iterable[JsonMapping]) -> None:
    """Raise `BadRequest` for a picture, film, sound or file that is named by a path or by any other
    address than `data:` and `http(s)`: a server on this machine would open it.

    `messages` are in the wire's form (`history.readable`).
    """
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            kind = str(part.get("type"))
            named = as_mapping(part.get(kind)) if kind in MEDIA else {}
            for key, value in named.items():
                if isinstance(value, str) and not _may_be_sent(key, value):
                    raise BadRequest(
                        f"{kind}: {_short(value)[:80]!r} is neither data: nor http(s)",
                        hint="send the content itself, as a data: URL",
                    )


def _may_be_sent(key: str, value: str) -> bool:
    head, encoded, data = value[:_LONGEST_HEAD].partition(";base64,")
    if head[:8].lower().startswith(("data:", "http://", "https://")):
        return not (encoded and ":" in data)  # an address is no data, whatever is put before it
    return key in _NO_ADDRESSES or (key != "url" and ":" not in head)


# -- words -----------------------------------------------------------------------------------------


def in_words(part: JsonMapping) -> Json:
    """A picture, sound, film or file in words, for a model that does not take it."""
    inner = as_mapping(part.get(str(part.get("type"))))
    address = str(inner.get("url") or "")
    name = str(inner.get("filename") or ("" if address.startswith("data:") else address))
    kind = MEDIA.get(str(part.get("type")), "block")
    return _text(left_out(_WORDS.get(kind, kind), name, "this model does not take it"))


def left_out(what: str, name: str = "", why: str = "") -> str:
    """A sentence in place of what could not be sent."""
    named = f" {_short(name)}" if name else ""
    because = f": {why}" if why else ""
    return f"[A {what}{named} was left out{because}.]"


def _file_as_text(name: str, text: str) -> Json:
    return _text(f"[File {_short(name)}]\n{text}" if name else text)


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _short(text: object) -> str:
    return " ".join(str(text).split())[:_LONGEST_NAME]


def _last(address: str) -> str:
    """The last segment of an address, which is a file's name."""
    return address.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]


def _get(block: JsonMapping, *names: str) -> object:
    return next((block[name] for name in names if block.get(name)), None)


def _not_json(value: object) -> BadRequest:
    return BadRequest(
        f"a message holds an object of the type {type(value).__name__}, which has no form on the"
        " wire",
        hint="use text, or blocks of text, image, audio, video or file as dicts",
    )
