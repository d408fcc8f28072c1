"""How a request is rewritten for those who differ (`quirks`): each mend changes a body that is ours alone.

Messages in it may still be the caller's, so they are replaced, never changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

from .json_values import Json

Mend = Callable[[Json], None]


def each(change: Callable[[Json], Json]) -> Mend:
    """A mend that rewrites single messages."""

    def mend(body: Json) -> None:
        body["messages"] = [change(message) for message in body["messages"]]

    return mend


def _is_system(message: Json) -> bool:
    return message.get("role") in ("system", "developer")


def no_developer(message: Json) -> Json:
    return {**message, "role": "system"} if message.get("role") == "developer" else message


def one_leading_system(body: Json) -> None:
    """Leading instructions become one message; later ones are said by the user."""
    leading: list[Json] = []
    rest: list[Json] = []
    for message in body["messages"]:
        if _is_system(message) and not rest:
            leading.append(message)
        else:
            rest.append({**message, "role": "user"} if _is_system(message) else message)
    if len(leading) > 1:
        leading = [{**leading[0], "content": _together(m.get("content") for m in leading)}]
    body["messages"] = leading + rest


def no_system(body: Json) -> None:
    """Instructions stand at the head of the first user message."""
    one_leading_system(body)
    head, *rest = body["messages"]
    if not _is_system(head):
        return
    if rest and rest[0].get("role") == "user":
        body["messages"] = [
            {**rest[0], "content": _together((head.get("content"), rest[0].get("content")))},
            *rest[1:],
        ]
    else:
        body["messages"] = [{**head, "role": "user"}, *rest]


def alternate(body: Json) -> None:
    """Consecutive messages of one speaker become one; those about tools stay."""
    made: list[Json] = []
    for message in body["messages"]:
        last = made[-1] if made else {}
        same = last.get("role") == message.get("role") and message.get("role") in (
            "user",
            "assistant",
        )
        if same and not (last.get("tool_calls") or message.get("tool_calls")):
            made[-1] = {**last, "content": _together((last.get("content"), message.get("content")))}
        else:
            made.append(message)
    body["messages"] = made


def _together(contents: Iterable[object]) -> object:
    """Contents as one: a string where all are, parts where one is."""
    found = [content for content in contents if content]
    if all(isinstance(content, str) for content in found):
        return "\n\n".join(str(content) for content in found)
    parts: list[object] = []
    for content in found:
        parts += content if isinstance(content, list) else [{"type": "text", "text": content}]
    return parts


def reply_between(body: Json) -> None:
    made: list[Json] = []
    for message in body["messages"]:
        if made and made[-1].get("role") == "tool" and message.get("role") == "user":
            made.append({"role": "assistant", "content": "Done."})
        made.append(message)
    body["messages"] = made


def with_ids(name_of: Callable[[str, str, int], str]) -> Mend:
    """A mend that gives every call, and what answers it, the id that `name_of` (id, function, number) makes of it.

    No two calls get the same: some providers begin with the same ids in every turn, and others refuse to see them twice.
    """

    def mend(body: Json) -> None:
        names: dict[str, str] = {}
        answered: set[str] = set()
        taken: set[str] = set()

        def fresh(ident: str, name: str) -> str:
            n = len(taken)
            made = name_of(ident, name, n)
            while made in taken:
                n += 1
                made = name_of(f"{ident}#{n}", name, n)
            taken.add(made)
            names[ident] = made
            return made

        changed = []
        for message in body["messages"]:
            change: Json = {}
            if message.get("tool_calls"):
                calls = []
                for call in message["tool_calls"]:
                    ident = str(call.get("id"))
                    again = ident in names and ident not in answered
                    calls.append(
                        {**call, "id": names[ident] if again else fresh(ident, _function(call))}
                    )
                    answered.discard(ident)
                change["tool_calls"] = calls
            if "tool_call_id" in message:
                ident = str(message["tool_call_id"])
                change["tool_call_id"] = names.get(ident) or fresh(ident, "")
                answered.add(ident)
            changed.append({**message, **change} if change else message)
        if taken:
            body["messages"] = changed

    return mend


def _function(call: Mapping[str, object]) -> str:
    function = call.get("function")
    return str(function.get("name")) if isinstance(function, Mapping) else ""


_NINE = re.compile(r"[A-Za-z0-9]{9}")
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def nine(ident: str, _name: str, _n: int) -> str:
    """The same id in every turn, as a conversation is sent again and again."""
    return ident if _NINE.fullmatch(ident) else hashlib.sha256(ident.encode()).hexdigest()[:9]


def plain(ident: str, _name: str, _n: int) -> str:
    if _PLAIN.fullmatch(ident):
        return ident
    return f"call_{hashlib.sha256(ident.encode()).hexdigest()[:24]}"


def numbered(ident: str, name: str, n: int) -> str:
    return ident if re.fullmatch(r"functions\..+:\d+", ident) else f"functions.{name}:{n}"


def nameless(message: Json) -> Json:
    return (
        {key: value for key, value in message.items() if key != "name"}
        if "name" in message
        else message
    )


def named_results(body: Json) -> None:
    names: dict[str, str] = {}
    made = []
    for message in body["messages"]:
        names |= {
            str(c.get("id")): str((c.get("function") or {}).get("name"))
            for c in message.get("tool_calls") or ()
        }
        name = names.get(str(message.get("tool_call_id")))
        made.append(
            {**message, "name": name} if message.get("role") == "tool" and name else message
        )
    body["messages"] = made


def no_null(message: Json) -> Json:
    return {**message, "content": ""} if message.get("content", "") is None else message


def flat(body: Json) -> None:
    """Text as a string; media of any but the user in a user's message behind it."""
    made: list[Json] = []
    media: list[Json] = []
    for message in body["messages"]:
        if media and message.get("role") != "tool":
            made.append({"role": "user", "content": media})
            media = []
        content = message.get("content")
        if isinstance(content, list):
            parts = [
                {"type": "text", "text": part} if isinstance(part, str) else part
                for part in content
            ]
            others = [dict(part) for part in parts if part.get("type") != "text"]
            if message.get("role") != "user":
                media += others
                others = []
            if not others:
                text = "\n".join(
                    str(part.get("text") or "") for part in parts if part.get("type") == "text"
                )
                message = {**message, "content": text}
        made.append(message)
    body["messages"] = [*made, {"role": "user", "content": media}] if media else made


