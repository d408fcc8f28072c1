"""What each way of failing changes next: a status, an exception or an odd answer to a `Fault`.

    BUSY     this model, for a while
    ACCOUNT  the whole key, until a time; a refused key until it changes
    SLOW     this model did not answer in time
    BROKEN   this answer; the model may do better next time
    UNFIT    this request on this model
    GONE     this model, until the catalogue is refreshed
    REFUSED  this content
    FATAL    nothing will help

`wire.rules` has the rows for rejections, `TRANSPORT` those for connections. `judge_answer` reads
what claims to be an answer.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..catalogue.calendar import period
from .answer import Answer
from .call_text import call_start
from .fault import Cause, Fault, Kind, Reset
from .json_values import JsonMapping
from .limit_period import OF_LONG_PERIODS, names_several, reset_is_known
from .part_words import PARTS, is_for_now, is_of_one_part
from .refused_parameter import refused_parameter
from .rejection import Rejection, embedded_rejection, message_of, searchable_text
from .retry_after import MAX_WAIT, is_bare, retry_at_in, stated_retry_at, told_period
from .rule import Rule
from .rules import OF_UPSTREAM, RULES
from .stated_limit import stated_limit
from .tool_calls import ToolCall

TRANSPORT: dict[Cause, tuple[Kind, str]] = {
    Cause.CONNECT: (Kind.BUSY, "connection refused or not resolvable"),
    Cause.CONNECT_TIMEOUT: (Kind.SLOW, "no connection in time"),
    Cause.READ_TIMEOUT: (Kind.SLOW, "no bytes in time"),
    Cause.CUT: (Kind.BUSY, "connection cut"),
    Cause.PROTOCOL: (Kind.BUSY, "not HTTP as it should be"),
    Cause.NO_SOCKET: (Kind.SLOW, "this machine has no socket or file left"),
    Cause.OTHER: (Kind.BUSY, "transport failure"),
}
"""Every way a transport fails; `runtime.http.transport` reduces httpx's exceptions to them."""


def judge_rejection(rejection: Rejection, now: float) -> Fault:
    """The fault in a response that is no answer. Total: some row matches whatever came."""
    text = searchable_text(rejection)
    of_upstream = OF_UPSTREAM.search(text) is not None
    rule = next(r for r in RULES if r.matches(rejection.status, text, of_upstream=of_upstream))
    message = message_of(rejection.error)
    if rule.cause is Cause.FORBIDDEN and rejection.page and message:
        rule = replace(rule, kind=Kind.ACCOUNT, cause=Cause.GATEWAY_FORBIDS, teaches=False)
    if rule.cause in OF_LONG_PERIODS and names_several(message, text):
        rule = _UNCLEAR
    if rule.lacks & PARTS:
        rule = _about_part(rule, message)
    effect = rule.cause.effect
    if effect.names_field:
        parameter = refused_parameter(text, rejection.error)
        if parameter is not None:
            lacks = frozenset({parameter})
            rule = replace(rule, cause=Cause.NO_PARAMETER, lacks=lacks)
            effect = rule.cause.effect
    until, doubted = None, False
    if rule.kind in (Kind.BUSY, Kind.ACCOUNT, Kind.SLOW) and not effect.key_refused:
        is_limit = rejection.status in (403, 429)
        until = stated_retry_at(rejection.headers, rejection.error, now, limited=is_limit)
        told = until is not None and until == retry_at_in(rejection.error, now)
        until = _believable(rule.cause, until, now, text, told=told)
        doubted = _doubtful(rule.cause, until, rejection, now, text)
    if effect.reset is not None:
        until = _until_reset(effect.reset, until, now, text)
        if until is None and effect.limit == "model":  # it is looked at long before that
            until, doubted = period(effect.reset, 60.0, now)[1], True
    return Fault(
        rule.kind,
        rule.cause,
        message,
        status=rejection.status,
        until=until,
        doubted=doubted,
        lacks=rule.lacks,
        context=_context_window(text) if effect.context else None,
        limit=stated_limit(rejection, text) if effect.minute or effect.limit == "unclear" else None,
        teaches=rule.teaches and not rule.lacks,
        page=rejection.page,
        names_part=bool(rejection.error.get("param")),
    )


