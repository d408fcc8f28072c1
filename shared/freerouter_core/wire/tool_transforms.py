"""Transforms that concern tools: ids of calls, results, definitions, choice and schemas."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from .json_values import Json, JsonMapping, as_mapping
from .request_transforms import Transform

# -- ids of calls ---------------------------------------------------------------------------------

MakeId = Callable[[str, str, int], str]
"""(id, function name, number of the call) to an id that is accepted."""


def rewrite_tool_ids(make_id: MakeId) -> Transform:
    """A transform that gives each call, and the result that answers it, the id from `make_id`.

    No two calls get the same id: some providers count from the same id in every turn, and others
    refuse to see an id twice.
    """

    def transform(body: Json) -> None:
        ids = _Ids(make_id)
        messages = [ids.rewrite(message) for message in body["messages"]]
        if ids.used:
            body["messages"] = messages

    return transform


class _Ids:
    """The new ids of one conversation."""

    def __init__(self, make_id: MakeId) -> None:
        self.used: set[str] = set()
        self._make_id = make_id
        self._new_ids: dict[str, str] = {}
        self._answered: set[str] = set()

    def rewrite(self, message: Json) -> Json:
        changes: Json = {}
        if message.get("tool_calls"):
            calls = message["tool_calls"]
            changes["tool_calls"] = [{**call, "id": self._of_call(call)} for call in calls]
        if "tool_call_id" in message:
            old = str(message["tool_call_id"])
            changes["tool_call_id"] = self._new_ids.get(old) or self._new_id(old, "")
            self._answered.add(old)
        return {**message, **changes} if changes else message

    def _of_call(self, call: Json) -> str:
        """The id of a call. An old id that was answered already begins another call."""
        old = str(call.get("id"))
        if old in self._new_ids and old not in self._answered:
            return self._new_ids[old]
        self._answered.discard(old)
        function = call.get("function")
        name = str(function.get("name")) if isinstance(function, Mapping) else ""
        return self._new_id(old, name)

    def _new_id(self, old: str, function: str) -> str:
        number = len(self.used)
        new = self._make_id(old, function, number)
        while new in self.used:
            number += 1
            new = self._make_id(f"{old}#{number}", function, number)
        self.used.add(new)
        self._new_ids[old] = new
        return new


_NINE = re.compile(r"[A-Za-z0-9]{9}")
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NUMBERED = re.compile(r"functions\.[^\s:]{1,200}:\d{1,9}")


def nine_characters(old: str, _function: str, _number: int) -> str:
    """Nine letters and digits; the same for the same old id, as a conversation is sent again."""
    return (
        old
        if _NINE.fullmatch(old)
        else hashlib.sha256(old.encode("utf-8", "replace")).hexdigest()[:9]
    )


def plain(old: str, _function: str, _number: int) -> str:
    """Up to 40 letters, digits, `_` and `-` (vercel/ai#5171)."""
    if _PLAIN.fullmatch(old):
        return old
    return f"call_{hashlib.sha256(old.encode('utf-8', 'replace')).hexdigest()[:24]}"


def numbered(old: str, function: str, number: int) -> str:
    """Kimi's own form: `functions.name:0`."""
    return old if _NUMBERED.fullmatch(old) else f"functions.{function}:{number}"


# -- calls, results and definitions ---------------------------------------------------------------


def named_tool_results(body: Json) -> None:
    """The name of the function on each result."""
    names: dict[str, str] = {}
    messages: list[Json] = []
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            names[str(call.get("id"))] = str((call.get("function") or {}).get("name"))
        name = names.get(str(message.get("tool_call_id")))
        is_result = message.get("role") == "tool"
        messages.append({**message, "name": name} if is_result and name else message)
    body["messages"] = messages


_SKIP_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}


def signed_tool_calls(message: Json) -> Json:
    """Calls marked as another model's if they lack Google's signature, as its docs ask for."""
    if not message.get("tool_calls"):
        return message
    calls = [
        call if call.get("extra_content") else {**call, "extra_content": _SKIP_SIGNATURE}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def without_strict(body: Json) -> None:
    """Functions without `strict`."""
    if body.get("tools"):
        body["tools"] = [
            {**tool, "function": {k: v for k, v in tool["function"].items() if k != "strict"}}
            if isinstance(tool.get("function"), Mapping)
            else tool
            for tool in body["tools"]
        ]


def only_the_named_tool(body: Json) -> None:
    """A tool that must be called is required by offering no other."""
    choice = body.get("tool_choice")
    if isinstance(choice, Mapping) and body.get("tools"):
        name = function_name(choice)
        body["tools"] = [tool for tool in body["tools"] if function_name(tool) == name]
        body["tool_choice"] = "required"


def function_name(tool: JsonMapping) -> object:
    """The name of the function that a tool offers, or that a choice names; None: it has none."""
    return as_mapping(tool.get("function")).get("name")


def plain_schemas(body: Json) -> None:
    """Schemas without the keywords that Google refuses."""
    for key in ("tools", "response_format"):
        if body.get(key):
            body[key] = _plain_schema(body[key])


_REFUSED_BY_GOOGLE = frozenset({"$schema", "additionalProperties", "propertyNames", "strict"})


def _plain_schema(value: object, *, names: bool = False) -> object:
    """`names`: the keys of `value` are names of properties, not keywords."""
    if isinstance(value, list):
        return [_plain_schema(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if names:
        return {name: _plain_schema(schema) for name, schema in value.items()}
    plain = {
        keyword: _plain_schema(part, names=keyword == "properties")
        for keyword, part in value.items()
        if keyword not in _REFUSED_BY_GOOGLE
    }
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    return plain