def thoughtless(message: Json) -> Json:
    held = {"reasoning_details", "reasoning", "reasoning_content"} & message.keys()
    return {key: value for key, value in message.items() if key not in held} if held else message


def thinking_back(message: Json) -> Json:
    thought = message.get("reasoning") or message.get("reasoning_content")
    message = thoughtless(message)
    return {**message, "reasoning_content": thought} if thought else message


def signed_calls(body: Json) -> None:
    """Calls without Google's signature say that they are another model's, as its documentation asks for."""
    skip = {"google": {"thought_signature": "skip_thought_signature_validator"}}
    body["messages"] = [
        {
            **m,
            "tool_calls": [
                c if c.get("extra_content") else {**c, "extra_content": skip}
                for c in m["tool_calls"]
            ],
        }
        if m.get("tool_calls")
        else m
        for m in body["messages"]
    ]


def renamed(old: str, new: str) -> Mend:
    def mend(body: Json) -> None:
        if old in body:
            body[new] = body.pop(old)

    return mend


def without(*keys: str) -> Mend:
    def mend(body: Json) -> None:
        for key in keys:
            body.pop(key, None)

    return mend


def at_least_16(body: Json) -> None:
    for key in ("max_tokens", "max_completion_tokens"):
        if isinstance(body.get(key), int):
            body[key] = max(16, body[key])


def some_max_tokens(body: Json) -> None:
    body.setdefault("max_tokens", 2048)


def not_strict(body: Json) -> None:
    if body.get("tools"):
        body["tools"] = [
            {**tool, "function": {k: v for k, v in tool["function"].items() if k != "strict"}}
            if isinstance(tool.get("function"), Mapping)
            else tool
            for tool in body["tools"]
        ]


def only_named(body: Json) -> None:
    """A tool that must be called is required by offering no other."""
    choice = body.get("tool_choice")
    if isinstance(choice, Mapping) and body.get("tools"):
        name = (choice.get("function") or {}).get("name")
        body["tools"] = [t for t in body["tools"] if (t.get("function") or {}).get("name") == name]
        body["tool_choice"] = "required"


def plain_schemas(body: Json) -> None:
    if body.get("tools"):
        body["tools"] = [_plain_schema(tool) for tool in body["tools"]]
    if body.get("response_format"):
        body["response_format"] = _plain_schema(body["response_format"])


def _plain_schema(value: object, *, names: bool = False) -> object:
    """A schema without the keywords that Google refuses. `names`: the keys are a user's property names, not keywords."""
    if isinstance(value, list):
        return [_plain_schema(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    refused = () if names else ("$schema", "additionalProperties", "propertyNames", "strict")
    made = {
        k: _plain_schema(v, names=not names and k == "properties")
        for k, v in value.items()
        if k not in refused
    }
    if not names and "const" in made:
        made["enum"] = [made.pop("const")]
    return made


def prefixed(body: Json) -> None:
    last = body["messages"][-1]
    if last.get("role") == "assistant" and not last.get("tool_calls"):
        body["messages"] = [*body["messages"][:-1], {**last, "prefix": True}]


def continued(body: Json) -> None:
    if body["messages"][-1].get("role") == "assistant":
        body |= {"add_generation_prompt": False, "continue_final_message": True}


def ask_to_continue(body: Json) -> None:
    if body["messages"][-1].get("role") == "assistant":
        body["messages"] = [*body["messages"], {"role": "user", "content": GO_ON}]


GO_ON = (
    "Your last message was cut off. Begin with its last few words, exactly as they stand there, and go on from them to the end. "
    "Say nothing else, and nothing about having been cut off."
)
"""The words that are repeated tell where it goes on; `Splice` drops them."""
