"""`Answer`: what a model said, read from a chat-completion body of any recorded shape."""

from __future__ import annotations

from array import array
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, TypeAlias

from .cost import told_cost, told_usage
from .envelope import answer_in, error_told, words_of
from .finish import finish_error, finish_of
from .foreign_calls import calls_in
from .json_values import Json, JsonMapping, as_dicts, as_mapping
from .message import error_beside, error_of, join_surrogates, reasoning_of, text_of
from .think_tags import split_think
from .tool_calls import MAX_CALLS, InvalidToolCall, ToolCall, read_tool_calls

Vector: TypeAlias = "array[float]"
"""Numbers of 32 bits (`array("f")`)."""
MAX_TEXT = 1_000_000
"""Characters of an answer's text, reasoning and calls: no model writes as many."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A text's place: its index among those given, and how relevant it is, the higher the more."""

    index: int
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer. `usage` is the provider's own object."""

    text: str = ""
    _: KW_ONLY
    reasoning: str = ""
    reasoning_details: tuple[Json, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    invalid_calls: tuple[InvalidToolCall, ...] = ()
    """Flawed calls, for the caller's agent to tell its model about: nobody else was left to ask."""
    refusal: str = ""
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    usage: Json | None = None
    model: str = ""
    """The model that answered: as the provider named it, else as it was requested."""
    upstream: str = ""
    """The inference provider behind the gateway, if the gateway names it."""
    id: str = ""
    annotations: tuple[Json, ...] = ()
    images: tuple[Json, ...] = ()
    vectors: tuple[Vector, ...] = ()
    """The embeddings of the first texts that were asked for."""
    ranking: tuple[Ranked, ...] = ()
    """The order of the texts that were to be ranked."""
    audio: Json | None = None
    """Sound requested by `modalities`: `id`, `data` (base64), `transcript`."""
    error: Json | None = None
    """An error inside a response that claimed success."""
    complete: bool = True
    """False if the stream ended without a finish reason, `[DONE]`, or usage after its text."""
    simulated: bool = False
    logprobs: Json | None = None
    """The tokens and their chances, in OpenAI's form, if they were asked for and came."""

    @property
    def cost(self) -> float | None:
        """USD, or None if the provider states no cost."""
        return told_cost(self.usage or {})

    @property
    def empty(self) -> bool:
        """Whether there is nothing a caller could use. Reasoning alone is not an answer."""
        return not (
            self.text.strip()
            or self.tool_calls
            or self.refusal
            or self.images
            or self.audio
            or self.vectors
            or self.ranking
        )

    def with_(self, **changes: Any) -> Answer:
        """A copy with these fields replaced."""
        return replace(self, **changes)


def read_answer(body: object, requested_model: str = "") -> Answer:
    """The answer in a body that was not streamed.

    An error inside a 200 is put into `Answer.error`. A body that holds neither is an empty answer.
    """
    body = answer_in(body)
    if not isinstance(body, dict):
        error = {"message": "the response is no JSON object"}
        return Answer(model=requested_model, error=error)
    choice = _first_choice(body)
    message = as_mapping(choice.get("message") or {"content": choice.get("text")})
    if isinstance(message.get("content"), list) and not message.get("tool_calls"):
        message = {**message, "tool_calls": calls_in(message, message["content"])}
    content, calls = text_of(message.get("content")), message.get("tool_calls")
    if len(content) + len(reasoning_of(message)) > MAX_TEXT or _is_long(calls):
        return Answer(model=requested_model, error=too_large())
    text, reasoning = split_think(join_surrogates(content))
    answer_id = str(body.get("id") or "")
    finish_reason, native = finish_of(choice)
    told = _error_in(body, choice) or finish_error(finish_reason, native)
    audio, upstream = message.get("audio"), body.get("provider")
    return Answer(
        text=text,
        reasoning=reasoning_of(message) or reasoning,
        reasoning_details=as_dicts(message.get("reasoning_details")),
        tool_calls=read_tool_calls(message, answer_id),
        refusal=str(message.get("refusal") or ""),
        finish_reason=finish_reason,
        native_finish_reason=native,
        usage=told_usage(body, choice),
        model=str(body.get("model") or requested_model),
        upstream="" if isinstance(upstream, dict) else str(upstream or ""),
        id=answer_id,
        annotations=as_dicts(message.get("annotations")),
        images=as_dicts(message.get("images")),
        audio=dict(audio) if isinstance(audio, dict) else None,
        error=told,
        logprobs=logprobs_in(choice),
    )


def logprobs_in(choice: JsonMapping) -> Json | None:
    """The logprobs of a choice; None: it has none."""
    logprobs = choice.get("logprobs")
    return dict(logprobs) if isinstance(logprobs, dict) and logprobs.get("content") else None


def _is_long(calls: object) -> bool:
    """Whether there are more tool calls than an honest answer has, or longer ones."""
    if not calls:
        return False
    calls = as_dicts(calls)
    sizes = (len(str(as_mapping(call.get("function")).get("arguments"))) for call in calls)
    return len(calls) > MAX_CALLS or sum(sizes) > MAX_TEXT


def too_large() -> Json:
    """The error of an answer that is larger than any honest one."""
    return {"message": "the answer is larger than any honest one", "code": 502}


def _first_choice(body: JsonMapping) -> JsonMapping:
    choices = body.get("choices")
    return as_mapping(choices[0]) if isinstance(choices, list) and choices else {}


def _error_in(body: JsonMapping, choice: JsonMapping) -> Json | None:
    told = error_told(body) if body.get("choices") is None else error_beside(body.get("error"))
    if told is None and "choices" not in body and (words := words_of(body)):
        told = {"message": words}
    return told or error_of(choice.get("error"))
