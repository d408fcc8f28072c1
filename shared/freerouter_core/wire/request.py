"""`ChatRequest`: what a caller asks, in OpenAI's words; `check`: what no model could take, or what could cost money."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ..catalogue.model import is_plausible_name
from ..errors import BadRequest
from .answer import Answer
from .json_values import Json
from .structured import Structured

Validator = Callable[[Answer], object]
"""Given an answer, raises to reject it (the next model is asked). Never run on the runtime's own loop."""


@dataclass(frozen=True)
class ChatRequest:
    """One request. `messages` and `tools` are OpenAI wire dicts and are never mutated; everything else is optional.

    `tool_choice`: None, "auto", "none", "required", or `{"type": "function", "function": {"name": …}}`.
    `parameters`: sampling and limits by wire name (temperature, max_tokens, …); a None value is left out.
    `reasoning`: True, False, an effort ("low", …), or OpenRouter's object. `model` and `timeout` override the router's.
    """

    messages: list[Json]
    tools: list[Json] = field(default_factory=list)
    tool_choice: str | Json | None = None
    parallel_tool_calls: bool | None = None
    structured: Structured | None = None
    parameters: Json = field(default_factory=dict)
    reasoning: bool | str | Json | None = None
    extra_body: Json = field(default_factory=dict)
    model: str | None = None
    timeout: float | None = None
    validate: Validator | None = None
    label: str = ""
    """What a session's statistics call this step; not sent."""

    def __post_init__(self) -> None:
        if self.model is not None and not is_plausible_name(self.model):
            raise BadRequest(
                "no model has such a name", hint='"auto", or an id such as "author/name:free"'
            )

    @classmethod
    def of(cls, prompt: Prompt) -> ChatRequest:
        """A request from a plain string, a list of messages, or itself."""
        if isinstance(prompt, ChatRequest):
            return prompt
        if isinstance(prompt, str):
            return cls([{"role": "user", "content": prompt}])
        return cls(cast("list[Json]", list(prompt)))  # read only, so any mapping serves

    def but(self, **changes: Any) -> ChatRequest:
        return replace(self, **changes)

    @property
    def offered(self) -> frozenset[str]:
        """The names of the tools on offer."""
        return frozenset(
            str(tool["function"].get("name"))
            for tool in self.tools
            if isinstance(tool.get("function"), Mapping)
        )

    @property
    def must_call(self) -> str | bool:
        """False, True (some tool), or the name of the tool that must be called."""
        if not self.tools:
            return False
        if isinstance(self.tool_choice, Mapping):
            return str((self.tool_choice.get("function") or {}).get("name") or "") or True
        return self.tool_choice == "required"


Prompt = str | Sequence[Mapping[str, Any]] | ChatRequest
"""What a router can be asked: a text, messages as OpenAI wire dicts, or a whole request."""


def check_request(request: ChatRequest, *, allow_paid: bool) -> None:
    """Raise `BadRequest` for what no model could take, or what could cost money unasked."""
    if not request.messages or not all(
        isinstance(m, Mapping) and m.get("role") for m in request.messages
    ):
        raise BadRequest(
            "a request needs at least one message, each with a role", hint="pass messages as dicts"
        )
    if not all(isinstance(tool, Mapping) for tool in request.tools):
        raise BadRequest(
            "each tool must be a dict", hint='{"type": "function", "function": {"name": …}}'
        )
    name = request.must_call
    if isinstance(name, str) and name not in request.offered:
        raise BadRequest(
            f"tool_choice names {name!r}, which is not among the tools {sorted(request.offered)}",
            hint="name an offered tool, or use 'auto' or 'required'",
        )
    further = {**request.parameters, **request.extra_body}
    ruled = sorted(_RULED & further.keys() - _OWN) + sorted(_OWN & request.parameters.keys())
    if ruled:
        raise BadRequest(
            f"{ruled[0]!r} may not be given as a further field of the request", hint=_RULED_HINT
        )
    if allow_paid:
        return
    tools = [t for t in (*request.tools, *_list(further.get("tools"))) if isinstance(t, Mapping)]
    paid = [str(t.get("type")) for t in tools if str(t.get("type", "")).startswith("openrouter:")]
    paid += [
        key for key in ("models", "plugins", "route", "web_search_options") if further.get(key)
    ]
    if str(request.model or "").endswith(":online"):
        paid.append(":online")
    if paid:
        raise BadRequest(
            f"{', '.join(paid)} can cost money even on a free model",
            hint="pass allow_paid=True to permit it, or leave it out",
        )


# What is chosen elsewhere, where it is known what is free: never by a further field.
_RULED = frozenset(
    {
        "model", "allow_paid", "privacy", "fallback_models", "max_retries", "providers", "strategy", "base_url",
        "api_key", "messages", "provider", "stream",
    }
)  # fmt: skip
_OWN = frozenset({"messages", "provider", "stream"})
_RULED_HINT = "set it on the model or the router, e.g. model=…, Router(allow_paid=…); provider preferences go into extra_body"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
