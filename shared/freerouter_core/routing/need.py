"""`Need`: what a request asks of a model, read off its wire form; `Policy`: what the router's owner asks of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..catalogue.model import Model
from ..errors import BadRequest
from ..wire.request import ChatRequest, check_request
from .task import analyse

_PARTS = {
    "image_url": "image",
    "image": "image",
    "input_audio": "audio",
    "video_url": "video",
    "input_video": "video",
    "file": "file",
}
TOKENS_PER_MEDIUM = 1_200
"""What an image, a clip or a file is taken to cost where nothing better is known."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one request needs. `prompt_tokens` is an estimate on the high side, `output_tokens` what may be answered. Estimates
    rank: a model is left out for its size only where even the low one does not fit."""

    prompt_tokens: int = 0
    least_tokens: int = 0
    """The prompt, estimated on the low side: what even a frugal tokenizer makes of it."""
    output_tokens: int = 512
    limit: int | None = None
    """`max_tokens`, where it is given."""
    inputs: frozenset[str] = frozenset()
    tools: bool = False
    tool_choice: bool = False
    structured: bool = False
    task: str | None = None
    """What it is about; None: not asked, or not told."""
    after_tool: bool = False
    """The last message is a tool's result: then an empty answer can be legitimate."""

    @property
    def kind(self) -> tuple[frozenset[str], bool, bool]:
        """What of it decides fitness besides size."""
        return (self.inputs, self.tools, self.tool_choice)


STRATEGIES = ("adaptive", "round_robin", "random", "context", "performance", "cost", "availability")
ALIASES = {f"{name}_based": name for name in ("performance", "cost", "availability")}
"""Names that users of other routers know (FEATURES D5)."""
Ranker = Callable[[Need, list[Model]], Iterable[Model]]
"""A strategy of the user's own: the candidates, best first; those it leaves out are not asked."""


@dataclass(frozen=True)
class Policy:
    """What the owner of a router allows and prefers; the same for all its requests."""

    preferred: tuple[str, ...] = ()
    """Names to try first, in order: the requested model, the configured default, the fallback list."""
    kept: str | None = None
    """A session's model: first among those nobody named, where it fits; it is no more than that."""
    others: bool = True
    """Whether any other model may follow them."""
    strategy: str = "adaptive"
    prefer: str = "balanced"
    capabilities: frozenset[str] = frozenset()
    min_context: int = 0
    min_quality: float = 0.0
    min_safety: float = 0.0
    quality: Mapping[str, float] = field(default_factory=dict)
    """The owner's own opinion of models, 0 to 10, by id."""
    task: str | None = None
    """What requests are about: a name in `task.TASKS`, "auto" to tell it from each, None: not asked."""
    max_latency: float | None = None
    max_cost_per_token: float | None = None
    max_cost_per_request: float | None = None
    daily_budget_usd: float | None = None
    allow_paid: bool = False
    max_retries: int | None = None
    max_failures: int = 1
    exclude_failed: float | None = None
    retry_attempts: int = 3
    backoff_base: float = 1.0
    backoff_max: float = 12.0
    backoff_jitter: float = 0.25
    hedge: str = "auto"
    no_train: bool = False
    tool_streaming: str = "whole"
    on_stream_break: str = "raise"
    memory: int = 0
    """Bytes that a local model may take to fit on this machine; 0: not known."""
    order: Mapping[str, int] = field(default_factory=dict)
    """The rank a user's own strategy gave each model id for this request; empty where a named one ranks."""

    @property
    def kind(self) -> tuple[Any, ...]:
        """What of it decides fitness besides size."""
        own = tuple(self.quality.items())
        return (self.allow_paid, self.capabilities, self.max_cost_per_token, self.min_quality, own)


def checked_need(request: ChatRequest, *, allow_paid: bool, task: str | None = None) -> Need:
    """The need in a request, once it is known to be one. Raises `BadRequest`."""
    timeout, model = request.timeout, request.model
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise BadRequest(
            f"timeout={timeout!r} must be positive seconds", hint="or None for the router's own"
        )
    if model is not None and not isinstance(model, str):
        raise BadRequest(f"model={model!r} must be a name", hint='such as "author/name:free"')
    try:
        check_request(request, allow_paid=allow_paid)
        return need_of(request, task)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise BadRequest(
            f"the request is malformed: {type(error).__name__}: {error}",
            hint="messages and tools must be dicts as the OpenAI API words them",
        ) from None


def need_of(request: ChatRequest, task: str | None = None) -> Need:
    """The need in a request: sizes are estimated, never tokenised. `task` "auto": what it is about is told from its words."""
    size, media, inputs = 0, 0, set()
    for message in request.messages:
        size += 12
        content = message.get("content")
        if isinstance(content, str):
            size += _size(content)
        elif isinstance(content, list):
            for part in content:
                kind = _PARTS.get(part.get("type", "")) if isinstance(part, Mapping) else None
                if kind:
                    inputs.add(kind)
                    media += 1
                else:
                    size += _size(part.get("text", "") if isinstance(part, Mapping) else str(part))
        for call in message.get("tool_calls") or ():
            size += _size(str(call.get("function", {}).get("arguments", ""))) + 24
    for tool in request.tools:
        size += _depth_size(tool)
    structured = request.structured
    if structured is not None and structured.schema is not None:
        size += _depth_size(structured.schema)
    limit = request.parameters.get("max_tokens") or request.parameters.get("max_completion_tokens")
    return Need(
        prompt_tokens=int(size / 3.5) + media * TOKENS_PER_MEDIUM,
        least_tokens=int(size / 5.5),
        output_tokens=limit if isinstance(limit, int) else 512,
        limit=limit if isinstance(limit, int) else None,
        inputs=frozenset(inputs),
        tools=bool(request.tools) and request.tool_choice != "none",
        tool_choice=bool(request.must_call),
        structured=structured is not None,
        task=analyse(asked(request.messages), int(size / 3.5)).task if task == "auto" else task,
        after_tool=bool(request.messages) and request.messages[-1].get("role") == "tool",
    )


def asked(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the user's last message."""
    content = next((m.get("content") for m in reversed(messages) if m.get("role") == "user"), "")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _size(text: object) -> int:
    """Bytes: three of them to a token of Chinese, four to one of English, so one divisor serves both."""
    if not isinstance(text, str):
        text = str(text)
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _depth_size(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(len(str(k)) + 6 + _depth_size(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return sum(_depth_size(v) + 2 for v in value)
    return len(str(value))
