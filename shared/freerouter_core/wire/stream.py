"""Server-sent events to `Delta`s to one `Answer`: two push parsers, no I/O.

Recorded facts they answer: keep-alive comments between tokens; usage in a chunk with or without a choice; the finish
reason repeated, and a null one after it; errors in a chunk with choices, without, or bare; tool fragments without an
id, an index or a type, whole calls in one piece, an index used again for another call; reasoning in three spellings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .answer import Answer, Json, ToolCall, _dicts, _error_of, _Ids, paired, reasoning_of, text_of

LONGEST_LINE = 16_000_000
"""Bytes; a line beyond it is no event of an honest server."""


class SSEDecoder:
    """Bytes in, the `data` of each complete event out. Comments and other fields are no data.

    A byte cut inside a character or a line is kept for the next piece; all three line ends are honoured.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._pieces: list[bytes] = []
        self._held = 0
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[str]:
        events: list[str] = []
        if (
            b"\n" not in piece and b"\r" not in piece
        ):  # a long line in many pieces is put together once
            self._pieces.append(piece)
            self._held += len(piece)
            if self._held > LONGEST_LINE:
                raise ValueError(f"a line of the stream is longer than {LONGEST_LINE:,} bytes")
            return events
        buffer = b"".join((self._rest, *self._pieces, piece))
        self._pieces.clear()
        self._held = 0
        if b"\r" in buffer:
            held = b"\r" if buffer.endswith(b"\r") else b""  # its \n may still be on the way
            buffer = (
                buffer[: len(buffer) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                + held
            )
        *lines, self._rest = buffer.split(b"\n")
        for line in lines:
            if not line:
                if self._data:
                    events.append(b"\n".join(self._data).decode("utf-8", "replace"))
                    self._data.clear()
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        return events

    def close(self) -> list[str]:
        """What an unfinished last event held: some servers leave out the final blank line."""
        events = self.feed(b"\n\n")
        self._rest = b""
        return events


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a tool call, for callers that asked to see them: `index` is never None."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class Delta:
    """What one chunk added. `fragments` are pieces of tool calls, complete only in the `Answer`."""

    text: str = ""
    reasoning: str = ""
    reasoning_details: tuple[Json, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    """Complete calls, released by the driver when the answer is accepted."""

    @property
    def visible(self) -> bool:
        """Whether a caller would see something: text or reasoning, never a piece of a call."""
        return bool(self.text or self.reasoning)


@dataclass(slots=True)
class _Call:
    id: str
    """Its own from the first piece on, which callers may have seen: the model's where that brought one nobody else has."""
    given: object = None
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Assembler:
    """Chunks of one stream in, deltas out; `answer()` is the whole so far."""

    def __init__(self, asked: str = "", *, resumes: bool = False) -> None:
        """`asked`: the model, where no chunk names one; `resumes`: the text goes on from some other, so its first space counts."""
        self._asked = asked
        self._text: list[str] = []
        self._half = ""
        """The first half of a letter that came in two chunks."""
        self._reasoning: list[str] = []
        self._details: list[Json] = []
        self._annotations: list[Json] = []
        self._images: list[Json] = []
        self._audio: Json = {}
        self._refusal: list[str] = []
        self._calls: list[_Call] = []
        self._ids = _Ids()
        self._by_index: dict[int, _Call] = {}
        self._finish: str | None = None
        self._native: str | None = None
        self._usage: Json | None = None
        self._model = ""
        self._upstream = ""
        self._id = ""
        self._error: Json | None = None
        self._think = _Think("\r\n" if resumes else None)
        self.done = False
        """`[DONE]` came."""
        self.fed = False
        """Any event came."""

    def feed_data(self, data: str) -> Delta | None:
        """One event's data: JSON, `[DONE]`, or rubbish, which is an error of the stream."""
        self.fed = True
        if data.strip() == "[DONE]":
            self.done = True
            return self._flush()
        try:
            chunk = json.loads(data)
        except ValueError:
            self._error = self._error or {
                "message": "a chunk of the stream is no JSON",
                "code": 502,
            }
            return None
        return self.feed(chunk)

    def feed(self, chunk: object) -> Delta | None:
        """One chunk; None when it shows nothing."""
        if not isinstance(chunk, Mapping):
            return None
        if not self._id:
            self._id = str(chunk.get("id") or "")
        if chunk.get("model"):
            self._model = str(chunk["model"])
        if chunk.get("provider"):
            self._upstream = str(chunk["provider"])
        usage = chunk.get("usage")
        if isinstance(usage, Mapping):
            self._usage = dict(usage)
        choices = chunk.get("choices")
        error = _error_of(chunk.get("error")) or _bare_error(chunk)
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, Mapping):
            error = error or _error_of(choice.get("error"))
            finish = choice.get("finish_reason")
            if finish:  # "" and null say nothing; a repeated one changes nothing
                self._finish = finish
                self._native = choice.get("native_finish_reason") or self._native
                if finish == "error" and error is None and self._error is None:
                    error = {"message": f"finish_reason error ({self._native})", "code": 502}
        if error is not None:
            self._error = error
        if not isinstance(choice, Mapping):
            return None
        delta = choice.get("delta") or choice.get("message")
        return self._take(delta) if isinstance(delta, Mapping) else None

    def _whole(self, text: str) -> str:
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return paired(text)

    def _take(self, delta: Mapping[str, Any]) -> Delta | None:
        content = delta.get("content")
        text = content if isinstance(content, str) else text_of(content)
        if text and (self._half or not text.isascii()):
            text = self._whole(text)
        details = _dicts(delta.get("reasoning_details")) if delta.get("reasoning_details") else ()
        reasoning = reasoning_of(delta)
        if text and self._think.active:
            text, thought = self._think.feed(text)
            reasoning += thought
        fragments: tuple[Fragment, ...] = ()
        if delta.get("tool_calls"):
            fragments = tuple(self._fragment(piece) for piece in _dicts(delta["tool_calls"]))
        if delta.get("refusal"):
            self._refusal.append(str(delta["refusal"]))
        if delta.get("annotations"):
            self._annotations += _dicts(delta["annotations"])
        if delta.get("images"):
            self._images += _dicts(delta["images"])
        if isinstance(delta.get("audio"), Mapping):
            self._hear(delta["audio"])
        self._details += details
        if text:
            self._text.append(text)
        if reasoning:
            self._reasoning.append(reasoning)
        if not (text or reasoning or fragments or details):
            return None
        return Delta(text, reasoning, details, fragments)

    def _hear(self, piece: Mapping[str, Any]) -> None:
        for key, value in piece.items():
            joined = key in ("data", "transcript") and isinstance(value, str)
            self._audio[key] = self._audio.get(key, "") + value if joined else value

    def _fragment(self, piece: Json) -> Fragment:
        """Finds the call a piece belongs to. A new call: a new index; a known index with another id; or, without an
        index, an id not seen, or a name after arguments (ollama#15457, vercel/ai#14277)."""
        raw = piece.get("function")
        function: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        ident, name = piece.get("id") or None, function.get("name") or None
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        index = piece.get("index")
        call = self._by_index.get(index) if isinstance(index, int) else self._same(ident)
        if call is not None and ident and call.given and ident != call.given:
            call = None
        if call is not None and name and call.arguments and not ident:
            call = None if _whole("".join(call.arguments)) else call
        new = call is None
        if call is None:
            call = _Call(self._ids.unique(ident, self._id, len(self._calls)), ident)
            self._calls.append(call)
            if isinstance(index, int):
                self._by_index[index] = call
        call.given = call.given or ident
        named = name if name and not call.name else None
        call.name = call.name or str(name or "")
        if arguments:
            call.arguments.append(arguments)
        return Fragment(self._calls.index(call), call.id if new else None, named, arguments or "")

    def _same(self, ident: object) -> _Call | None:
        if ident:
            return next((call for call in self._calls if call.given == ident), None)
        return self._calls[-1] if self._calls else None

    def _flush(self) -> Delta | None:
        half, self._half = "" if self._think.active else paired(self._half), ""
        text, thought = self._think.close()
        text += half
        if text:
            self._text.append(text)
        if thought:
            self._reasoning.append(thought)
        return Delta(text, thought) if text or thought else None

    def close(self) -> Delta | None:
        """End of input: release what was held back while a `<think>` might still have begun."""
        return self._flush()

    @property
    def finished(self) -> bool:
        """The end was said: `[DONE]`, or a finish reason and no error."""
        return self.done or (self._finish is not None and self._error is None)

    @property
    def error(self) -> Json | None:
        return self._error

    @property
    def started(self) -> bool:
        """Whether anything of an answer has come: text, reasoning or a piece of a tool call."""
        return bool(self._text or self._reasoning or self._calls or self._refusal)

    @property
    def text(self) -> str:
        return "".join(self._text)

    def answer(self) -> Answer:
        calls = tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in self._calls)
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            reasoning_details=merge_details(self._details),
            tool_calls=calls,
            refusal="".join(self._refusal),
            finish_reason=self._finish,
            native_finish_reason=self._native,
            usage=self._usage,
            model=self._model or self._asked,
            upstream=self._upstream,
            id=self._id,
            annotations=tuple(self._annotations),
            images=tuple(self._images),
            audio=self._audio or None,
            error=self._error,
            complete=self.done or self._finish is not None,
        )


