"""Rows of a table as requests: a template for the prompt, a column for the id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...client.bulk.result import BulkResult
from ...client.bulk.rows import BulkRequest
from ...errors import BadRequest
from ..as_json import jsonable

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]{1,100})\}")
ANSWER = ("answer", "model", "error")
"""The columns that a result adds to its row."""


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

    def request(self, row: Mapping[str, Any]) -> BulkRequest:
        """A row as `Router.bulk` takes it. What it lacks is a problem of this row alone."""
        problem = row.get("problem")
        if isinstance(problem, BadRequest):
            data = {name: value for name, value in row.items() if value is not problem}
            return {"data": jsonable(data) if data else None, "problem": problem}
        # A batch's answers tell the id alone.
        data = {"custom_id": row.get("custom_id")} if "body" in row else dict(row)
        asked: dict[str, Any] = {"data": jsonable(data)}
        name = row.get(self.id) if self.id else row.get("custom_id", row.get("id"))
        if name not in (None, ""):
            asked["id"] = str(name)
        try:
            return asked | self._asked(row)
        except BadRequest as error:
            return {**asked, "problem": error}

    def _asked(self, row: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {} if self.model is None else {"model": self.model}
        if self.prompt is not None:
            messages: list[Any] = [{"role": "user", "content": fill(self.prompt, row)}]
        elif isinstance(row.get("body"), Mapping):
            fields = {**row["body"], **fields}
            messages = list(fields.get("messages") or ())
        elif "messages" in row or isinstance(row.get("prompt"), str):
            own = {key: value for key, value in row.items() if key in _OWN}
            fields = {**own, **fields}
            messages = row.get("messages") or [{"role": "user", "content": row["prompt"]}]
        else:
            raise BadRequest(
                "the row has neither a prompt nor messages",
                hint='say how to ask it: --prompt "Label: {text}"',
            )
        if self.system is not None:
            messages = [{"role": "system", "content": fill(self.system, row)}, *messages]
        url = {} if "url" not in row or self.prompt is not None else {"url": row["url"]}
        return {"body": {**fields, "messages": messages}, **url}


_OWN = (
    "model", "temperature", "top_p", "seed", "stop", "max_tokens", "tools", "tool_choice",
    "response_format", "reasoning", "frequency_penalty", "presence_penalty",
)  # fmt: skip
"""Fields of a plain row that are fields of its request."""


def fill(template: str, row: Mapping[str, Any]) -> str:
    """A template with the fields of a row. `{{` is a brace. Raises `BadRequest` for a field that
    the row lacks."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        if name not in row:
            known = ", ".join(map(str, list(row)[:20]))
            raise BadRequest(f"the row has no field {name!r}", hint=f"it has: {known}")
        return "" if row[name] is None else str(row[name])

    return _FIELD.sub(value, template)


def answered(result: BulkResult) -> dict[str, Any]:
    """A row with its answer: the fields it had, and those of `ANSWER`."""
    row = result.data if isinstance(result.data, Mapping) else {}
    return {
        **row,
        "answer": jsonable(result.value),
        "model": result.model or None,
        "error": result.error,
    }
