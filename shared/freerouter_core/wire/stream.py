"""`Assembler`: the chunks of a stream to `Delta`s, and to one `Answer`. A push parser, without I/O.

Streams seen, and read here: usage in a chunk with or without a choice; a finish reason that is
repeated, or followed by a null one; errors in a chunk with choices, without, or bare; the whole
answer once more at the end; heartbeats as data; anything after `[DONE]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .answer import MAX_TEXT, Answer, logprobs_in, too_large
from .cost import told_usage
from .delta import NOTHING, Delta
from .envelope import answer_in, error_told, words_of
from .finish import MALFORMED, finish_error, finish_of
from .json_values import MAX_VALUES, Json, JsonMapping, as_dicts, as_mapping, parse_json
from .message import (
    ReasoningDetails,
    error_beside,
    error_of,
    join_surrogates,
    reasoning_of,
    text_of,
)
from .stop_words import StopWords
from .think_tags import ThinkSplitter, split_think
from .tool_calls import MAX_CALLS, ToolCallAssembler, ToolCallFragment, pieces_of

MAX_ANSWER = 32_000_000
"""Bytes of memory, roughly, that the parts of one answer may take."""
_DELTA_COST = 100
"""Bytes that a delta takes beside its characters."""
MIN_REPEATED = 24
"""Characters of text from which on a last piece that begins with all of it says it once more."""
_BRACKETED = re.compile(r"\s{0,99}\[[A-Za-z][\w .:-]{0,40}\]")
"""A word in brackets, which is no JSON: `[PING]`."""
_HEARTBEATS = frozenset(
    {
        "", "alive", "connected", "heartbeat", "keepalive", "ok", "ping", "pong", "processing",
        "queued", "stillprocessing", "thinking", "waiting",
    }
)  # fmt: skip
"""Words that servers send as data to keep a connection open."""


class Assembler:
    """Chunks of one stream in, deltas out; `answer()` is the whole so far.

    `requested_model` names the model if no chunk does. `continues`: the text goes on from another
    answer's, so a space at its beginning counts. `stops`: words that end the text. `may_call`:
    whether calls may follow it.
    """

    def __init__(
        self,
        requested_model: str = "",
        *,
        continues: bool = False,
        stops: Sequence[str] = (),
        may_call: bool = False,
    ) -> None:
        self.done = False
        """Whether `[DONE]` came."""
        self.fed = False
        """Whether any event came."""
        self._requested_model = requested_model
        self._text: list[str] = []
        self._half_character = ""
        """The first surrogate of a character that is cut between two chunks."""
        self._think = ThinkSplitter("\r\n" if continues else None)
        self._stops = StopWords(stops)
        self._may_call = may_call
        self._reasoning: list[str] = []
        self._reasoning_details = ReasoningDetails()
        self._tool_calls = ToolCallAssembler()
        self._refusal: list[str] = []
        self._logprobs: list[Json] = []
        self._annotations: list[Json] = []
        self._images: list[Json] = []
        self._audio: Json = {}
        self._audio_pieces: dict[str, list[str]] = {"data": [], "transcript": []}
        self._finish_reason: str | None = None
        self._native_finish_reason: str | None = None
        self._usage: Json | None = None
        self._model = ""
        self._upstream = ""
        self._id = ""
        self._error: Json | None = None
        self._size = self._characters = self._values = 0
        self._text_length = self._text_pieces = 0
        self._in_chunks = False
        """Whether the server calls its chunks so, and not whole answers."""
        self._usage_came_last = False
        """Whether usage without a choice came after all that was said."""
        self._oddity: str | None = None
        """Words of the stream that nobody recognised. Without an end they tell what went wrong."""

    def feed_data(self, data: str) -> Delta | None:
        """One event: a chunk as JSON, or `[DONE]`. Nothing after that counts."""
        if self.done:
            return None
        self.fed = True
        if data.strip() == "[DONE]":
            self.done = True
            return self.close()
        try:
            chunk = parse_json(data)
        except ValueError:
            if data.lstrip()[:1] not in ("{", "[") or _BRACKETED.match(data):
                self._note(data)
            elif self._error is None and not self._is_whole:
                self._error = {"message": "a chunk of the stream is no JSON", "code": 502}
            return None
        return self.feed(chunk, data)

    def feed(self, chunk: object, data: str = "") -> Delta | None:
        """One chunk; None if it shows nothing. `data`: its text, which tells its size."""
        if not isinstance(chunk, dict) or "choices" not in chunk:
            chunk = answer_in(chunk)  # Google wraps its errors, others their chunks
        if not isinstance(chunk, dict):
            return None
        if not self._id:
            self._id = str(chunk.get("id") or "")
        if chunk.get("model"):
            self._model = str(chunk["model"])
        if chunk.get("provider"):
            self._upstream = str(chunk["provider"])
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        error = _error_in(chunk) if choices is None or chunk.get("error") else None
        self._usage = told_usage(chunk, as_mapping(choice), self._usage)
        if not isinstance(choice, dict):
            self._set_error(error)
            self._usage_came_last = self._usage_came_last or bool(
                error is None and as_mapping(chunk.get("usage")) and self._text_length
            )
            if error is None and "choices" not in chunk and not self._finish_reason:
                self._note(words_of(chunk))
            return None
        if choice.get("logprobs"):
            self._logprobs += as_dicts((logprobs_in(choice) or {}).get("content"))
            self._size += len(data)
            self._values += sum(map(data.count, ",[{"))
        if error is not None or _is_end(choice):
            self._read_end(choice, error or error_of(choice.get("error")))
        delta = choice.get("delta")
        if not (isinstance(delta, dict) and delta):
            delta = self._unsaid(choice, is_whole=chunk.get("object") == "chat.completion")
        if not isinstance(delta, dict):
            return None
        content = delta.get("content")
        if isinstance(content, str) and len(content) >= self._text_length:
            delta = {**delta, "content": self._news(content, chunk.get("object"))}
        details = len(self._reasoning_details)
        added = self._add(delta)
        if not _KEPT_WHOLE.isdisjoint(delta) or len(self._reasoning_details) > details:
            self._size += len(data)
            self._values += sum(map(data.count, ",[{"))
        self._check_size(added)
        return added

    def _read_end(self, choice: JsonMapping, error: Json | None) -> None:
        """The finish reason and the error of a choice, if it has them."""
        finish_reason, native = finish_of(choice)
        if finish_reason is None:
            self._set_error(error)
            return
        self._finish_reason = finish_reason  # later chunks may repeat it, or have an empty one
        self._native_finish_reason = native or self._native_finish_reason
        if error is None and self._error is None:
            error = finish_error(finish_reason, self._native_finish_reason)
        self._error = None if self._stopped else error or self._error

    @property
    def _is_whole(self) -> bool:
        """Whether the finish reason came, and something was said before it; or a stop word."""
        return self._stopped or bool(
            self._finish_reason
            and self._finish_reason not in ("error", MALFORMED)
            and (self._text_length or self._tool_calls)
        )

    def _set_error(self, error: Json | None) -> None:
        """Keep an error, unless it comes after the end of a whole answer."""
        if error is not None and not (self._is_whole and self._error is None):
            self._error = error

    def _note(self, words: str) -> None:
        letters = "".join(filter(str.isalpha, words[:40])).lower()
        if letters and letters not in _HEARTBEATS:
            self._oddity = self._oddity or words[:300]

    def _news(self, content: str, kind: object) -> str:
        """What is new in a piece that is as long as all the text so far: some servers send all of
        it once more at the end."""
        was_in_chunks = self._in_chunks
        self._in_chunks = was_in_chunks or kind == "chat.completion.chunk"
        if not self._finish_reason or self._text_pieces < 2:
            return content
        is_whole = kind == "chat.completion" and was_in_chunks
        if not is_whole and self._text_length < MIN_REPEATED:
            return content
        return content.removeprefix(self._so_far())

    def _so_far(self) -> str:
        """The text so far; its pieces are joined once."""
        if len(self._text) > 1:
            self._text = ["".join(self._text)]
        return "".join(self._text) + self._stops.held

    def _unsaid(self, choice: JsonMapping, *, is_whole: bool) -> object:
        """What of a choice's `message` was not streamed before it.

        Some servers end a stream with the whole answer; some call their deltas so.
        """
        message = choice.get("message")
        if message is None and isinstance(choice.get("text"), str):
            message = {"content": choice["text"]}
        said = self._text_length or self._tool_calls or self._reasoning
        if not isinstance(message, Mapping) or not said:
            return message
        is_end = bool(choice.get("finish_reason")) and self._text_pieces > 1
        if not (is_whole or is_end):
            return message
        so_far = self._so_far()
        text = split_think(text_of(message.get("content")))[0]
        if not (is_whole or text.startswith(so_far)):
            return message
        unsaid: Json = {"content": text[len(so_far) :] if text.startswith(so_far) else None}
        kept = {
            "reasoning": self._reasoning,
            "tool_calls": self._tool_calls,
            "annotations": self._annotations,
            "images": self._images,
        }
        return unsaid | {key: message.get(key) for key, said in kept.items() if not said}

    def _check_size(self, added: Delta | None) -> None:
        """End the stream with an error once the answer is larger than any honest one."""
        if added is not None:
            characters = len(added.text) + len(added.reasoning)
            for fragment in added.fragments:
                characters += len(fragment.arguments) + len(fragment.name or "")
            self._characters += characters
            self._size += characters + _DELTA_COST
        if (
            self._size > MAX_ANSWER
            or self._characters > MAX_TEXT
            or self._values > MAX_VALUES // 2
            or len(self._tool_calls) > MAX_CALLS
            or self._stops.dropped > MAX_TEXT
        ):
            self._error = too_large()

    def _add(self, delta: JsonMapping) -> Delta | None:
        content = delta.get("content")
        text = content if isinstance(content, str) else text_of(content)
        if text and (self._half_character or not text.isascii()):
            text = self._whole_characters(text)
        reasoning = reasoning_of(delta)
        if text and self._think.active:
            text, thought = self._think.feed(text)
            reasoning += thought
        text = self._stops.feed(text)
        details: tuple[Json, ...] = ()
        if delta.get("reasoning_details"):
            details = as_dicts(delta["reasoning_details"])
            self._reasoning_details.add(details)
        fragments: tuple[ToolCallFragment, ...] = ()
        pieces = pieces_of(delta)
        if pieces:
            fragments = tuple(self._tool_calls.add(piece, self._id) for piece in pieces)
            self._usage_came_last = False
        if delta.get("refusal"):
            self._refusal.append(str(delta["refusal"]))
        if delta.get("annotations"):
            self._annotations += as_dicts(delta["annotations"])
        if delta.get("images"):
            self._images += as_dicts(delta["images"])
        audio = delta.get("audio")
        if isinstance(audio, dict):
            self._add_audio(audio)
        if text:
            self._say(text)
        if reasoning:
            self._reasoning.append(reasoning)
        if details or fragments:
            return Delta(text, reasoning, reasoning_details=details, fragments=fragments)
        if text or reasoning:
            return Delta(text, reasoning)
        return NOTHING if self._stops.met else None

    def _say(self, text: str) -> None:
        self._text.append(text)
        self._text_length += len(text)
        self._text_pieces += 1
        self._oddity, self._usage_came_last = None, False  # it was not the end

    def _whole_characters(self, text: str) -> str:
        """`text` without a surrogate at its end whose other half is still to come."""
        text, self._half_character = self._half_character + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half_character = text[:-1], text[-1]
        return join_surrogates(text)

    def _add_audio(self, piece: JsonMapping) -> None:
        for key, value in piece.items():
            pieces = self._audio_pieces.get(key)
            if pieces is None:
                self._audio[key] = value
            elif isinstance(value, str):
                pieces.append(value)

    def _whole_audio(self) -> Json | None:
        joined = {key: "".join(pieces) for key, pieces in self._audio_pieces.items() if pieces}
        return self._audio | joined or None

    def close(self) -> Delta | None:
        """The end of the stream: release what might have been the beginning of a `<think>` tag."""
        half = "" if self._think.active else join_surrogates(self._half_character)
        self._half_character = ""
        text, reasoning = self._think.close()
        text += half
        text = self._stops.feed(text) + self._stops.close()
        if text:
            self._say(text)
        if reasoning:
            self._reasoning.append(reasoning)
        return Delta(text, reasoning) if text or reasoning else None

    @property
    def _stopped(self) -> bool:
        """Whether a stop word has ended the text."""
        return self._stops.met

    @property
    def finished(self) -> bool:
        """Whether the end came: `[DONE]`, a finish reason without an error, or a stop word that no
        call may follow."""
        if self.done or (self._stopped and not self._may_call):
            return True
        return self._finish_reason is not None and self._error is None

    @property
    def error(self) -> Json | None:
        """The last error in the stream."""
        return self._error

    @property
    def model(self) -> str:
        """The model, as the stream names it, else as it was requested."""
        return self._model or self._requested_model

    def answer(self) -> Answer:
        """The answer so far."""
        error = self._error
        ended = self._stopped or self._finish_reason is not None
        if error is None and self._oddity is not None and not ended:
            error = {"message": self._oddity}
        stopped = self._stopped and not self._tool_calls
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            reasoning_details=self._reasoning_details.merged(),
            tool_calls=self._tool_calls.calls(),
            refusal="".join(self._refusal),
            finish_reason="stop" if stopped else self._finish_reason,
            native_finish_reason=self._native_finish_reason,
            usage=self._usage,
            model=self.model,
            upstream=self._upstream,
            id=self._id,
            annotations=tuple(self._annotations),
            images=tuple(self._images),
            audio=self._whole_audio(),
            error=error,
            # Some servers tell the usage at the end, and nothing else of it.
            complete=self.done or ended or self._usage_came_last,
            logprobs={"content": self._logprobs, "refusal": None} if self._logprobs else None,
        )


def _error_in(chunk: JsonMapping) -> Json | None:
    return error_told(chunk) if chunk.get("choices") is None else error_beside(chunk["error"])


def _is_end(choice: JsonMapping) -> bool:
    """Whether a choice may tell that it ended, or an error."""
    get = choice.get
    return bool(get("finish_reason") or get("error") or get("finishReason"))


_KEPT_WHOLE = frozenset({"annotations", "images", "audio", "refusal"})
"""Fields of a delta that are kept as they are."""
