"""Content in the shape of any API, as parts of the wire or as words."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core import errors
from freerouter_core.wire.content import (
    MEDIA,
    in_words,
    join_texts,
    joined,
    parts_of,
    refuse_files_of_the_machine,
)
from freerouter_core.wire.json_values import Json, unwritable

PDF, PNG = "data:application/pdf;base64,JVBERg==", "data:image/png;base64,aGk="
NOTES = base64.b64encode("a,b\n1,é".encode()).decode()


def image(url: str = PNG) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


def file(name: str, data: str = PDF) -> Json:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def sound(kind: str = "mp3") -> Json:
    return {"type": "input_audio", "input_audio": {"data": "aGk=", "format": kind}}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


SHAPES: list[tuple[str, Any, list[Json]]] = [
    ("nothing", None, []),
    ("an empty text", "", []),
    ("an empty list", [], []),
    ("a text", "x", [text("x")]),
    ("texts as they are", ["x", "", "y"], [text("x"), text("y")]),
    # OpenAI, chat and responses
    ("OpenAI's text", [{"type": "text", "text": "x"}], [text("x")]),
    ("OpenAI's empty text", [{"type": "text", "text": ""}], []),
    ("a text of the responses", [{"type": "input_text", "text": "x"}], [text("x")]),
    ("an answer of the responses", [{"type": "output_text", "text": "x"}], [text("x")]),
    ("a refusal", [{"type": "refusal", "refusal": "no"}], [text("no")]),
    ("OpenAI's picture", [image()], [image()]),
    ("a picture's address alone", [{"type": "image_url", "image_url": PNG}], [image()]),
    (
        "a picture of the responses",
        [{"type": "input_image", "image_url": "https://x.test/a.png"}],
        [image("https://x.test/a.png")],
    ),
    ("a picture of the responses as an object",
     [{"type": "input_image", "image_url": {"url": PNG}}], [image()]),
    ("data that is an address with data", [{"type": "image", "base64": PNG}], [image()]),
    (
        "a picture kept elsewhere",
        [{"type": "input_image", "file_id": "file-1"}],
        [text("[A picture was left out.]")],
    ),
    ("OpenAI's sound", [sound()], [sound()]),
    ("OpenAI's file", [file("a.pdf")], [file("a.pdf")]),
    ("OpenAI's file without a name", [{"type": "file", "file": {"file_data": PDF}}],
     [file("file.pdf")]),
    ("OpenAI's file by id", [{"type": "file", "file": {"file_id": "f"}}],
     [{"type": "file", "file": {"file_id": "f"}}]),
    ("a file of the responses",
     [{"type": "input_file", "filename": "a.pdf", "file_data": PDF}], [file("a.pdf")]),
    ("a file of the responses by address",
     [{"type": "input_file", "file_url": "https://x.test/b.pdf?x=1"}],
     [file("b.pdf", "https://x.test/b.pdf?x=1")]),
    ("OpenRouter's film", [{"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}}],
     [{"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}}]),
    ("Mistral's document", [{"type": "document_url", "document_url": "https://x.test/a.pdf"}],
     [file("a.pdf", "https://x.test/a.pdf")]),
    # Anthropic
    ("Anthropic's picture",
     [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}],
     [image()]),
    ("Anthropic's picture by address",
     [{"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}],
     [image("https://x.test/a.png")]),
    ("Anthropic's document",
     [{"type": "document", "title": "T.pdf", "source": {
         "type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}}],
     [file("T.pdf")]),
    ("Anthropic's document of text",
     [{"type": "document", "source": {"type": "text", "data": "hello"}}], [text("hello")]),
    ("Anthropic's document of text with a title",
     [{"type": "document", "title": "T", "source": {"type": "text", "data": "hello"}}],
     [text("[File T]\nhello")]),
    ("Anthropic's document of blocks",
     [{"type": "document", "source": {"type": "content", "content": [text("hello"), image()]}}],
     [text("hello"), image()]),
    ("Anthropic's thoughts", [{"type": "thinking", "thinking": "hm", "signature": "s"}], []),
    ("Anthropic's search result",
     [{"type": "search_result", "title": "T", "content": [text("hello")]}], [text("T\nhello")]),
    ("Anthropic's marked text",
     [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
     [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]),
    ("a call", [{"type": "tool_use", "id": "1", "name": "f", "input": {}}], []),
    # LangChain
    ("LangChain's picture", [{"type": "image", "base64": "aGk=", "mime_type": "image/png"}],
     [image()]),
    ("LangChain's sound", [{"type": "audio", "base64": "aGk=", "mime_type": "audio/mpeg"}],
     [sound()]),
    ("LangChain's sound by address", [{"type": "audio", "url": "https://x.test/a.mp3"}],
     [text("[A recording https://x.test/a.mp3 was left out.]")]),
    ("LangChain's film", [{"type": "video", "base64": "aGk="}],
     [{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,aGk="}}]),
    ("LangChain's text file", [{"type": "text-plain", "text": "hello"}], [text("hello")]),
    ("LangChain's file", [{"type": "file", "base64": "JVBERg==", "mime_type": "application/pdf",
                           "extras": {"filename": "a.pdf"}}], [file("a.pdf")]),
    ("LangChain's JSON", [{"type": "json", "json": {"a": "é"}}], [text('{"a": "é"}')]),
    ("a block LangChain did not know", [{"type": "non_standard", "value": text("x")}], [text("x")]),
    # Gemini
    ("Gemini's text", [{"text": "x"}], [text("x")]),
    ("Gemini's thought", [{"text": "x", "thought": True}], []),
    ("Gemini's data", [{"inline_data": {"mime_type": "image/png", "data": "aGk="}}], [image()]),
    ("Gemini's data, in camels", [{"inlineData": {"mimeType": "audio/mpeg", "data": "aGk="}}],
     [sound()]),
    ("Gemini's file", [{"fileData": {"fileUri": "https://x.test/a.pdf",
                                     "mimeType": "application/pdf"}}],
     [file("a.pdf", "https://x.test/a.pdf")]),
    ("Gemini's code", [{"executableCode": {"language": "PYTHON", "code": "1+1"}},
                       {"codeExecutionResult": {"output": "2"}}], [text("1+1"), text("2")]),
    ("Gemini's call", [{"functionCall": {"name": "f", "args": {}}}], []),
    # MCP
    ("MCP's picture", [{"type": "image", "data": "aGk=", "mimeType": "image/png"}], [image()]),
    ("MCP's sound", [{"type": "audio", "data": "aGk=", "mimeType": "audio/wav"}], [sound("wav")]),
    ("MCP's link",
     [{"type": "resource_link", "uri": "file:///p/main.rs", "name": "main.rs",
       "description": "the entry", "mimeType": "text/x-rust"}],
     [text("[Resource: main.rs, file:///p/main.rs, the entry, text/x-rust]")]),
    ("MCP's text", [{"type": "resource", "resource": {"uri": "file:///p/a.csv", "text": "1,2"}}],
     [text("[File a.csv]\n1,2")]),
    ("MCP's data",
     [{"type": "resource", "resource": {"uri": "file:///p/a.pdf", "mimeType": "application/pdf",
                                        "blob": "JVBERg=="}}], [file("a.pdf")]),
    ("MCP's picture as a resource",
     [{"type": "resource", "resource": {"uri": "file:///a.png", "mimeType": "image/png",
                                        "blob": "aGk="}}], [image()]),
    ("MCP's text as data",
     [{"type": "resource", "resource": {"uri": "file:///a.csv", "mimeType": "text/csv",
                                        "blob": NOTES}}], [text("[File a.csv]\na,b\n1,é")]),
    ("an empty resource", [{"type": "resource", "resource": {}}], [text("[Resource: ]")]),
    # the AI SDK
    ("the AI SDK's picture", [{"type": "image", "image": "aGk=", "mediaType": "image/png"}],
     [image()]),
    ("the AI SDK's picture by address", [{"type": "image", "image": "https://x.test/a.png"}],
     [image("https://x.test/a.png")]),
    ("the AI SDK's file",
     [{"type": "file", "data": "JVBERg==", "mediaType": "application/pdf", "filename": "a.pdf"}],
     [file("a.pdf")]),
    # text that comes as a file
    ("JSON as a file", [{"type": "file", "base64": "eyJhIjoxfQ==", "mime_type": "application/json",
                         "filename": "a.json"}], [text('[File a.json]\n{"a":1}')]),
    ("a drawing", [{"type": "image", "base64": "PHN2Zy8+", "mime_type": "image/svg+xml"}],
     [text("<svg/>")]),
    ("text that is none", [{"type": "file", "base64": "/w==", "mime_type": "text/plain"}],
     [file("file.plain", "data:text/plain;base64,/w==")]),
    ("a file of an unknown type",
     [{"type": "file", "base64": "aGk=", "mime_type": "application/octet-stream"}],
     [file("file.bin", "data:application/octet-stream;base64,aGk=")]),
    ("a file with nothing in it", [{"type": "file", "filename": "a.pdf"}],
     [text("[A file a.pdf was left out.]")]),
    # what nobody knows
    ("an unknown block with words", [{"type": "note", "content": "x"}], [text("x")]),
    ("an unknown block", [{"type": "hologram", "x": 1}],
     [text("[A block of the type hologram was left out.]")]),
    ("a block without a type", [{"x": 1, "y": 2}],
     [text("[A block with x, y in it was left out.]")]),
    ("a block with nothing in it", [{}], []),
    ("one block", {"type": "text", "text": "x"}, [text("x")]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "parts"), [s[1:] for s in SHAPES], ids=[s[0] for s in SHAPES])
def test_content_of_any_shape_becomes_parts(content: Any, parts: list[Json]) -> None:
    before = copy.deepcopy(content)

    assert parts_of(content) == parts
    assert content == before, "the caller's own content was changed"


ADDRESSES = [
    "file:///home/me/report.pdf", "FILE:///C:/a.pdf", "s3://bucket/cat.png", "ftp://x.test/a.png",
    "notes://1", "blob:https://x.test/5", "urn:isbn:1", "cat.png", "//x.test/a.png?x=1",
    "data:image/png;base64,file:///a.png",
]  # fmt: skip
PLACES: list[tuple[str, Callable[[str], Json]]] = [
    ("LangChain's picture", lambda at: {"type": "image", "url": at, "mime_type": "image/png"}),
    ("LangChain's file", lambda at: {"type": "file", "url": at, "mime_type": "application/pdf"}),
    ("LangChain's text", lambda at: {"type": "file", "url": at, "mime_type": "text/plain"}),
    ("LangChain's sound", lambda at: {"type": "audio", "url": at, "mime_type": "audio/wav"}),
    ("LangChain's film", lambda at: {"type": "video", "url": at}),
    ("an address where data should be", lambda at: {"type": "image", "base64": at}),
    ("Anthropic's picture", lambda at: {"type": "image", "source": {"type": "url", "url": at}}),
    ("the AI SDK's picture", lambda at: {"type": "image", "image": at}),
    ("OpenAI's file", lambda at: {"type": "input_file", "file_url": at}),
    ("Gemini's file", lambda at: {"file_data": {"file_uri": at, "mime_type": "image/png"}}),
    ("Gemini's data", lambda at: {"inline_data": {"data": at, "mime_type": "image/png"}}),
    ("MCP's picture", lambda at: {"type": "image", "data": at, "mimeType": "image/png"}),
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("place", [make for _, make in PLACES], ids=[name for name, _ in PLACES])
def test_an_address_is_never_sent_as_data(place: Callable[[str], Json], address: str) -> None:
    (part,) = parts_of([place(address)])

    assert part["type"] == "text"
    assert address.removeprefix("data:image/png;base64,") in part["text"]
    assert "was left out" in part["text"]


@pytest.mark.parametrize("address", ["https://x.test/a.png", "HTTP://x.test/a.png", "gs://b/a.png"])
def test_an_address_that_providers_open_is_sent(address: str) -> None:
    assert parts_of([{"type": "image", "url": address}]) == [image(address)]


def test_data_may_have_lines_and_the_letters_of_addresses() -> None:
    for data in ("aGk=\naGk=", "a-_9", "aGk"):
        assert parts_of([{"type": "image", "base64": data}]) == [
            image(f"data:image/png;base64,{data}")
        ]


def test_an_unknown_block_of_an_assistant_is_passed_over() -> None:
    assert parts_of([{"type": "hologram"}, {"x": 1}, "I see"], tell=False) == [text("I see")]


@pytest.mark.parametrize("content", [UUID(int=0), [UUID(int=0)], 7])
def test_an_object_of_python_is_not_sent_as_its_text(content: Any) -> None:
    with pytest.raises(errors.BadRequest, match="no form on the wire"):
        parts_of(content)


@pytest.mark.parametrize(
    ("texts", "prose", "whole"),
    [
        (["alpha.txt", "beta.txt"], False, "alpha.txt\nbeta.txt"),
        (["alpha", ".gitignore"], False, "alpha\n.gitignore"),
        (["a ", "b", "\nc"], False, "a b\nc"),
        (["It is blue", ", says A", "."], True, "It is blue, says A."),
        (["One.", "Two."], True, "One.\nTwo."),
        (["", "x", ""], False, "x"),
        ([], False, ""),
    ],
)  # fmt: skip
def test_texts_of_several_blocks_are_not_glued(texts: list[str], prose: bool, whole: str) -> None:
    assert join_texts(texts, prose=prose) == whole
    assert joined([text(words) for words in texts], prose=prose) == whole


def test_parts_that_are_not_all_plain_text_stay_parts() -> None:
    for parts in ([text("x"), image()], [text("x") | {"cache_control": {}}]):
        assert joined(parts) is parts


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (image(), "[A picture was left out: this model does not take it.]"),
        (image("https://x.test/a.png"),
         "[A picture https://x.test/a.png was left out: this model does not take it.]"),
        (file("a.pdf"), "[A file a.pdf was left out: this model does not take it.]"),
        (sound(), "[A recording was left out: this model does not take it.]"),
        ({"type": "odd"}, "[A block was left out: this model does not take it.]"),
    ],
)  # fmt: skip
def test_a_part_in_words_says_what_was_left_out(part: Json, words: str) -> None:
    assert in_words(part) == text(words)


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
KEYS = st.sampled_from([
    "type", "text", "data", "url", "source", "file", "image_url", "resource", "content",
    "mime_type",
])  # fmt: skip
KINDS = st.sampled_from(["text", "image", "file", "resource", "document", "audio", *MEDIA])
BLOCKS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner | KINDS, max_size=4),
    max_leaves=12,
)


@given(st.lists(BLOCKS, max_size=4))
def test_any_json_becomes_parts_of_the_wire_or_a_clear_error(content: list[Any]) -> None:
    try:
        parts = parts_of(content)
    except errors.BadRequest:
        return
    assert unwritable(parts) is None
    for part in parts:
        assert part["type"] in {"text", *MEDIA}
        assert part[part["type"]]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"image": {"format": "png", "source": {"bytes": b"hi"}}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ),
        (
            {"image": {"source": {"bytes": "aGk="}}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        ),
        (
            {"document": {"format": "md", "name": "n", "source": {"bytes": "aGk="}}},
            {"type": "text", "text": "[File n]\nhi"},
        ),
        (
            {"document": {"name": "n", "source": {"bytes": "aGk="}}},
            {
                "type": "file",
                "file": {"filename": "n", "file_data": "data:application/pdf;base64,aGk="},
            },
        ),
        (
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://x"}}}},
            {"type": "text", "text": "[A video was left out.]"},
        ),
        (
            {"image": {"source": {}}},
            {"type": "text", "text": "[A block with image in it was left out.]"},
        ),
    ],
)
def test_bedrocks_media_are_parts(block: Json, part: Json) -> None:
    assert parts_of([block]) == [part]


@pytest.mark.parametrize(
    "part",
    [
        image("file:///etc/passwd"),
        image("FILE:///etc/passwd"),
        image(" file:///etc/passwd"),
        image("/etc/passwd"),
        image("gs://bucket/a.png"),
        image("data:image/png;base64,file:///etc/passwd"),
        image(""),
        {"type": "image_url", "image_url": {"url": PNG, "path": "file:///etc/passwd"}},
        {"type": "video_url", "video_url": {"url": "ftp://x.test/a.mp4"}},
        file("a.pdf", "file:///etc/passwd"),
        {"type": "file", "file": {"file_id": "file:///etc/passwd"}},
        {"type": "input_audio", "input_audio": {"data": "file:///a.wav", "format": "wav"}},
    ],
)
def test_files_of_the_machine_are_refused(part: Json) -> None:
    messages: list[Json] = [
        {"role": "user", "content": "x"},
        {"role": "tool", "content": [text("y"), part]},
    ]
    with pytest.raises(errors.BadRequest, match="neither data: nor"):
        refuse_files_of_the_machine(messages)


@pytest.mark.parametrize(
    "part",
    [
        text("see file:///etc/passwd"),
        image(),
        image("HTTPS://x.test/a.png"),
        {"type": "image_url", "image_url": {"url": "http://x.test/a.png", "detail": "high"}},
        file("a: b.pdf"),
        file("a.pdf", "JVBERg=="),
        {"type": "file", "file": {"file_id": "file-123", "size": 3}},
        sound(),
    ],
)
def test_what_is_sent_along_or_lies_elsewhere_is_not_refused(part: Json) -> None:
    refuse_files_of_the_machine([{"role": "user", "content": [part]}, {"role": "assistant"}])
