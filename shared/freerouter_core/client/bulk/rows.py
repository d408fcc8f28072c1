"""Rows: what a job may be asked, how a row is told from others, and how it is kept in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ...errors import BadRequest, BadSetting, FreeRouterError
from ...wire.canonical import canonical, canonical_text
from ...wire.json_values import Json, encode_json, unwritable
from ...wire.openai import read_request
from ...wire.request import ChatRequest, Prompt
from ...wire.structured import Structured
from .batch_line import check_served, is_batch_line

BulkRequest = Prompt | tuple[str, Prompt] | Mapping[str, Any]
"""A row of a job: a prompt, messages, a `ChatRequest`, one of these after an id in a tuple, or a
mapping.

A mapping has "prompt", "messages" or "body" (a line of OpenAI's Batch format), and perhaps "id" or
"custom_id". What is under "data" comes back with the result. The other keys beside "prompt" and
"messages" are fields of the request, such as "temperature".
"""


class Place(str):
    """Where a file has a row, as people count: "line 3". It is under "place" in a mapping."""


MOST_LEFT_OUT = 20
"""Fields that are told as left out. Rows may have any number."""
MAX_ID = 512
"""Characters of an id."""
_IDS = ("custom_id", "id")
_DEFAULTS = ChatRequest([])
_NOT_KEPT = ("structured", "validate", "replaces", "label", "lane")
_KEPT = tuple(item.name for item in fields(ChatRequest) if item.name not in _NOT_KEPT)


@dataclass(frozen=True, slots=True)
class Row:
    """A row as a job keeps it.

    Attributes:
        number: its place in the input, from 0.
        id: the caller's name for it. None: it has none but its place.
        hash: equal for rows that ask the same.
        input: the request as JSON; empty if it is none.
        problem: why it cannot be asked; empty if it can.
        data: what the caller gets back with the result, as JSON; empty: nothing.
        place: where its file has it; empty: it is of none.
    """

    number: int
    id: str | None
    hash: bytes
    input: str
    problem: str = ""
    data: str = ""
    place: str = ""

    @property
    def name(self) -> str:
        """What messages call it. Places in a file are counted as people do, others from 0."""
        if self.id is None:
            return self.place or f"row {self.number}"
        return f"row {self.id} ({self.place})" if self.place else f"row {self.id}"


def read_rows(
    requests: Iterable[BulkRequest],
    structured: Structured | None,
    left_out: dict[str, str] | None = None,
) -> Iterator[Row]:
    """The rows of an input, read as they are asked for. A row that is no request is one with a
    problem. `left_out` gets the fields of rows that are not used, each with the reason.

    Raises:
        BadSetting: the input as a whole cannot be used.
    """
    if isinstance(requests, (str, bytes, Mapping, ChatRequest)):
        raise BadSetting(
            f"bulk takes many requests, not one {type(requests).__name__}", hint="pass a list"
        )
    for number, item in enumerate(requests):
        yield _row(number, item, structured, {} if left_out is None else left_out)


def _row(
    number: int, item: BulkRequest, structured: Structured | None, left_out: dict[str, str]
) -> Row:
    ident: str | None = None
    data = place = ""
    try:
        if isinstance(item, Mapping) and isinstance(item.get("place"), Place):
            place = str(item["place"])
            item = {name: value for name, value in item.items() if name != "place"}
        ident, prompt = _named(item)
        if isinstance(item, Mapping) and item.get("data") is not None:
            data = encode_json(item["data"]).decode()
        request = _request(prompt, left_out)
        if request.validate is not None:
            raise BadSetting(
                "a row's own validator cannot be kept in a file", hint="pass validate= to bulk"
            )
        if structured is not None:
            request = request.but(structured=structured)
        return Row(number, ident, row_hash(request), pack(request), "", data, place)
    except BadSetting:
        raise
    except (FreeRouterError, ValueError, TypeError, AttributeError, KeyError) as error:
        problem = str(error)
        if isinstance(error, FreeRouterError) and error.hint == error.default_hint:
            problem = error.message  # what a class says of all its errors says nothing of this row
        digest = hashlib.blake2b(repr(item)[:100_000].encode(), digest_size=16).digest()
        return Row(number, ident, digest, "", problem or type(error).__name__, data, place)


def _named(item: BulkRequest) -> tuple[str | None, Any]:
    """(the id, what is asked)."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        return _id(item[0]), item[1]
    if isinstance(item, Mapping):
        found = next((item[key] for key in _IDS if item.get(key) is not None), None)
        return _id(found), item
    return None, item


def _id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise BadRequest("a row's id must be a text or a number")
    text = str(value)
    if not text or len(text) > MAX_ID:
        raise BadRequest(f"a row's id must have 1 to {MAX_ID} characters")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadRequest("the row's id has half a character, which UTF-8 cannot say")
    return text


def _request(asked: Any, left_out: dict[str, str]) -> ChatRequest:
    return _of_mapping(asked, left_out) if isinstance(asked, Mapping) else _of_prompt(asked)


def _of_prompt(asked: Any, what: str = "a row") -> ChatRequest:
    if isinstance(asked, (str, ChatRequest)):
        return ChatRequest.of(asked)
    if isinstance(asked, Sequence) and all(isinstance(message, Mapping) for message in asked):
        return ChatRequest.of(asked)
    raise BadRequest(
        f"{what} must be a text, messages or a ChatRequest, not {type(asked).__name__}"
    )


def _of_mapping(item: Mapping[str, Any], left_out: dict[str, str]) -> ChatRequest:
    if isinstance(item.get("problem"), FreeRouterError):  # of a file's reader
        raise item["problem"]
    if is_batch_line(item) or ("body" in item and not {"prompt", "messages"} & item.keys()):
        check_served(item)
        return _read(item["body"], left_out)
    body = {key: value for key, value in item.items() if key not in (*_IDS, "prompt", "data")}
    if "messages" not in body:
        if "prompt" not in item:
            raise BadRequest("a row needs one of prompt, messages and body")
        return _with_fields(item["prompt"], body, left_out)
    return _read(body, left_out)


def _with_fields(prompt: Any, further: Json, left_out: dict[str, str]) -> ChatRequest:
    """A prompt, which may be a whole request, with further fields."""
    if isinstance(prompt, Mapping):
        request = _of_mapping(prompt, left_out)
    else:
        request = _of_prompt(prompt, "a row's prompt")
    if not further:
        return request
    messages = [dict(message) for message in request.messages]
    return _read({**further, "messages": messages}, left_out)


def _read(body: object, left_out: dict[str, str]) -> ChatRequest:
    asked = read_request(body)
    for name, reason in asked.left_out.items():
        if len(left_out) < MOST_LEFT_OUT:
            left_out.setdefault(name, reason)
    if asked.n != 1:
        raise BadRequest("n must be 1: each row has one answer", hint="add the row several times")
    return asked.request


def row_hash(request: ChatRequest) -> bytes:
    """Equal for requests that ask the same of the same model: the answer cache's form of them."""
    text = canonical_text([request.model, canonical(request)])
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def pack(request: ChatRequest) -> str:
    """A request as JSON, without what is not set. Raises `BadRequest` for what has no form."""
    data: Json = {}
    for name in _KEPT:
        value = getattr(request, name)
        if value != getattr(_DEFAULTS, name):
            data[name] = value
    problem = unwritable(data)
    if problem is not None:
        raise BadRequest(f"{problem} is an object that has no form on the wire")
    if request.structured is not None:
        data["structured"] = vars(request.structured)
    return encode_json(data).decode()


def unpack(data: Json) -> ChatRequest:
    """The request that `pack` wrote."""
    values = dict(data)
    structured = values.pop("structured", None)
    if "fallback_models" in values:
        values["fallback_models"] = tuple(values["fallback_models"])
    return ChatRequest(
        values.pop("messages", []),
        structured=None if structured is None else Structured(**structured),
        **values,
    )
