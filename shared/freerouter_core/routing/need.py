"""`Need`: what a request asks of a model, read off its wire form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..catalogue.model import Mode, Model
from ..catalogue.serving import Space
from ..errors import BadRequest
from ..wire.json_values import MAX_DEPTH, is_deep
from ..wire.request import ChatRequest, Lane, check_request
from .task import analyse
from .timings import PLAIN

_PARTS = {
    "image_url": "image",
    "image": "image",
    "input_audio": "audio",
    "video_url": "video",
    "input_video": "video",
    "file": "file",
}
"""Which input a part of a message is, by its type."""
TOKENS_PER_MEDIUM = 1_200
"""Tokens that an image, a clip or a file is estimated at."""
BYTES_PER_TOKEN = 3.5
"""For the high estimate of a prompt's tokens."""
MAX_BYTES_PER_TOKEN = 5.5
"""For the low estimate: even a frugal tokenizer makes a token of so many bytes."""
MESSAGE_BYTES = 12
"""Bytes that a chat template adds to a message."""
CALL_BYTES = 24
"""Bytes that a chat template adds to a tool call."""
USUAL_LIMIT = 512
"""Tokens of an answer that are reserved if the caller sets no `max_tokens`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one request needs of a model.

    Sizes are estimates. They rank models; a model is left out for its size only if even the low
    estimate does not fit.
    """

    prompt_tokens: int = 0
    """The prompt, estimated high."""
    least_tokens: int = 0
    """The prompt, estimated low."""
    output_tokens: int = USUAL_LIMIT
    """What the answer may have: `max_tokens`, or the usual limit."""
    limit: int | None = None
    """The caller's `max_tokens`; None: not given."""
    inputs: frozenset[str] = frozenset()
    """Inputs besides text that the user's own words are about: "image", "audio", "video", "file".
    A model that does not take them cannot answer."""
    older_inputs: frozenset[str] = frozenset()
    """Inputs that stand in earlier turns and in results of tools. Models that take them come first;
    others are told in words what was left out."""
    tools: bool = False
    tool_choice: bool = False
    structured: bool = False
    logprobs: bool = False
    task: str | None = None
    """A name in `task.TASKS`; None: not asked for, or not recognised."""
    after_tool: bool = False
    """Whether the last message is a tool's result: then an empty answer can be right."""
    mode: Mode = "chat"
    """Which models can serve it."""
    sizes: tuple[int, ...] = ()
    """Tokens of each text that is to be embedded or ranked, estimated high."""
    space: Space | None = None
    """The only space that its vectors may be of."""
    background: bool = False
    """Whether nobody waits for the answer."""
    ways: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The ways of asking that not every model does well; see `ways`."""
    way: str = field(init=False, repr=False, compare=False)
    """The way of asking that decides how long the answer is.

    The rows of a job say nothing of the answers that people wait for: a label is short."""

    def __post_init__(self) -> None:
        ways = (("tools",) if self.tools else ()) + (("structured",) if self.structured else ())
        object.__setattr__(self, "ways", ways)
        way = self.mode if self.mode != "chat" else ways[-1] if ways else PLAIN
        if self.mode == "chat" and self.background:
            way = f"{way} in background"
        object.__setattr__(self, "way", way)

    def of(self, lane: Lane) -> Need:
        """The same of a request in this lane."""
        return replace(self, background=True) if lane == "background" else self

    @property
    def calls(self) -> int:
        """Texts, as limits count them that count each."""
        return max(1, len(self.sizes))

    def part_for(self, model: Model) -> Need:
        """What of it one request asks of a model: the first texts, as many as it takes at once."""
        if model.serving is None or self.space is None:
            return self
        sizes = self.sizes[: model.serving.takes(self.sizes, self.space.dimension)]
        return replace(self, sizes=sizes, prompt_tokens=sum(sizes))

    @property
    def kind(self) -> tuple[object, ...]:
        """What of it decides fitness, besides sizes."""
        space = None if self.space is None else self.space.key
        return (self.inputs, self.tools, self.tool_choice, self.logprobs, self.mode, space)


def checked_need(request: ChatRequest, *, allow_paid: bool, task: str | None = None) -> Need:
    """The need of a request, after a check of the request. Raises `BadRequest`."""
    timeout, model = request.timeout, request.model
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise BadRequest(
            f"timeout={timeout!r} must be positive seconds", hint="or None for the router's own"
        )
    if model is not None and not isinstance(model, str):
        raise BadRequest(f"model={model!r} must be a name", hint='such as "author/name:free"')
    schema = request.structured.schema if request.structured is not None else None
    if is_deep((request.messages, request.tools, request.parameters, request.extra_body, schema)):
        raise BadRequest(
            "the request is nested too deeply",
            hint=f"no message, tool or schema may have more than {MAX_DEPTH - 2} levels",
        )
    try:
        check_request(request, allow_paid=allow_paid)
        return need_of(request, task)
    except (TypeError, AttributeError, KeyError, ValueError, OverflowError) as error:
        raise BadRequest(
            f"the request is malformed: {type(error).__name__}: {error}",
            hint="messages and tools must be dicts as the OpenAI API words them",
        ) from None


def need_of(request: ChatRequest, task: str | None = None) -> Need:
    """The need of a request. Sizes are estimated, never tokenised.

    `task` "auto": the task is told from the user's last message.
    """
    size, media = 0, 0
    inputs: set[str] = set()
    older: set[str] = set()
    turn = _current_turn(request.messages)
    for n, message in enumerate(request.messages):
        text_size, kinds = _content_size(message.get("content"))
        size += MESSAGE_BYTES + text_size
        media += len(kinds)
        if kinds:
            (inputs if n >= turn and message.get("role") == "user" else older).update(kinds)
        for call in message.get("tool_calls") or ():
            size += _size(str(call.get("function", {}).get("arguments", ""))) + CALL_BYTES
    for tool in request.tools:
        size += _json_size(tool)
    structured = request.structured
    if structured is not None and structured.schema is not None:
        size += _json_size(structured.schema)
    tokens, limit = int(size / BYTES_PER_TOKEN), _limit(request)
    return Need(
        prompt_tokens=tokens + media * TOKENS_PER_MEDIUM,
        least_tokens=int(size / MAX_BYTES_PER_TOKEN),
        output_tokens=USUAL_LIMIT if limit is None else limit,
        limit=limit,
        inputs=frozenset(inputs),
        older_inputs=frozenset(older - inputs),
        tools=bool(request.tools) and request.tool_choice != "none",
        tool_choice=bool(request.must_call),
        structured=structured is not None,
        logprobs=bool(request.parameters.get("logprobs") or request.parameters.get("top_logprobs")),
        task=analyse(asked(request.messages), tokens).task if task == "auto" else task,
        after_tool=bool(request.messages) and request.messages[-1].get("role") == "tool",
    )


def _current_turn(messages: Sequence[Mapping[str, Any]]) -> int:
    """Where the turn begins that is to be answered: after the last answer that called no tool."""
    for n in range(len(messages) - 1, -1, -1):
        if messages[n].get("role") == "assistant" and not messages[n].get("tool_calls"):
            return n + 1
    return 0


def asked(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the user's last message."""
    content = next((m.get("content") for m in reversed(messages) if m.get("role") == "user"), "")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _limit(request: ChatRequest) -> int | None:
    parameters = request.parameters
    limit = parameters.get("max_tokens") or parameters.get("max_completion_tokens")
    return limit if isinstance(limit, int) else None


def _content_size(content: object) -> tuple[int, list[str]]:
    """Bytes of text, and the kind of each part that is something else."""
    if isinstance(content, str):
        return _size(content), []
    size, kinds = 0, []
    for part in content if isinstance(content, list) else ():
        kind = _PARTS.get(part.get("type", "")) if isinstance(part, Mapping) else None
        if kind:
            kinds.append(kind)
        else:
            size += _size(part.get("text", "") if isinstance(part, Mapping) else str(part))
    return size, kinds


def _size(text: object) -> int:
    """Bytes. A token has three of them in Chinese and four in English, so one divisor serves."""
    if not isinstance(text, str):
        text = str(text)
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _json_size(value: object) -> int:
    if isinstance(value, Mapping):
        return sum(len(str(k)) + 6 + _json_size(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return sum(_json_size(v) + 2 for v in value)
    return len(str(value))
