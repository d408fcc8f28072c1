"""`ChatRequest`: what a caller asks, in OpenAI's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..catalogue.model import is_plausible_name
from ..errors import BadRequest, construction_forgets_locals, names_a_key, shown_value
from .answer import Answer
from .json_values import MAX_VALUES, as_mapping, is_larger, unwritable
from .paid import paid_features
from .reasoning import ReasoningSetting
from .structured import Structured

if TYPE_CHECKING:
    from ..events import Waiting  # an adapter is imported without them

Validator = Callable[[Answer], object]
"""Is given an answer and raises to reject it; then the next model is asked. Runs on a thread."""

WaitObserver = Callable[["Waiting"], object]
"""Is told when a request begins to wait for its turn, on a thread of its own."""

Messages = Sequence[Mapping[str, Any]]
"""Messages as OpenAI's wire objects."""

Lane = Literal["interactive", "background"]
"""Whether somebody waits for the answer. Interactive requests go before background ones."""
Pace = Literal["even", "asap"]
"""How background requests spend a day's quota: evenly over the day, or as soon as possible."""


@construction_forgets_locals
@dataclass(frozen=True)
class ChatRequest:
    """One request. `messages` and `tools` are OpenAI's wire objects and are never changed.

    `tool_choice`: None, "auto", "none", "required", or
    `{"type": "function", "function": {"name": …}}`. `parameters`: sampling and limits by wire name
    (temperature, max_tokens, …); a None value is left out. `reasoning`: True, False, an effort
    ("low", …), or OpenRouter's object. `model` and `timeout` (seconds) override the router's.
    """

    messages: Messages
    tools: Sequence[Mapping[str, Any]] = ()
    _: KW_ONLY
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    structured: Structured | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reasoning: ReasoningSetting | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    fallback_models: Sequence[str] = ()
    """Models that are asked after `model`, in order, before any other. All must be free."""
    timeout: float | None = None
    validate: Validator | None = None
    on_wait: WaitObserver | None = field(default=None, compare=False, repr=False)
    replaces: bool = False
    """Whether whoever reads the stream of a structured answer replaces each partial object with the
    next (`Delta.restarts`), so that it may begin again on another model."""
    lane: Lane | None = None
    """Whether somebody waits for the answer ("interactive") or not ("background"). None: as the
    router says."""
    fresh: bool = False
    """Whether to ask anew although an answer is kept (`answer_cache`). The new one replaces it."""
    sample: int = 0
    """Which of several answers to one request this is. Equal requests of another number share no
    answer."""
    label: str = ""
    """The name of this step in a session's statistics; not sent."""

    def __post_init__(self) -> None:
        for name in ("parameters", "extra_body"):
            fields = getattr(self, name)
            if "api_key" in fields:  # refused later; until then it is in no repr
                object.__setattr__(self, name, {**fields, "api_key": "[key]"})
        implausible = self.model is not None and not is_plausible_name(self.model)
        if implausible or names_a_key(self.model) or names_a_key(self.fallback_models):
            raise BadRequest(
                "no model has such a name", hint='"auto", or an id such as "author/name:free"'
            )
        if self.lane is not None and self.lane not in get_args(Lane):
            raise BadRequest(
                f"lane={shown_value(self.lane)} is none",
                hint='"interactive", "background", or None',
            )

    @classmethod
    def of(cls, prompt: Prompt) -> ChatRequest:
        """A request from a text, a list of messages, or itself."""
        if isinstance(prompt, ChatRequest):
            return prompt
        if isinstance(prompt, str):
            return cls([{"role": "user", "content": prompt}])
        return cls(list(prompt))

    def but(self, **changes: Any) -> ChatRequest:
        """A copy with these fields replaced."""
        return replace(self, **changes)

    @property
    def offered(self) -> frozenset[str]:
        """The names of the tools on offer."""
        if not self.tools:
            return frozenset()
        functions = (as_mapping(tool).get("function") for tool in self.tools)
        return frozenset(str(f.get("name")) for f in functions if isinstance(f, Mapping))

    @property
    def must_call(self) -> str | bool:
        """False, True (some tool), or the name of the tool that must be called."""
        if not self.tools:
            return False
        if isinstance(self.tool_choice, Mapping):
            return str(as_mapping(self.tool_choice.get("function")).get("name") or "") or True
        return self.tool_choice == "required"


Prompt = str | Messages | ChatRequest
"""What a router can be asked: a text, messages, or a whole request."""


