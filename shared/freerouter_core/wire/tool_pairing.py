"""`pair_tool_calls`: a conversation in which calls have results, and results have calls.

Frameworks hand over what happened: a call that was interrupted, one that was no JSON and never
ran, a result whose call was trimmed away, that names none, or that came late. Strict servers refuse
all of these.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

from .json_values import Json, as_mapping

CALL_NOT_RUN = "(The call was not run.)"


def pair_tool_calls(messages: list[Json]) -> list[Json]:
    """A new list, in which changed messages are replaced.

    Results that come late move to their calls, open calls get a result, and results without a call
    become user messages. A call marked
    `"invalid"` stays only if it has a result. `"of"` on a result that names no call is the name of
    its tool; it is taken off.
    """
    if not any("tool_calls" in message or message.get("role") == "tool" for message in messages):
        return messages
    paired: list[Json] = []
    late = _LateResults(messages)
    for n, message in enumerate(messages):
        if n in late.moved:
            continue
        if message.get("role") != "tool":
            late.move(paired, n)
            paired += _missing_results(paired)
            paired.append(message)
            continue
        result = _as_result(message, paired)
        if result is None:
            late.move(paired, n)
            paired += _missing_results(paired)
            result = {"role": "user", "content": _as_user_content(message)}
        paired.append(_without_of(result))
    paired += _missing_results(paired)
    return [_without_marks(message, paired, n) for n, message in enumerate(paired)]


def _without_of(result: Json) -> Json:
    return {k: v for k, v in result.items() if k != "of"} if "of" in result else result


class _LateResults:
    """Results that stand behind messages that came before them: of a tool that took its time, or
    in a history that put a note between. They move to their calls."""

    def __init__(self, messages: list[Json]) -> None:
        self._messages = messages
        self.moved: set[int] = set()
        """Where messages stood that were moved."""
        self._results: dict[str, list[int]] | None = None
        """Where results stand, by the id they name."""
        self._calls: dict[str, list[int]] = {}
        """Where calls stand, by id: a later call may have the same one."""

    def move(self, paired: list[Json], position: int) -> None:
        """Put results of the open calls behind the end of `paired`, if any come from `position`
        on."""
        for call in _open_calls(paired):
            at = self._find(str(call["id"]), position)
            result = None if at is None else _as_result(self._messages[at], paired)
            if at is not None and result is not None:
                self.moved.add(at)
                paired.append(_without_of(result))

    def _find(self, call_id: str, position: int) -> int | None:
        results = self._read() if self._results is None else self._results
        told_apart = call_id.rpartition("#")[0]
        for name in (call_id, told_apart):
            found = _next(results.get(name, ()), position, self.moved)
            again = _next(self._calls.get(name, ()), position)
            if name and found is not None and (again is None or found < again):
                return found
        return None

    def _read(self) -> dict[str, list[int]]:
        results: dict[str, list[int]] = {}
        self._results = results
        for n, message in enumerate(self._messages):
            if message.get("role") == "tool":
                results.setdefault(str(message.get("tool_call_id")), []).append(n)
            for call in message.get("tool_calls") or ():
                self._calls.setdefault(str(call["id"]), []).append(n)
        return results


def _next(places: Sequence[int], position: int, moved: Collection[int] = frozenset()) -> int | None:
    """The first of these places from `position` on that was not moved."""
    later = (places[n] for n in range(bisect_left(places, position), len(places)))
    return next((place for place in later if place not in moved), None)


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
