"""`paired`: a conversation in which every tool call is answered, and every result answers a call.

Frameworks hand over what happened: a call that was interrupted, one that was no JSON and never ran, a result whose call was trimmed away or
that names none. Strict servers refuse all of these.
"""

from __future__ import annotations

from typing import Any

from .json_values import Json

CALL_NOT_RUN = "(The call was not run.)"


def pair_tool_calls(messages: list[Json]) -> list[Json]:
    """A new list; messages are replaced where they change. A call marked `"invalid"` stays only if it was answered."""
    if not any("tool_calls" in message or message.get("role") == "tool" for message in messages):
        return messages
    made: list[Json] = []
    for message in messages:
        if message.get("role") == "tool":
            result = _answering(message, made)
            if result is not None:
                made.append(result)
                continue
            made += _closing(made)
            made.append({"role": "user", "content": _told(message)})
        else:
            made += _closing(made)
            made.append(message)
    made += _closing(made)
    return [_without_marks(message, made, n) for n, message in enumerate(made)]


def _open(made: list[Json]) -> list[Json]:
    """The calls of the last turn that no result has answered yet."""
    at = len(made)
    while at and made[at - 1].get("role") == "tool":
        at -= 1
    calls = (made[at - 1].get("tool_calls") or []) if at else []
    answered = [result.get("tool_call_id") for result in made[at:]]
    return [call for call in calls if call["id"] not in answered]


def _answering(message: Json, made: list[Json]) -> Json | None:
    """The result as an answer to an open call: the one it names, or where it names none, the next. None: there is none."""
    waiting = _open(made)
    ident = message.get("tool_call_id")
    if any(call["id"] == ident for call in waiting):
        return message
    if not ident and waiting:
        return {**message, "tool_call_id": waiting[0]["id"]}
    return None


def _closing(made: list[Json]) -> list[Json]:
    """Results for the calls that nobody answered, before something else is said."""
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": CALL_NOT_RUN}
        for call in _open(made)
        if not call.get("invalid")
    ]


def _without_marks(message: Json, made: list[Json], at: int) -> Json:
    calls = message.get("tool_calls")
    if not calls or not any("invalid" in call for call in calls):
        return message
    answered = set()
    for result in made[at + 1 :]:
        if result.get("role") != "tool":
            break
        answered.add(result.get("tool_call_id"))
    kept = [
        {key: value for key, value in call.items() if key != "invalid"}
        for call in calls
        if not call.get("invalid") or call["id"] in answered
    ]
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**rest, "tool_calls": kept} if kept else {**rest, "content": rest.get("content") or ""}


def _told(message: Json) -> Any:
    """An orphaned result as its user might tell it."""
    content = message.get("content")
    return f"Result of a tool: {content}" if isinstance(content, str) else content
