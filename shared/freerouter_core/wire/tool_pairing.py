"""`pair_tool_calls`: a conversation in which calls have results, and results have calls.

Frameworks hand over what happened: a call that was interrupted, one that was no JSON and never
ran, a result whose call was trimmed away or that names none. Strict servers refuse all of these.
"""

from __future__ import annotations

from .json_values import Json, as_mapping

CALL_NOT_RUN = "(The call was not run.)"


def pair_tool_calls(messages: list[Json]) -> list[Json]:
    """A new list, in which changed messages are replaced.

    Open calls get a result, and results without a call become user messages. A call marked
    `"invalid"` stays only if it has a result. `"of"` on a result that names no call is the name of
    its tool; it is taken off.
    """
    if not any("tool_calls" in message or message.get("role") == "tool" for message in messages):
        return messages
    paired: list[Json] = []
    for message in messages:
        if message.get("role") != "tool":
            paired += _missing_results(paired)
            paired.append(message)
            continue
        result = _as_result(message, paired)
        if result is not None and "of" in result:
            result = {key: value for key, value in result.items() if key != "of"}
        if result is None:
            paired += _missing_results(paired)
            result = {"role": "user", "content": _as_user_content(message)}
        paired.append(result)
    paired += _missing_results(paired)
    return [_without_marks(message, paired, n) for n, message in enumerate(paired)]


def _open_calls(messages: list[Json]) -> list[Json]:
    """The calls of the last turn that have no result yet."""
    turn = len(messages)
    while turn and messages[turn - 1].get("role") == "tool":
        turn -= 1
    calls = (messages[turn - 1].get("tool_calls") or []) if turn else []
    answered = [result.get("tool_call_id") for result in messages[turn:]]
    return [call for call in calls if call["id"] not in answered]


def _as_result(message: Json, before: list[Json]) -> Json | None:
    """The message as the result of the open call it names, or of the next if it names none."""
    open_calls = _open_calls(before)
    call_id = message.get("tool_call_id")
    if any(call["id"] == call_id for call in open_calls):
        return message
    for call in open_calls:  # a second call of the same id, which was told apart
        if call_id and call["id"].startswith(f"{call_id}#"):
            return {**message, "tool_call_id": call["id"]}
    if not call_id and open_calls:
        by_name = [call for call in open_calls if _name_of(call) == message.get("of")]
        return {**message, "tool_call_id": (by_name or open_calls)[0]["id"]}
    return None


def _name_of(call: Json) -> object:
    return as_mapping(call.get("function")).get("name")


def _missing_results(messages: list[Json]) -> list[Json]:
    """Results for the open calls, before anything else follows."""
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": CALL_NOT_RUN}
        for call in _open_calls(messages)
        if not call.get("invalid")
    ]


def _without_marks(message: Json, messages: list[Json], position: int) -> Json:
    calls = message.get("tool_calls")
    if not calls or not any("invalid" in call for call in calls):
        return message
    answered = set()
    for result in messages[position + 1 :]:
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


def _as_user_content(result: Json) -> object:
    content, tool = result.get("content"), result.get("of") or "a tool"
    if isinstance(content, list):
        return [{"type": "text", "text": f"Result of {tool}:"}, *content]
    return f"Result of {tool}: {content}"
