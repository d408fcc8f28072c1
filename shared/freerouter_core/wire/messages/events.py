"""`MessageEvents`: the stream of one message as Anthropic's events.

Blocks follow each other: one is open at a time, and a delta of another kind closes it. A block of
thoughts ends with its signature (clients drop one that has none: nielspeter/claude-code-proxy#17).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..answer import Answer
from ..delta import Delta
from ..json_values import Json, JsonMapping
from ..message import ReasoningDetails
from ..tool_calls import ToolCallFragment
from .signature import sign
from .write import arguments_of, call_blocks, message, start_usage, stop_of, tool_use, usage_of

PING: Json = {"type": "ping"}
"""Says that the stream is alive."""


class MessageEvents:
    """Writes the events of one stream. Each event's name is its `type`.

    `prompt_tokens`: an estimate. `thinking`: whether thoughts are shown. `offered`: the names of
    the tools.
    """

    def __init__(
        self, ident: str, *, prompt_tokens: int, thinking: bool, offered: Collection[str]
    ) -> None:
        self._ident, self._prompt_tokens = ident, prompt_tokens
        self._thinking, self._offered = thinking, offered
        self._details = ReasoningDetails()
        self._model = ""
        self._index = -1
        """The place of the newest block."""
        self._open: str | int | None = None
        """The kind of the open block; of a call in pieces, the call's index."""

    def start(self, model: str) -> Iterator[Json]:
        """The beginning. `model`: who answers, as far as it is known."""
        self._model = model
        usage = start_usage(self._prompt_tokens)
        yield {
            "type": "message_start",
            "message": message(self._ident, model, content=[], usage=usage),
        }
        yield PING

    def delta(self, delta: Delta) -> Iterator[Json]:
        """The events of what one chunk added; none if the client is to see none of it."""
        self._model = delta.model or self._model
        self._details.add(delta.reasoning_details)
        if delta.reasoning and self._thinking:
            yield from self._switch(
                "thinking", {"type": "thinking", "thinking": "", "signature": ""}
            )
            yield self._piece({"type": "thinking_delta", "thinking": delta.reasoning})
        if delta.text:
            yield from self._switch("text", {"type": "text", "text": ""})
            yield self._piece({"type": "text_delta", "text": delta.text})
        for fragment in delta.fragments:
            yield from self._fragment(fragment)
        for block in call_blocks(delta.tool_calls, delta.invalid_calls, self._offered):
            yield from self._close()
            yield from self._switch("tool_use", {**block, "input": {}})
            yield self._piece({"type": "input_json_delta", "partial_json": arguments_of(block)})

    def end(self, answer: Answer, metadata: JsonMapping) -> Iterator[Json]:
        """The end of a stream that came to an answer; `freerouter` holds the attempts."""
        if answer.refusal and self._index < 0:
            yield from self.delta(Delta(answer.refusal))
        yield from self._close()
        usage = usage_of(answer, self._prompt_tokens)
        ending = {"type": "message_delta", "delta": stop_of(answer), "usage": usage}
        yield ending | {"freerouter": dict(metadata)}
        yield {"type": "message_stop"}

    def _fragment(self, fragment: ToolCallFragment) -> Iterator[Json]:
        """A piece of a call, for clients that watch calls grow."""
        if self._open != fragment.index:
            yield from self._close()
            ident = fragment.id or f"{self._ident}_{fragment.index}"
            yield from self._switch(fragment.index, tool_use(ident, fragment.name or "", {}))
        if fragment.arguments:
            yield self._piece({"type": "input_json_delta", "partial_json": fragment.arguments})

    def _switch(self, kind: str | int, block: Json) -> Iterator[Json]:
        """Open a block of this kind, unless one is open."""
        if self._open == kind:
            return
        yield from self._close()
        self._index += 1
        self._open = kind
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _piece(self, delta: Json) -> Json:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _close(self) -> Iterator[Json]:
        if self._open is None:
            return
        if self._open == "thinking":
            signature = sign([self._model], self._details.merged())
            yield self._piece({"type": "signature_delta", "signature": signature})
        self._open = None
        yield {"type": "content_block_stop", "index": self._index}