class _Think:
    """Splits a leading inline `<think>…</think>`, and the space after it, off streamed text; then steps aside."""

    def __init__(self, after: str | None = None) -> None:
        """`after`: what is taken off after the thoughts; None: all space."""
        self._after = after
        self.active = True
        self._held = ""
        self._stage = "before"
        self._thought = False

    def feed(self, text: str) -> tuple[str, str]:
        """(text, thought) that are certain by now."""
        self._held += text
        thought = ""
        if self._stage == "before":
            head = self._held.lstrip()
            if not head.startswith("<think>"):
                return ("", "") if "<think>".startswith(head) else (self._release(), "")
            self._stage, self._held = "inside", head[len("<think>") :]
        if self._stage == "inside":
            if not self._thought:
                self._held = self._held.lstrip()
            thought, closed, rest = self._held.partition("</think>")
            self._thought = self._thought or bool(thought.strip())
            if closed:
                thought = thought.rstrip()
            else:
                kept = next(
                    (
                        n
                        for n in range(min(8, len(thought)), 0, -1)
                        if "</think>".startswith(thought[-n:])
                    ),
                    0,
                )
                said = thought[
                    : len(thought) - kept
                ].rstrip()  # space before the end is none of the thought
                self._held = thought[len(said) :]
                return "", said
            self._stage, self._held = "after", rest
        self._held = self._held.lstrip(self._after)
        return (self._release() if self._held else ""), thought

    def _release(self) -> str:
        self.active, held, self._held = False, self._held, ""
        return held

    def close(self) -> tuple[str, str]:
        """What was still held when the stream ended."""
        inside = self._stage == "inside"
        held = self._release()
        return ("", held.rstrip()) if inside else (held, "")


def merge_details(details: list[Json]) -> tuple[Json, ...]:
    """Streamed `reasoning_details` as one would have come whole: consecutive text and summary pieces join; encrypted
    ones never do. `index` is unreliable, so neighbourhood and type decide."""
    merged: list[Json] = []
    for detail in details:
        kind = detail.get("type")
        key = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(str(kind))
        last = merged[-1] if merged else None
        if (
            key
            and last
            and last.get("type") == kind
            and not (last.get("signature") and detail.get(key))  # a signature ends what it signs
            and (last.get("id") or None) == (detail.get("id") or None)
        ):
            if isinstance(detail.get(key), str):
                last[key] = (last.get(key) or "") + detail[key]
            for other, value in detail.items():
                if other != key and value is not None:
                    last[other] = value
        else:
            merged.append(dict(detail))
    return tuple(merged)


def _bare_error(chunk: Mapping[str, Any]) -> Json | None:
    """An error that is the chunk itself, without an envelope (vLLM's `object: error`)."""
    if "choices" in chunk or not isinstance(chunk.get("message"), str):
        return None
    return dict(chunk) if chunk.get("object") == "error" or "code" in chunk else None


def _whole(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except ValueError:
        return False
    return True
