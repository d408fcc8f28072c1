"""What each way of failing changes next. One table: a status, an envelope, an exception or an odd answer to a `Fault`.

    BUSY     this model, for a while                      ACCOUNT  the whole key, until (a refused key: until it changes)
    SLOW     this model did not answer in time            BROKEN   this answer; the model may do better next time
    UNFIT    this request on this model                   GONE     this model, until the catalogue is refreshed
    REFUSED  this content                                 FATAL    nothing will help

The statuses lie: OpenRouter's 429 is an account's minute, its day, or one upstream's pool; its 404 is a vanished model, a
missing capability, a privacy setting or a passing upstream fault; a 200 may carry any of them. So the table looks at what
is said. `RULES` is read from the top, the first row that matches decides, and its last row matches everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..catalogue.calendar import period
from .answer import Answer
from .quirks import DROPPABLE
from .rejection import Rejection, all_said, extra_field, words_of
from .retry_after import stated_wait


class Kind(StrEnum):
    """What a fault changes; see the module's table."""

    BUSY = "busy"
    ACCOUNT = "account"
    SLOW = "slow"
    BROKEN = "broken"
    UNFIT = "unfit"
    GONE = "gone"
    REFUSED = "refused"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure, understood. `until` is a stated wait (unix seconds); without one a guess is made and probed."""

    kind: Kind
    cause: str
    """Which row of the table, e.g. "account-minute", "upstream-429", "empty"."""
    message: str = ""
    """The provider's own words, shortened, without keys."""
    status: int | None = None
    until: float | None = None
    lacks: frozenset[str] = frozenset()
    """Request parameters or input kinds the model turned out not to have."""
    context: int | None = None
    """The context window the model stated, tokens."""
    teaches: bool = True
    """Whether it says anything about the model: account limits and callers' errors do not."""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: statuses (None: any) and a pattern over all that was said (None: anything) decide `kind` and `cause`."""

    cause: str
    kind: Kind
    statuses: frozenset[int] | None = None
    says: re.Pattern[str] | None = None
    lacks: frozenset[str] = frozenset()
    teaches: bool = True
    hint: str = ""

    def matches(self, status: int, said: str) -> bool:
        return (self.statuses is None or status in self.statuses) and (
            self.says is None or self.says.search(said) is not None
        )


def _rule(
    cause: str,
    kind: Kind,
    statuses: str = "",
    says: str = "",
    lacks: str = "",
    teaches: bool = True,
    hint: str = "",
) -> Rule:
    numbers: set[int] = set()
    for part in statuses.split():
        low, _, high = part.partition("-")
        numbers.update(range(int(low), int(high or low) + 1))
    return Rule(
        cause,
        kind,
        frozenset(numbers) or None,
        re.compile(says, re.IGNORECASE) if says else None,
        frozenset(lacks.split()),
        teaches,
        hint,
    )


_PRIVACY = "openrouter.ai/settings/privacy decides which endpoints your key may use"
_KEY = "check the key: it is missing, mistyped, expired or revoked"

_OWN = r"for model [`'\"\\]|PerModel"
_DAY = r"per[-_ ]?day|today's quota|\(TPD\)|\(RPD\)|PerDay"

RULES: tuple[Rule, ...] = (
    # -- the account ------------------------------------------------------------------------------------------------
    # An upstream's refused key is not ours: the gateway says whose it was.
    _rule("upstream-401", Kind.BUSY, "401", r"provider returned error|\"provider_name\": \""),
    _rule("key-refused", Kind.ACCOUNT, "401", teaches=False, hint=_KEY),
    # An upstream's own "per day" is no limit of the account, so the upstream's words are looked for first.
    _rule("upstream-429", Kind.BUSY, "429", r"upstream_provider_shared_pool|provider returned error|limited upstream"),
    # Elsewhere limits are each model's own, and say so (Groq: "for model `x`"; Gemini: quotaId …PerModel).
    _rule("too-large", Kind.UNFIT, "413 429", r"request too large", teaches=False),
    _rule("no-free-quota", Kind.GONE, "429", r"\blimit: 0\b|quotaValue\W+0\b|ratelimit-limit[\w-]*: 0\b|\(1008\)"),
    _rule("model-day", Kind.BUSY, "429", rf"(?:{_OWN}).*(?:{_DAY})|(?:{_DAY}).*(?:{_OWN})", teaches=False),
    _rule("model-minute", Kind.BUSY, "429", _OWN, teaches=False),
    _rule(
        "account-month",
        Kind.ACCOUNT,
        "402 403 429",
        r"monthly (?:included )?credits|(?:calls|requests|tokens) ?(?:/|per) ?month|monthly (?:quota|limit)",
        teaches=False,
        hint="the month's free allowance is spent; it returns on the first",
    ),
    _rule(
        "account-day",
        Kind.ACCOUNT,
        "403 429",
        rf"free-models-per-day|free_tier_daily|daily free allocation|{_DAY}",
        teaches=False,
        hint="the day's free requests are spent; they return at the stated reset, usually midnight UTC",
    ),
    _rule(
        "account-minute",
        Kind.ACCOUNT,
        "403 429",
        r"free-models-per-min|free_tier_per_minute|x-ratelimit-remaining\W+0",
        teaches=False,
    ),
    # The guard doing its work is no fault of the guard: only an answer that does not know the field blames it.
    _rule("not-free", Kind.GONE, says=r"excluded_by.{0,200}max_price|constraint_filtered", teaches=False),
    _rule("price-guard", Kind.UNFIT, "400 422", r"\bmax_price\b", teaches=False),
    _rule("max-tokens-402", Kind.UNFIT, "402", r"fewer max_tokens", teaches=False, hint="lower max_tokens"),
    _rule(
        "debt",
        Kind.ACCOUNT,
        "402",
        teaches=False,
        hint="a negative balance blocks free models too; see openrouter.ai/settings/credits",
    ),
    _rule("account-budget", Kind.ACCOUNT, "403", r"guardrail_budget|workspace_budget|key_limit|key limit", teaches=False),
    # -- the model, for now -----------------------------------------------------------------------------------------
    # Z.ai's 1302 and Ollama Cloud's one at a time: how many at once, not how many a minute.
    _rule("concurrency", Kind.BUSY, "429 503", r"concurren|simultaneous|in parallel|\b1302\b", teaches=False),
    _rule("ambiguous-429", Kind.BUSY, "429"),
    # -- the model, for good ----------------------------------------------------------------------------------------
    _rule("harness-gated", Kind.GONE, "403", r"agentic harness"),
    _rule("terms", Kind.GONE, "403", r"FreeTierError|can only be used from within|region|country|not available in your"),
    _rule("no-tools", Kind.UNFIT, "400 404 422", r"support tool use|does not support (?:tools|function)", "tools tool_choice"),
    _rule("no-tool-choice", Kind.UNFIT, "400 404 422", r"support the provided 'tool_choice'|tool_choice.{0,40}not support", "tool_choice"),
    _rule("no-image", Kind.UNFIT, "400 404 422", r"support image input|image input is not|does not support image", "image"),
    _rule("no-audio", Kind.UNFIT, "400 404 422", r"support (?:input )?audio|audio input is not", "audio"),
    _rule("no-file", Kind.UNFIT, "400 404 422", r"support (?:file|pdf|document)", "file"),
    _rule("no-parameters", Kind.UNFIT, "404", r"can handle the requested parameters", "structured_outputs response_format"),
    _rule("data-policy", Kind.GONE, "404", r"data policy|guardrail restrictions|privacy", teaches=False, hint=_PRIVACY),
    _rule("no-provider", Kind.GONE, "404", r"No allowed providers", teaches=False, hint=_PRIVACY),
    _rule("upstream-404", Kind.BUSY, "404", r"provider returned error"),
    _rule("gone", Kind.GONE, "404 410"),
    _rule("not-a-model", Kind.GONE, "400", r"is not a valid model|model_not_found|unknown model|model .{0,80}(?:does not|doesn't) exist"),
    _rule("degraded", Kind.BUSY, "400", r"DEGRADED"),
    _rule(
        "context",
        Kind.UNFIT,
        "400 413 422 500 502",
        r"context.{0,12}(?:length|window)|context_length_exceeded|maximum context|prompt is too long|too many tokens|input.{0,20}too long",
        teaches=False,
    ),
    # -- the request as this model takes it: asked again in a plainer form, as `quirks` says for each word ------------
    _rule("no-system", Kind.UNFIT, "400 422 500", r"Developer instruction is not enabled|System role not supported", "no-system"),
    _rule("later-system", Kind.UNFIT, "400 422 500", r"System message must be at the beginning|system messages? must .{0,20}first", "later-system"),
    _rule("developer", Kind.UNFIT, "400 422", r"developer is not one of|Input tag 'developer'|Incorrect role information", "developer"),
    _rule("alternation", Kind.UNFIT, "400 422 500", r"roles must alternate", "alternation"),
    _rule("user-after-tool", Kind.UNFIT, "400 422", r"Unexpected role 'user' after role 'tool'", "user-after-tool"),
    _rule("tool-ids", Kind.UNFIT, "400 422", r"tool call id.{0,80}length of 9", "tool-ids-9"),
    _rule(
        "prefill",
        Kind.UNFIT,
        "400 422 500",
        r"assistant message prefill|must end with a user message|ending with a model turn|Expected last role User|prefill is incompatible"
        r"|ends with a user role",
        "prefill",
    ),
    _rule("tool-name", Kind.UNFIT, "400", r"function_response\.name: Name cannot be empty|REQUIRED_FIELD_MISSING.{0,60}name", "tool-name"),
    _rule("content-null", Kind.UNFIT, "400", r"required properties at '/messages/\d+' are 'role,content'", "content-null"),
    _rule(
        "flat-content",
        Kind.UNFIT,
        "400 422",
        r"content.{0,40}(?:value must be a string|Input should be a valid string|Expected one of: \['str'\])|list is only supported for user"
        r"|Type mismatch of '/messages/\d+/content'",
        "flat-content",
    ),
    _rule("json-with-tools", Kind.UNFIT, "400", r"(?:json mode|json_object\W?) cannot be combined|with a response mime type|tools\W{1,6}is incompatible with \W{0,6}response_format", "json-with-tools"),
    _rule("no-json-schema", Kind.UNFIT, "400 422", r"response_format.{0,40}(?:unavailable|not support)|json_schema.{0,30}(?:unavailable|not support)", "structured_outputs"),
    _rule("named-tool-choice", Kind.UNFIT, "400", r"Invalid tool_choice type: 'object'", "named-tool-choice"),
    _rule("max-tokens-16", Kind.UNFIT, "400", r"Expected a value >= 16", "max-tokens-16"),
    _rule("max_completion_tokens", Kind.UNFIT, "400", r"Use 'max_completion_tokens' instead", "max_completion_tokens"),
    _rule("reasoning-off", Kind.UNFIT, "400", r"Reasoning is mandatory|(?:always engages in|only works in) thinking|Budget 0 is invalid", "reasoning-off"),
    _rule("penalties", Kind.UNFIT, "400", r"Penalty is not enabled", "penalties"),
    _rule("schemas", Kind.UNFIT, "400", r"Unknown name .{1,40} at '(?:tools|generation_config)", "plain-schemas"),
    # -- the request ------------------------------------------------------------------------------------------------
    _rule("too-large", Kind.UNFIT, "413", teaches=False),
    _rule("token-limit", Kind.UNFIT, "400 422", r"Token limit reached", teaches=False, hint="raise max_tokens"),
    _rule("moderation", Kind.REFUSED, "400 403", r"flagged_input|moderation|content_policy|content policy|\brefusal\b|\breasons\b.{0,9}\[", teaches=False),
    _rule("guardrail", Kind.REFUSED, "403", r"guardrail|\bpatterns\b", teaches=False),
    _rule("upstream-400", Kind.UNFIT, "400 409 422", r"provider returned error|provider_name|upstream"),
    _rule("bad-request", Kind.UNFIT, "400 405 406 409 411 412 414-422", teaches=False),
    _rule("forbidden", Kind.BUSY, "403"),
    # -- the provider's trouble -------------------------------------------------------------------------------------
    _rule("timeout", Kind.SLOW, "408 504 524"),
    _rule("redirected", Kind.ACCOUNT, "300-399", teaches=False, hint="base_url redirects; keys never follow a redirect, so set the final address"),
    _rule("server", Kind.BUSY, "500-599"),
    _rule("odd-success", Kind.BROKEN, "100-299"),
    _rule("unknown", Kind.BUSY),
)  # fmt: skip

TRANSPORT: dict[str, tuple[Kind, str]] = {
    "connect": (Kind.BUSY, "connection refused or not resolvable"),
    "connect-timeout": (Kind.SLOW, "no connection in time"),
    "read-timeout": (Kind.SLOW, "no bytes in time"),
    "cut": (Kind.BUSY, "connection cut"),
    "protocol": (Kind.BUSY, "not HTTP as it should be"),
    "other": (Kind.BUSY, "transport failure"),
}
"""Every way a transport fails (`runtime.transport` reduces httpx's exceptions to these names)."""


def judge_rejection(rejection: Rejection, now: float) -> Fault:
    """The fault in a response that is no answer. Total: whatever came, some row matches."""
    said = all_said(rejection)
    rule = next(rule for rule in RULES if rule.matches(rejection.status, said))
    lacks = rule.lacks
    if rule.cause in ("upstream-400", "bad-request", "flat-content"):
        named = parameter_in(said, rejection.error)
        if named is not None:
            rule, lacks = _PARAMETER_RULE, frozenset({named})
    until = None
    if rule.kind in (Kind.BUSY, Kind.ACCOUNT, Kind.SLOW) and rule.cause != "key-refused":
        until = stated_wait(
            rejection.headers, rejection.error, now, limited=rejection.status in (403, 429)
        )
    if rule.cause in _RESETS:
        until = _until_reset(rule.cause, until, now, said)
    return Fault(
        kind=rule.kind,
        cause=rule.cause,
        message=words_of(rejection.error),
        status=rejection.status,
        until=until,
        lacks=lacks,
        context=_context(said) if rule.cause == "context" else None,
        teaches=rule.teaches and not lacks,
        hint=rule.hint,
    )


_PARAMETER_RULE = _rule("no-parameter", Kind.UNFIT, teaches=False)
_NAMED = re.compile(
    r"Unsupported (?:parameter|param|value)(?:\(s\))?:\W*(\w+)"  # OpenAI, NVIDIA, llama.cpp
    r"|Unrecognized request argument supplied: (\w+)"  # Azure
    r"|property '(?:[\w.]*\.)?(\w+)' is unsupported"  # Groq, Cerebras
    r"|extra_forbidden', 'loc': \('body', (?:[^)]*, )?'(\w+)'\)|body -> (\w+)\s+Extra inputs"  # NVIDIA
    r"|Invalid 'messages\[\d+\]\.(name)'"  # OpenAI
    r"|Unknown name \W{0,6}(\w+)\W{0,6}: Cannot find field"  # Gemini
    r"|unknown field: parameter '(\w+)'|unprocessable entity: (\w+) is not supported"  # Cohere
    r"|does not support parameters?:?\W{1,5}(\w+)"  # SiliconFlow, LiteLLM, xAI
    r"|\b(\w+)=\w+ is not supported by this model"  # Cerebras
    r"|(\w+) is not supported for .{1,40} tokenizers",
    re.IGNORECASE,
)
_WORDS_FOR = {
    "name": "message-name",
    "reasoning_content": "reasoning-fields",
    "reasoning_details": "reasoning-fields",
    "strict": "strict",
    "max_tokens": "max_completion_tokens",
    "include_usage": "stream_options",
    "chat_template": "chat_template_kwargs",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "response_format": "response_format",
    "json_schema": "structured_outputs",
}


def parameter_in(said: str, error: Any = None) -> str | None:
    """The field an error names as unknown or unsupported, as a word that models can lack; None where it names none of ours."""
    extra = extra_field(error)
    if extra is not None:
        path, value = extra
        if "content" in path and value is None:
            return "content-null"
        within = path[1:] if path[:1] == ("body",) else path
        named = within[-1] if within else ""
        whole = len(within) == 1 or "messages" in within or "stream_options" in within
        return (
            _WORDS_FOR.get(named, named if named in DROPPABLE else None)
            if whole or named == "strict"
            else None
        )
    for found in _NAMED.finditer(said):
        named = next(group for group in found.groups() if group)
        word = _WORDS_FOR.get(named, named if named in DROPPABLE else None)
        if word is not None:
            return word
    return None


def judge_transport(name: str, detail: str = "") -> Fault:
    """The fault in a transport failure, by its name in `TRANSPORT`."""
    kind, words = TRANSPORT.get(name, TRANSPORT["other"])
    return Fault(kind, name, detail or words)


def judge_answer(
    answer: Answer, *, tools: frozenset[str] | None = None, must_call: str | bool = False
) -> Fault | None:
    """The fault in what claims to be an answer, or None. `tools`: the names offered (None: unknown); `must_call`: True, or
    the name."""
    if answer.error is not None:
        return None  # judged as a rejection, with the clock it needs
    if answer.refusal and not answer.text:
        return Fault(Kind.REFUSED, "refusal", answer.refusal[:300], teaches=False)
    if answer.finish_reason == "content_filter" and answer.empty:
        return Fault(
            Kind.REFUSED,
            "content-filter",
            "the provider's filter removed the answer",
            teaches=False,
        )
    if answer.empty:
        if answer.finish_reason == "length":
            return Fault(
                Kind.UNFIT,
                "length",
                "max_tokens was spent before any text",
                teaches=False,
                hint="raise max_tokens: reasoning models think first",
            )
        return Fault(Kind.BROKEN, "empty", "no text and no tool call")
    for call in answer.tool_calls:
        if call.parsed() is None or (not call.arguments and answer.finish_reason == "length"):
            return Fault(
                Kind.BROKEN,
                "truncated-tool",
                f"arguments of {call.name!r} are no complete JSON object",
            )
        if not call.name or (tools is not None and call.name not in tools):
            return Fault(
                Kind.BROKEN, "unknown-tool", f"called {call.name!r}, which was not offered"
            )
    if tools and not answer.tool_calls and _CALL_AS_TEXT.match(answer.text):
        return Fault(Kind.BROKEN, "call-as-text", "wrote its tool call as text")
    if must_call and not answer.tool_calls:
        return Fault(Kind.BROKEN, "no-tool-call", "answered in text where a tool call was required")
    if isinstance(must_call, str) and any(call.name != must_call for call in answer.tool_calls):
        return Fault(Kind.BROKEN, "other-tool", f"did not call {must_call!r}")
    if not answer.complete:
        # Some valid streams end without a finish reason (anomalia#38); text without any end is cut.
        return Fault(Kind.BROKEN, "cut", "the stream ended without a finish reason")
    return None


# A call emitted as text with finish "stop" (DeepSeek-V3#1244, vllm#28219).
_CALL_AS_TEXT = re.compile(
    r"\s*(?:<tool_call>|<\|?tool[▁_ ]calls?|\[TOOL_CALLS\]|<function=|\{\s*\"name\"\s*:\s*\"[\w-]+\"\s*,\s*\"(?:arguments|parameters)\")"
)


def _context(said: str) -> int | None:
    found = re.search(r"(?:maximum context length|context window)[^\d]{0,24}(\d{3,9})", said)
    return int(found.group(1)) if found else None


_RESETS = {
    "account-minute": "rolling",
    "account-day": "utc-day",
    "model-day": "utc-day",
    "account-month": "utc-month",
}


def _until_reset(cause: str, stated: float | None, now: float, said: str) -> float:
    """Where a limit's refusal names no reset, its own rule does: the minute's window, a midnight, the first of the month. Google
    names the wait of its minute even where the day is spent."""
    google = "PerDay" in said
    if stated is not None and not google:
        return stated
    if cause == "account-minute":
        return now + 60.0
    end = period("pacific-day" if google else _RESETS[cause], 60.0, now)[1]
    return end if stated is None else max(stated, end)
