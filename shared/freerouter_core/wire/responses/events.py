"""`Events`: the events of one streamed response, in the order that OpenAI's clients rely on.

One item is open at a time: thoughts, words, or a call. An item is added, its parts come, and it is
done; then the next is added. Clients keep what `response.output_item.done` says.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..answer import Answer
from ..delta import Delta
from ..json_values import Json, JsonMapping
from ..message import ReasoningDetails
from ..tool_calls import ToolCall
from .write import Writer, calls_of, status_of, text_part


class Events:
    """Deltas of a stream in, events out."""

    def __init__(self, writer: Writer, model: str) -> None:
        self.writer, self.model = writer, model
        self._number = 0
        self._output: list[Json] = []
        """The items that are done."""
        self._open = ""
        """The type of the item that is open; empty: none is."""
        self._id = ""
        self._pieces: list[str] = []
        self._details = ReasoningDetails()
        self._said: list[str] = []
        """All text of messages so far."""
        self._called: set[str] = set()
        """The ids of the calls that were written."""

    def begin(self) -> Iterator[Json]:
        """The first events."""
        for kind in ("created", "in_progress"):
            yield self._event(f"response.{kind}", response=self._response("in_progress"))

    def delta(self, delta: Delta) -> Iterator[Json]:
        """The events of one delta. Pieces of calls are held until the call is complete."""
        self.model = delta.model or self.model
        if delta.reasoning_details and self.writer.asked.encrypted:
            yield from self._begun("reasoning")
            self._details.add(delta.reasoning_details)
        if delta.reasoning:
            yield from self._begun("reasoning")
            self._pieces.append(delta.reasoning)
            yield self._part("response.reasoning_summary_text.delta", delta=delta.reasoning)
        if delta.text:
            yield from self._text(delta.text)
        for call in (*delta.tool_calls, *_invalid(delta)):
            yield from self._call(call)

    def end(self, answer: Answer, metadata: JsonMapping, now: int) -> Iterator[Json]:
        """The last events: what was not shown yet, and the whole response. `now`: unix seconds."""
        self.model = answer.model or self.model
        said = "".join(self._said)
        if answer.text != said and answer.text.startswith(said):
            yield from self._text(answer.text[len(said) :])
        if answer.refusal and not answer.text:
            yield from self._refusal(answer.refusal)
        calls = calls_of(answer)
        if not (self._output or self._open or calls):
            yield from self._begun("message")
        yield from self._done(answer)
        for call in calls:
            if call.id not in self._called:
                yield from self._call(call)
        response = self.writer.ended(self._output, answer, metadata, now)
        yield self._event(f"response.{response['status']}", response=response)

    def failed(self, code: str, message: str) -> Iterator[Json]:
        """The last events of a stream that broke."""
        yield from self._done(None, status="incomplete")
        error = {"code": code, "message": message}
        response = self.writer.response("failed", self.model, self._output, error=error)
        yield self._event("response.failed", response=response)

    # -- items --------------------------------------------------------------------------------

    def _text(self, text: str) -> Iterator[Json]:
        yield from self._begun("message")
        self._pieces.append(text)
        self._said.append(text)
        yield self._part("response.output_text.delta", delta=text, logprobs=[])

    def _begun(self, kind: str) -> Iterator[Json]:
        """Open an item of a kind, if none is open."""
        if self._open == kind:
            return
        yield from self._done(None)
        self._open, self._pieces = kind, []
        if kind == "reasoning":
            self._id = self.writer.item_id("rs")
            yield self._added(self.writer.thoughts("", ident=self._id))
            part = {"type": "summary_text", "text": ""}
            yield self._part("response.reasoning_summary_part.added", part=part)
            return
        self._id = self.writer.item_id("msg")
        yield self._added(self.writer.message([], "in_progress", self._id))
        yield self._part("response.content_part.added", part=text_part(""))

    def _done(self, answer: Answer | None, status: str = "completed") -> Iterator[Json]:
        """Close the item that is open. `answer`: the whole one, if this is its last item."""
        kind, self._open = self._open, ""
        text = "".join(self._pieces)
        if kind == "reasoning":
            yield self._part("response.reasoning_summary_text.done", kind, text=text)
            part = {"type": "summary_text", "text": text}
            yield self._part("response.reasoning_summary_part.done", kind, part=part)
            details, self._details = self._details.merged(), ReasoningDetails()
            yield self._finished(self.writer.thoughts(text, self.model, details, self._id))
        elif kind == "message":
            part = text_part(text, answer)
            chances = part["logprobs"]
            for index, source in enumerate(part["annotations"]):
                told = {"annotation": source, "annotation_index": index}
                yield self._part("response.output_text.annotation.added", kind, **told)
            yield self._part("response.output_text.done", kind, text=text, logprobs=chances)
            yield self._part("response.content_part.done", kind, part=part)
            status = status if answer is None else status_of(answer)
            yield self._finished(self.writer.message([part], status, self._id))

    def _refusal(self, words: str) -> Iterator[Json]:
        """A refusal is a message of its own kind of part."""
        yield from self._done(None)
        self._id = self.writer.item_id("msg")
        yield self._added(self.writer.message([], "in_progress", self._id))
        part: Json = {"type": "refusal", "refusal": ""}
        yield self._part("response.content_part.added", "message", part=part)
        yield self._part("response.refusal.delta", "message", delta=words)
        yield self._part("response.refusal.done", "message", refusal=words)
        part = {"type": "refusal", "refusal": words}
        yield self._part("response.content_part.done", "message", part=part)
        yield self._finished(self.writer.message([part], "completed", self._id))

    def _call(self, call: ToolCall) -> Iterator[Json]:
        yield from self._done(None)
        self._called.add(call.id)
        self._id = self.writer.item_id("fc")
        item = self.writer.asked.tools.item(call, self._id)
        name = {"function_call": "arguments", "custom_tool_call": "input"}.get(item["type"])
        if name is None:
            yield self._added(item)
            yield self._finished(item)
            return
        begun = {**item, name: ""}
        if "status" in item:
            begun["status"] = "in_progress"
        yield self._added(begun)
        event = f"response.{_EVENTS[name]}"
        place = {"item_id": self._id, "output_index": len(self._output)}
        yield self._event(f"{event}.delta", **place, delta=item[name])
        told = {"name": item["name"]} if name == "arguments" else {}
        yield self._event(f"{event}.done", **place, **told, **{name: item[name]})
        yield self._finished(item)

    # -- events -------------------------------------------------------------------------------

    def _added(self, item: Json) -> Json:
        index = len(self._output)
        return self._event("response.output_item.added", output_index=index, item=item)

    def _finished(self, item: Json) -> Json:
        index = len(self._output)
        self._output.append(item)
        return self._event("response.output_item.done", output_index=index, item=item)

    def _part(self, event: str, kind: str = "", **fields: object) -> Json:
        """An event of the only part of an item."""
        within = "summary_index" if (kind or self._open) == "reasoning" else "content_index"
        place = {"item_id": self._id, "output_index": len(self._output), within: 0}
        return self._event(event, **place, **fields)

    def _response(self, status: str) -> Json:
        return self.writer.response(status, self.model, self._output)

    def _event(self, kind: str, **fields: object) -> Json:
        event: Json = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return event


_EVENTS = {"arguments": "function_call_arguments", "input": "custom_tool_call_input"}
"""What the events of a call are called, by the field that they fill."""


def _invalid(delta: Delta) -> list[ToolCall]:
    return [ToolCall(call.id, call.name, f"({call.problem})") for call in delta.invalid_calls]
