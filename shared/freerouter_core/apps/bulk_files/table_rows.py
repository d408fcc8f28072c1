"""Rows of a table as requests: a template for the prompt, a column for the id."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...client.bulk.batch_line import is_batch_line
from ...errors import BadRequest, BadSetting
from ..as_json import jsonable
from .columns import kept_name
from .file_format import BadRow, Row

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]{1,100})\}")


@dataclass(frozen=True, kw_only=True)
class Prompting:
    """How the fields of a row become a request.

    Attributes:
        prompt: a template such as "Label: {text}". None: the row has a request of its own.
        system: a system message; may have fields, too.
        id: the field that names the row. None: "id" or "custom_id", if a row has it.
        model: the model to ask first.
    """

    prompt: str | None = None
    system: str | None = None
    id: str | None = None
    model: str | None = None

    def request(self, row: Row | BadRow) -> dict[str, Any]:
        """A row as `Router.bulk` takes it. What it lacks is a problem of this row alone."""
        fields = row.fields if isinstance(row, BadRow) else row
        data = as_kept(self.kept(row))
        asked: dict[str, Any] = {"data": data} if data else {}
        named = (fields.get(name) for name in ((self.id,) if self.id else ("custom_id", "id")))
        ident = str(next((name for name in named if name not in (None, "")), ""))
        if ident:
            asked["id"] = ident
        try:
            if isinstance(row, BadRow):
                raise row.problem
            return asked | self._asked(row)
        except BadRequest as error:
            return {**asked, "problem": error}

    def kept(self, row: Row | BadRow) -> Row:
        """What the job keeps of a row: all, but of a batch's line not the request."""
        if isinstance(row, BadRow):
            return row.fields
        if not self._is_of_batch(row):
            return row
        return {name: value for name, value in row.items() if name not in _REQUEST}

    def _is_of_batch(self, row: Row) -> bool:
        """Whether the row's "body" is its request: a table may have a column of that name."""
        return self.prompt is None and is_batch_line(row)

    def _asked(self, row: Row) -> dict[str, Any]:
        fields: dict[str, Any] = {} if self.model is None else {"model": self.model}
        line: dict[str, Any] = {}
        if self.prompt is not None:
            messages: Any = [{"role": "user", "content": fill(self.prompt, row)}]
        elif self._is_of_batch(row):
            if not isinstance(row["body"], Mapping):
                raise BadRequest(f"the line's body is {kind_of(row['body'])}, not an object")
            fields = {**row["body"], **fields}
            messages = fields.get("messages") or []
            line = {name: row[name] for name in ("url", "method") if name in row}
        else:
            own = {key: value for key, value in row.items() if key in _OWN}
            fields = {**own, **fields}
            messages = _own_messages(row)
        if not isinstance(messages, list):
            raise BadRequest(f"the row's messages are {kind_of(messages)}, not a list")
        if self.system is not None:
            messages = [{"role": "system", "content": fill(self.system, row)}, *messages]
        return {"body": {**fields, "messages": messages}, **line}


_REQUEST = ("body", "method", "url")
"""What a batch's line asks, and how."""
_OWN = (
    "model", "temperature", "top_p", "seed", "stop", "max_tokens", "tools", "tool_choice",
    "response_format", "reasoning", "frequency_penalty", "presence_penalty",
)  # fmt: skip
"""Fields of a plain row that are fields of its request."""


def _own_messages(row: Row) -> Any:
    """The messages of a row that asks something itself. Raises `BadRequest`."""
    if row.get("messages"):
        return row["messages"]
    if isinstance(row.get("prompt"), str):
        return [{"role": "user", "content": row["prompt"]}]
    if "prompt" in row:
        raise BadRequest(
            f"the row's prompt is {kind_of(row['prompt'])}, not a text",
            hint='--prompt "{prompt}" asks it as a text; a chat belongs under "messages"',
        )
    if "messages" in row:
        raise BadRequest(f"the row's messages are {kind_of(row['messages'])}, not a chat")
    raise BadRequest(
        "the row has neither a prompt nor messages",
        hint='say how to ask it: --prompt "Label: {text}"',
    )


def kind_of(value: object) -> str:
    """A value in words, by its type in JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if value else "an empty list"


def fill(template: str, row: Row) -> str:
    """A template with the fields of a row. `{{` is a brace. Raises `BadRequest` for a field that
    the row lacks."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        if name not in row:
            known = ", ".join(kept_name(field) for field in list(row)[:20])
            raise BadRequest(f"the row has no field {name!r}", hint=f"it has: {known}")
        return "" if row[name] is None else str(row[name])

    return _FIELD.sub(value, template)


def check_template(template: str, *, what: str) -> bool:
    """Whether a template has a field. Raises `BadSetting` for a brace that is alone: it would be
    sent as it stands, in every row."""
    if "{" in (rest := _FIELD.sub("", template)) or "}" in rest:
        raise BadSetting(
            f"a brace of --{what} is not closed, or is alone",
            hint="a field is {name}; a brace that is meant as it stands is {{ or }}",
        )
    return any(match[1] for match in _FIELD.finditer(template))


def as_kept(value: object) -> Any:
    """A row's value in the types of JSON, with nothing lost: bytes as base64, NaN as "nan"."""
    if isinstance(value, Mapping):
        return {kept_name(name): as_kept(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_kept(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return jsonable(value)