def check_request(request: ChatRequest, *, allow_paid: bool) -> None:
    """Raise `BadRequest` for what no model could take, or what could cost money unasked."""
    messages, tools = request.messages, request.tools
    schema = None if request.structured is None else request.structured.schema
    if is_larger((messages, tools, request.parameters, request.extra_body, schema), MAX_VALUES):
        raise BadRequest(
            f"the request has more than {MAX_VALUES:,} values",
            hint="send less at once; what a schema holds in several places counts each time",
        )
    if not messages or not all(isinstance(m, (dict, Mapping)) and m.get("role") for m in messages):
        raise BadRequest(
            "a request needs at least one message, each with a role", hint="pass messages as dicts"
        )
    if tools:
        _check_tools(tools)
    if request.tool_choice is not None:
        _check_choice(request)
    fields = {**request.parameters, **request.extra_body}
    _check_fields(request, fields)
    paid: list[str] = []
    if not allow_paid:
        paid = paid_features(request.tools, request.tool_choice, request.model, fields)
    if paid:
        raise BadRequest(
            f"{', '.join(paid)} can cost money even on a free model",
            hint="only what is known to be free is sent: leave it out, or pass allow_paid=True",
        )


def _check_tools(tools: Sequence[Mapping[str, Any]]) -> None:
    if not all(isinstance(tool, Mapping) for tool in tools):
        raise BadRequest(
            "each tool must be a dict", hint='{"type": "function", "function": {"name": …}}'
        )
    if not all(_is_function(tool["function"]) for tool in tools if "function" in tool):
        raise BadRequest(
            "a tool's function must be an object with a name, and its parameters a schema",
            hint='{"type": "function", "function": {"name": …, "parameters": {…}}}',
        )


def _check_choice(request: ChatRequest) -> None:
    choice = request.tool_choice
    if isinstance(choice, str):
        known = choice in CHOICES
    else:
        known = not _names_function(choice) or _is_function(as_mapping(choice).get("function"))
    if not known:
        raise BadRequest(
            "tool_choice is in no known form",
            hint='"auto", "none", "required", or {"type": "function", "function": {"name": …}}',
        )
    name = request.must_call
    if isinstance(name, str) and name not in request.offered:
        raise BadRequest(
            f"tool_choice names {name!r}, which is not among the tools {sorted(request.offered)}",
            hint="name an offered tool, or use 'auto' or 'required'",
        )


def _names_function(choice: object) -> bool:
    """Whether a `tool_choice` should name a function. Of others, `paid_features` knows."""
    if not isinstance(choice, Mapping):
        return False
    kind = choice.get("type", "function")
    return kind in ("function", "tool") or not isinstance(kind, str)


def _is_function(function: object) -> bool:
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        return False
    parameters = function.get("parameters")
    if not isinstance(parameters, Mapping):
        return bool(function["name"]) and parameters is None
    return bool(function["name"]) and parameters.get("type", "object") == "object"


def _check_fields(request: ChatRequest, fields: Mapping[str, Any]) -> None:
    """Raise for a further field that is the router's, that is no JSON, or that is not served."""
    reserved = sorted(ROUTER_OPTIONS & fields.keys())
    reserved += sorted(_BODY_ONLY & request.parameters.keys())
    if reserved:
        raise BadRequest(
            f"{reserved[0]!r} may not be given as a further field of the request",
            hint=RESERVED_HINT,
        )
    if fields.get("n") not in (None, 1):
        raise BadRequest("n must be 1: each request returns one answer", hint="ask several times")
    for place, value in (("", fields), ("tools", request.tools)):
        path = unwritable(value, place)
        if path is not None:
            raise BadRequest(
                f"{path} is an object that has no form on the wire",
                hint="pass plain data: text, numbers, lists and dicts",
            )


ROUTER_OPTIONS = frozenset(
    {
        "allow_paid",
        "answer_cache",
        "api_key",
        "base_url",
        "capabilities",
        "daily_budget_usd",
        "daily_cap",
        "exclude_failed",
        "fallback_models",
        "guards",
        "hedge",
        "http_client",
        "keyless",
        "lane",
        "max_cost_per_request",
        "max_cost_per_token",
        "max_failures",
        "max_latency",
        "max_retries",
        "max_wait",
        "min_context",
        "min_quality",
        "min_safety",
        "model",
        "on_stream_break",
        "pace",
        "prefer",
        "prefer_free",
        "privacy",
        "providers",
        "quality",
        "router",
        "session",
        "session_name",
        "show_free_only",
        "strategy",
        "task",
        "timeout",
        "tool_streaming",
    }
)
"""The router's own options. No further field of a request may have such a name: it would change
nothing, and go out on the wire."""
CHOICES = ("auto", "none", "required")
"""What a `tool_choice` may be that names no tool."""
_BODY_ONLY = frozenset({"messages", "provider", "stream"})
"""Fields that are no parameters. `extra_body` may have them."""
RESERVED_HINT = (
    "set it on the model or the router, e.g. model=…, Router(allow_paid=…), "
    "llm.model_copy(update={…}); provider preferences go into extra_body"
)
