"""`ShownCalls`: pieces of tool calls for callers that watch them grow.

What was shown cannot be taken back. So a name waits until it is whole, since tools are shown under
their own names. At the end the pieces are compared with the calls of the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from .answer import Answer
from .delta import Delta
from .json_values import parse_json
from .tool_calls import InvalidToolCall, ToolCall, ToolCallFragment
from .tool_names import offered_name

PROBLEM = "the pieces of this call that were shown are not what it became"
"""Why a call is invalid whose pieces turned out to be wrong."""


class ShownCalls:
    """Fragments of one stream in, those that may be shown out.

    `offered`: the names of the tools that may be called; without any nothing is shown. `own_names`:
    their own names, by those that were sent in their place.
    """

    def __init__(self, offered: Collection[str], own_names: Mapping[str, str]) -> None:
        self._offered, self._own_names = offered, own_names
        self._calls: dict[int, _ShownCall] = {}

    def feed(self, fragments: Iterable[ToolCallFragment]) -> tuple[ToolCallFragment, ...]:
        """What may be shown of these fragments, and of those before."""
        if not self._offered:
            return ()
        pieces = (self._piece(fragment) for fragment in fragments)
        return tuple(piece for piece in pieces if piece is not None)

    def _piece(self, fragment: ToolCallFragment) -> ToolCallFragment | None:
        call = self._calls.get(fragment.index)
        if call is None:
            call = self._calls[fragment.index] = _ShownCall(fragment.index, fragment.id or "")
        call.said += fragment.name or ""
        if fragment.arguments:
            call.arguments.append(fragment.arguments)
        name = ""
        if call.said and not call.name and (call.arguments or self._is_whole(call.said)):
            name = self._own(call.said)
        return call.piece(name, fragment.arguments) if name or fragment.arguments else None

    def _own(self, said: str) -> str:
        return offered_name(self._own_names.get(said, said), self._offered)

    def _is_whole(self, said: str) -> bool:
        """Whether a name is a tool's, and no further letters could make it another's."""
        own = self._own(said)
        names = (*self._offered, *self._own_names)
        longer = (name for name in names if name not in (said, own))
        return own in self._offered and not any(name.startswith((said, own)) for name in longer)

    def rest(self, answer: Answer) -> Delta:
        """What the pieces still lack of the accepted answer's calls.

        A call whose pieces are something else is an invalid call, with the arguments that were
        shown.
        """
        shown = {call.id: call for call in self._calls.values()}
        pieces: list[ToolCallFragment] = []
        wrong: list[InvalidToolCall] = []
        for call in answer.tool_calls:
            before = shown.pop(call.id, None) or _ShownCall(len(self._calls), call.id)
            self._calls.setdefault(before.index, before)
            rest = before.rest_of(call)
            if rest is None:
                wrong.append(before.as_invalid(call.name))
            elif rest or not before.name:
                pieces.append(before.piece("" if before.name else call.name, rest))
        told: list[InvalidToolCall] = []
        for invalid in answer.invalid_calls:
            known = shown.pop(invalid.id, None)
            if known is None:
                told.append(invalid)
                continue
            if not known.name:
                pieces.append(known.piece(invalid.name, ""))
            told.append(known.as_invalid(invalid.name, invalid.problem))
        wrong += [call.as_invalid(call.name) for call in shown.values() if call.begun]
        return Delta(fragments=tuple(pieces), invalid_calls=(*told, *wrong))


@dataclass(slots=True, eq=False)
class _ShownCall:
    index: int
    id: str
    said: str = ""
    """The name so far, as the model says it."""
    name: str = ""
    """The name as it was shown."""
    arguments: list[str] = field(default_factory=list)
    begun: bool = False
    """Whether anything of it was shown."""

    def piece(self, name: str, arguments: str) -> ToolCallFragment:
        ident = None if self.begun else self.id
        self.begun, self.name = True, self.name or name
        return ToolCallFragment(self.index, ident, name or None, arguments)

    def rest_of(self, call: ToolCall) -> str | None:
        """The arguments that are still to be shown; None: those that were are others."""
        shown, wanted = "".join(self.arguments), call.json_arguments
        if self.name not in ("", call.name):
            return None
        if wanted.startswith(shown):
            return wanted[len(shown) :]
        if not shown.strip():
            return wanted
        try:
            return "" if parse_json(shown) == parse_json(wanted) else None
        except ValueError:
            return None

    def as_invalid(self, name: str, problem: str = PROBLEM) -> InvalidToolCall:
        arguments = "".join(self.arguments)
        return InvalidToolCall(self.id, name, arguments, problem, self.index, shown=True)
