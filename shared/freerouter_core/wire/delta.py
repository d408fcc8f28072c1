"""`Delta`: what one chunk of a stream adds to an answer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from .json_values import Json
from .tool_calls import InvalidToolCall, ToolCall, ToolCallFragment


@dataclass(slots=True, unsafe_hash=True)
class Delta:
    """What one chunk added. A call is complete only in `tool_calls` and in the `Answer`.

    Nobody changes one. It is not frozen, because a frozen one takes five times as long to make.
    """

    text: str = ""
    reasoning: str = ""
    _: KW_ONLY
    reasoning_details: tuple[Json, ...] = ()
    fragments: tuple[ToolCallFragment, ...] = ()
    """Pieces of tool calls, if they were asked for."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Complete calls, released when the answer is accepted."""
    invalid_calls: tuple[InvalidToolCall, ...] = ()
    """Flawed calls; see `Answer.invalid_calls`."""
    model: str = ""
    """Who speaks from here on, on the first delta of each model."""
    restarts: bool = False
    """Whether the text begins again from here: what was shown before is replaced."""

    @property
    def size(self) -> int:
        """Characters, and something for the delta itself: what it counts for in a buffer."""
        size = 100 + len(self.text) + len(self.reasoning)
        calls = self.fragments or self.tool_calls or self.invalid_calls
        if calls or self.reasoning_details:
            size += sum(100 + len(fragment.arguments) for fragment in self.fragments)
            size += sum(100 + len(call.arguments) for call in self.tool_calls)
            size += sum(100 + len(call.arguments) for call in self.invalid_calls)
            size += 1_000 * len(self.reasoning_details)
        return size

    @property
    def visible(self) -> bool:
        """Whether a caller would see an answer: text, or pieces of calls that were asked for."""
        return bool(self.text or self.fragments)


NOTHING = Delta()
"""What comes after a stop word. It shows that the server still writes."""
