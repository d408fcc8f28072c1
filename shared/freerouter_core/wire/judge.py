"""What each way of failing changes next. One table: a status, an envelope, an exception or an odd answer to a `Fault`.

    BUSY     this model, for a while                      ACCOUNT  the whole key, until (a refused key: until it changes)
    SLOW     this model did not answer in time            BROKEN   this answer; the model may do better next time
    UNFIT    this request on this model                   GONE     this model, until the catalogue is refreshed
    REFUSED  this content                                 FATAL    nothing will help

`wire.rules` has the rows for refusals, `TRANSPORT` those for connections; `judge_answer` reads what
claims to be an answer.
"""

from __future__ import annotations

import re
from typing import Any

from ..catalogue.calendar import period
from .answer import Answer
from .fault import Cause, Fault, Kind, Reset
from .quirks import DROPPABLE
from .rejection import Rejection, message_of, searchable_text, unknown_field
from .retry_after import stated_retry_at
from .rules import RULES, Rule

TRANSPORT: dict[Cause, tuple[Kind, str]] = {
    Cause.CONNECT: (Kind.BUSY, "connection refused or not resolvable"),
    Cause.CONNECT_TIMEOUT: (Kind.SLOW, "no connection in time"),
    Cause.READ_TIMEOUT: (Kind.SLOW, "no bytes in time"),
    Cause.CUT: (Kind.BUSY, "connection cut"),
    Cause.PROTOCOL: (Kind.BUSY, "not HTTP as it should be"),
    Cause.OTHER: (Kind.BUSY, "transport failure"),
}
"""Every way a transport fails (`runtime.transport` reduces httpx's exceptions to these names)."""


def judge_rejection(rejection: Rejection, now: float) -> Fault:
    """The fault in a response that is no answer. Total: whatever came, some row matches."""
    said = searchable_text(rejection)
    rule = next(rule for rule in RULES if rule.matches(rejection.status, said))
    lacks = rule.lacks
    if rule.cause.effect.names_field:
        named = parameter_in(said, rejection.error)
        if named is not None:
            rule, lacks = _PARAMETER_RULE, frozenset({named})
    until = None
    if rule.kind in (Kind.BUSY, Kind.ACCOUNT, Kind.SLOW) and not rule.cause.effect.key_refused:
        until = stated_retry_at(
            rejection.headers, rejection.error, now, limited=rejection.status in (403, 429)
        )
    if rule.cause.effect.reset is not None:
        until = _until_reset(rule.cause.effect.reset, until, now, said)
    return Fault(
        kind=rule.kind,
        cause=rule.cause,
        message=message_of(rejection.error),
        status=rejection.status,
        until=until,
        lacks=lacks,
        context=_context(said) if rule.cause.effect.context else None,
        teaches=rule.teaches and not lacks,
        hint=rule.hint,
    )


_PARAMETER_RULE = Rule(Cause.NO_PARAMETER, Kind.UNFIT, teaches=False)
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
    extra = unknown_field(error)
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
    cause = Cause(name) if name in TRANSPORT else Cause.OTHER
    kind, words = TRANSPORT[cause]
    return Fault(kind, cause, detail or words)


def judge_answer(
    answer: Answer, *, tools: frozenset[str] | None = None, must_call: str | bool = False
) -> Fault | None:
    """The fault in what claims to be an answer, or None. `tools`: the names offered (None: unknown); `must_call`: True, or
    the name."""
    if answer.error is not None:
        return None  # judged as a rejection, with the clock it needs
    if answer.refusal and not answer.text:
        return Fault(Kind.REFUSED, Cause.REFUSAL, answer.refusal[:300], teaches=False)
    if answer.finish_reason == "content_filter" and answer.empty:
        return Fault(
            Kind.REFUSED,
            Cause.CONTENT_FILTER,
            "the provider's filter removed the answer",
            teaches=False,
        )
    if answer.empty:
        if answer.finish_reason == "length":
            return Fault(
                Kind.UNFIT,
                Cause.LENGTH,
                "max_tokens was spent before any text",
                teaches=False,
                hint="raise max_tokens: reasoning models think first",
            )
        return Fault(Kind.BROKEN, Cause.EMPTY, "no text and no tool call")
    for call in answer.tool_calls:
        if call.parsed() is None or (not call.arguments and answer.finish_reason == "length"):
            return Fault(
                Kind.BROKEN,
                Cause.TRUNCATED_TOOL,
                f"arguments of {call.name!r} are no complete JSON object",
            )
        if not call.name or (tools is not None and call.name not in tools):
            return Fault(
                Kind.BROKEN, Cause.UNKNOWN_TOOL, f"called {call.name!r}, which was not offered"
            )
    if tools and not answer.tool_calls and _CALL_AS_TEXT.match(answer.text):
        return Fault(Kind.BROKEN, Cause.CALL_AS_TEXT, "wrote its tool call as text")
    if must_call and not answer.tool_calls:
        return Fault(
            Kind.BROKEN, Cause.NO_TOOL_CALL, "answered in text where a tool call was required"
        )
    if isinstance(must_call, str) and any(call.name != must_call for call in answer.tool_calls):
        return Fault(Kind.BROKEN, Cause.OTHER_TOOL, f"did not call {must_call!r}")
    if not answer.complete:
        # Some valid streams end without a finish reason (anomalia#38); text without any end is cut.
        return Fault(Kind.BROKEN, Cause.CUT, "the stream ended without a finish reason")
    return None


# A call emitted as text with finish "stop" (DeepSeek-V3#1244, vllm#28219).
_CALL_AS_TEXT = re.compile(
    r"\s*(?:<tool_call>|<\|?tool[▁_ ]calls?|\[TOOL_CALLS\]|<function=|\{\s*\"name\"\s*:\s*\"[\w-]+\"\s*,\s*\"(?:arguments|parameters)\")"
)


def _context(said: str) -> int | None:
    found = re.search(r"(?:maximum context length|context window)[^\d]{0,24}(\d{3,9})", said)
    return int(found.group(1)) if found else None


def _until_reset(reset: Reset, stated: float | None, now: float, said: str) -> float:
    """Where a limit's refusal names no reset, its own rule does: the minute's window, a midnight, the first of the month. Google
    names the wait of its minute even where the day is spent."""
    google = "PerDay" in said
    if stated is not None and not google:
        return stated
    if reset == "rolling":
        return now + 60.0
    end = period("pacific-day" if google else reset, 60.0, now)[1]
    return end if stated is None else max(stated, end)