def judge_embedded(error: JsonMapping, now: float) -> Fault:
    """The fault in an error inside a 200: as if it had come with the status that it tells.

    If it tells none, its words say what was refused, as far as a row knows them: so MiniMax,
    Baidu and gateways tell a debt or a limit. All else is the server's trouble.
    """
    rejection = embedded_rejection(error)
    if not rejection.status:
        rejection = replace(rejection, status=_status_of_words(searchable_text(rejection)))
    return judge_rejection(rejection, now)


def _status_of_words(text: str) -> int:
    if OF_UPSTREAM.search(text) is None:
        for status in (429, 400):
            rule = next(r for r in RULES if r.matches(status, text))
            if rule.words and not rule.cause.effect.unrecognised:
                return status
    return 502


def _about_part(rule: Rule, message: str) -> Rule:
    """The row of a refused part: it may be wrong with this one, or for now."""
    if is_for_now(message):
        return replace(rule, kind=Kind.BUSY, cause=Cause.NOT_LOADED, lacks=frozenset())
    return replace(rule, cause=Cause.BAD_PART) if is_of_one_part(message) else rule


_UNCLEAR = next(rule for rule in RULES if rule.cause is Cause.AMBIGUOUS_429)
"""What is known of a limit whose period is not."""
_DAY = 86_400.0
_LONGEST: dict[Cause, float] = {
    Cause.ACCOUNT_MINUTE: 60.0,
    Cause.CONCURRENCY: 600.0,
    Cause.ACCOUNT_WINDOW: _DAY,
    Cause.ACCOUNT_DAY: _DAY + 3_600.0,
    Cause.MODEL_DAY: _DAY + 3_600.0,
    Cause.ACCOUNT_WEEK: 8 * _DAY,
    Cause.SERVER: 3_600.0,
    Cause.TIMEOUT: 3_600.0,
}
"""Seconds that a stated wait for a cause may be: a minute's limit is a minute, whatever is said."""
_OF_UNKNOWN_PERIOD = frozenset(
    {Cause.MODEL_MINUTE, Cause.AMBIGUOUS_429, Cause.UPSTREAM_429, Cause.UNKNOWN}
)
"""Causes that are limits of some period, which the words may tell."""


def _believable(
    cause: Cause, until: float | None, now: float, text: str, *, told: bool
) -> float | None:
    """A stated wait, unless it is longer than what it waits for: then none was stated.

    `told`: in the body, where a field or a word has its unit. Headers are misread more easily.
    """
    if until is None:
        return None
    longest = _LONGEST.get(cause, MAX_WAIT)
    if cause in _OF_UNKNOWN_PERIOD:
        longest = told_period(text) or (8 * _DAY if told else _DAY)
    if until <= now + longest:
        return until
    return now + longest if longest == 60.0 else None


def _doubtful(
    cause: Cause, until: float | None, rejection: Rejection, now: float, text: str
) -> bool:
    """Whether a wait is longer than limits last that name no period, nothing tells its unit, and it
    may be in another one.

    Some servers write milliseconds into Retry-After: 60000 would be 16 hours then. What is no whole
    number of thousands is believed: a day's limit that ends in 43127 seconds is the likelier cause.
    """
    names_period = cause in _LONGEST and cause.effect.limit is not None
    if until is None or until <= now + _LONGEST_UNNAMED or names_period:
        return False
    if round(until - now) % 1_000:
        return False
    return told_period(text) is None and is_bare(rejection.headers, rejection.error, until - now)


_LONGEST_UNNAMED = 600.0
"""Seconds."""


def _context_window(text: str) -> int | None:
    """Tokens that the error states as the model's limit."""
    match = _CONTEXT.search(text)
    return int(match[1]) if match else None


_CONTEXT = re.compile(
    r"(?:maximum context length|context window|context size|current batch size|context length of"
    r"|n_ctx|model token limit|max size|must have less than)[^\d]{0,24}(\d{3,9})",
    re.IGNORECASE,
)
"""llama.cpp embeds no text that is longer than its batch."""


def _until_reset(reset: Reset, stated: float | None, now: float, text: str) -> float | None:
    """When a limit resets: as stated, else by the limit's own calendar. None: its words are loose.

    Google states the wait of its minute even if the day is spent, so the later of both counts.
    """
    is_google = "PerDay" in text
    if stated is not None and not is_google:
        return stated
    if not reset_is_known(text, minute=reset == "rolling"):
        return None
    if reset == "rolling":
        return now + 60.0
    end = period("pacific-day" if is_google else reset, 60.0, now)[1]
    return end if stated is None else max(stated, end)


def judge_transport(name: str, detail: str = "") -> Fault:
    """The fault in a transport's failure, by its name in `TRANSPORT`."""
    cause = Cause(name) if name in TRANSPORT else Cause.OTHER
    kind, message = TRANSPORT[cause]
    if cause.effect.ours:
        return Fault(kind, cause, message, teaches=False, hint=_TOO_MANY_OPEN)
    return Fault(kind, cause, detail or message)


_TOO_MANY_OPEN = "raise the limit of open files (ulimit -n), or send fewer requests at once"


def judge_answer(
    answer: Answer, *, tools: frozenset[str] | None = None, must_call: str | bool = False
) -> Fault | None:
    """The fault in what claims to be an answer, or None.

    `tools`: the names on offer; None: not known. `must_call`: True, or the name of the tool.
    """
    if answer.error is not None:
        return None  # judged as a rejection, which needs the time
    if answer.refusal and not answer.text:
        return Fault(Kind.REFUSED, Cause.REFUSAL, answer.refusal[:300], teaches=False)
    if answer.empty:
        return _judge_empty(answer.finish_reason)
    for call in answer.tool_calls:
        fault = judge_call(call, tools, cut=answer.finish_reason == "length")
        if fault is not None:
            return fault
    if tools and not answer.tool_calls and call_start(answer.text, tools) is not None:
        return Fault(Kind.BROKEN, Cause.CALL_AS_TEXT, "wrote its tool call as text")
    if must_call and not answer.tool_calls:
        message = "answered in text where a tool call was required"
        return Fault(Kind.BROKEN, Cause.NO_TOOL_CALL, message)
    if isinstance(must_call, str) and any(call.name != must_call for call in answer.tool_calls):
        return Fault(Kind.BROKEN, Cause.OTHER_TOOL, f"did not call {must_call!r}")
    if not answer.complete:
        return Fault(Kind.BROKEN, Cause.CUT, "the stream ended without a finish reason")
    return None


def _judge_empty(finish_reason: str | None) -> Fault:
    if finish_reason == "content_filter":
        message = "the provider's filter removed the answer"
        return Fault(Kind.REFUSED, Cause.CONTENT_FILTER, message, teaches=False)
    if finish_reason == "length":
        message = "max_tokens was spent before any text"
        hint = "raise max_tokens: reasoning models think first"
        return Fault(Kind.UNFIT, Cause.LENGTH, message, teaches=False, hint=hint)
    return Fault(Kind.BROKEN, Cause.EMPTY, "no text and no tool call")


def judge_call(call: ToolCall, tools: frozenset[str] | None, *, cut: bool) -> Fault | None:
    """The fault in a call. `cut`: the answer ended early, so no arguments may mean lost ones."""
    if call.parsed() is None or (cut and not call.arguments):
        message = f"arguments of {call.name!r} are no complete JSON object"
        return Fault(Kind.BROKEN, Cause.TRUNCATED_TOOL, message)
    if not call.name or (tools is not None and call.name not in tools):
        message = f"called {call.name!r}, which was not offered"
        return Fault(Kind.BROKEN, Cause.UNKNOWN_TOOL, message)
    return None
