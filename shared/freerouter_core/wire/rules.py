"""The table of refusals: statuses and words, and the fault they mean.

The statuses lie: OpenRouter's 429 is an account's minute, its day, or one upstream's pool; its 404
is a vanished model, a missing capability, a privacy setting or a passing upstream fault; a 200 may
carry any of them. So the table looks at what is said. It is read from the top, the first row that
matches decides, and its last row matches everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .fault import Cause, Kind


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: statuses (None: any) and a pattern over all that was said (None: anything) decide `kind` and `cause`."""

    cause: Cause
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
    cause: Cause,
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
    _rule(Cause.UPSTREAM_401, Kind.BUSY, "401", r"provider returned error|\"provider_name\": \""),
    _rule(Cause.KEY_REFUSED, Kind.ACCOUNT, "401", teaches=False, hint=_KEY),
    # An upstream's own "per day" is no limit of the account, so the upstream's words are looked for first.
    _rule(Cause.UPSTREAM_429, Kind.BUSY, "429", r"upstream_provider_shared_pool|provider returned error|limited upstream"),
    # Elsewhere limits are each model's own, and say so (Groq: "for model `x`"; Gemini: quotaId …PerModel).
    _rule(Cause.TOO_LARGE, Kind.UNFIT, "413 429", r"request too large", teaches=False),
    _rule(Cause.NO_FREE_QUOTA, Kind.GONE, "429", r"\blimit: 0\b|quotaValue\W+0\b|ratelimit-limit[\w-]*: 0\b|\(1008\)"),
    _rule(Cause.MODEL_DAY, Kind.BUSY, "429", rf"(?:{_OWN}).*(?:{_DAY})|(?:{_DAY}).*(?:{_OWN})", teaches=False),
    _rule(Cause.MODEL_MINUTE, Kind.BUSY, "429", _OWN, teaches=False),
    _rule(
        Cause.ACCOUNT_MONTH,
        Kind.ACCOUNT,
        "402 403 429",
        r"monthly (?:included )?credits|(?:calls|requests|tokens) ?(?:/|per) ?month|monthly (?:quota|limit)",
        teaches=False,
        hint="the month's free allowance is spent; it returns on the first",
    ),
    _rule(
        Cause.ACCOUNT_DAY,
        Kind.ACCOUNT,
        "403 429",
        rf"free-models-per-day|free_tier_daily|daily free allocation|{_DAY}",
        teaches=False,
        hint="the day's free requests are spent; they return at the stated reset, usually midnight UTC",
    ),
    _rule(
        Cause.ACCOUNT_MINUTE,
        Kind.ACCOUNT,
        "403 429",
        r"free-models-per-min|free_tier_per_minute|x-ratelimit-remaining\W+0",
        teaches=False,
    ),
    # A cap that does its work is no fault of the cap: only an answer that does not know the field blames it.
    _rule(Cause.NOT_FREE, Kind.GONE, says=r"excluded_by.{0,200}max_price|constraint_filtered", teaches=False),
    _rule(Cause.PRICE_CAP, Kind.UNFIT, "400 422", r"\bmax_price\b", teaches=False),
    _rule(Cause.MAX_TOKENS_402, Kind.UNFIT, "402", r"fewer max_tokens", teaches=False, hint="lower max_tokens"),
    _rule(
        Cause.DEBT,
        Kind.ACCOUNT,
        "402",
        teaches=False,
        hint="a negative balance blocks free models too; see openrouter.ai/settings/credits",
    ),
    _rule(Cause.ACCOUNT_BUDGET, Kind.ACCOUNT, "403", r"guardrail_budget|workspace_budget|key_limit|key limit", teaches=False),
    # -- the model, for now -----------------------------------------------------------------------------------------
    # Z.ai's 1302 and Ollama Cloud's one at a time: how many at once, not how many a minute.
    _rule(Cause.CONCURRENCY, Kind.BUSY, "429 503", r"concurren|simultaneous|in parallel|\b1302\b", teaches=False),
    _rule(Cause.AMBIGUOUS_429, Kind.BUSY, "429"),
    # -- the model, for good ----------------------------------------------------------------------------------------
    _rule(Cause.HARNESS_GATED, Kind.GONE, "403", r"agentic harness"),
    _rule(Cause.TERMS, Kind.GONE, "403", r"FreeTierError|can only be used from within|region|country|not available in your"),
    _rule(Cause.NO_TOOLS, Kind.UNFIT, "400 404 422", r"support tool use|does not support (?:tools|function)", "tools tool_choice"),
    _rule(Cause.NO_TOOL_CHOICE, Kind.UNFIT, "400 404 422", r"support the provided 'tool_choice'|tool_choice.{0,40}not support", "tool_choice"),
    _rule(Cause.NO_IMAGE, Kind.UNFIT, "400 404 422", r"support image input|image input is not|does not support image", "image"),
    _rule(Cause.NO_AUDIO, Kind.UNFIT, "400 404 422", r"support (?:input )?audio|audio input is not", "audio"),
    _rule(Cause.NO_FILE, Kind.UNFIT, "400 404 422", r"support (?:file|pdf|document)", "file"),
    _rule(Cause.NO_PARAMETERS, Kind.UNFIT, "404", r"can handle the requested parameters", "structured_outputs response_format"),
    _rule(Cause.DATA_POLICY, Kind.GONE, "404", r"data policy|guardrail restrictions|privacy", teaches=False, hint=_PRIVACY),
    _rule(Cause.NO_PROVIDER, Kind.GONE, "404", r"No allowed providers", teaches=False, hint=_PRIVACY),
    _rule(Cause.UPSTREAM_404, Kind.BUSY, "404", r"provider returned error"),
    _rule(Cause.GONE, Kind.GONE, "404 410"),
    _rule(Cause.NOT_A_MODEL, Kind.GONE, "400", r"is not a valid model|model_not_found|unknown model|model .{0,80}(?:does not|doesn't) exist"),
    _rule(Cause.DEGRADED, Kind.BUSY, "400", r"DEGRADED"),
    _rule(
        Cause.CONTEXT,
        Kind.UNFIT,
        "400 413 422 500 502",
        r"context.{0,12}(?:length|window)|context_length_exceeded|maximum context|prompt is too long|too many tokens|input.{0,20}too long",
        teaches=False,
    ),
    # -- the request as this model takes it: asked again in a plainer form, as `quirks` says for each word ------------
    _rule(Cause.NO_SYSTEM, Kind.UNFIT, "400 422 500", r"Developer instruction is not enabled|System role not supported", "no-system"),
    _rule(Cause.LATER_SYSTEM, Kind.UNFIT, "400 422 500", r"System message must be at the beginning|system messages? must .{0,20}first", "later-system"),
    _rule(Cause.DEVELOPER, Kind.UNFIT, "400 422", r"developer is not one of|Input tag 'developer'|Incorrect role information", "developer"),
    _rule(Cause.ALTERNATION, Kind.UNFIT, "400 422 500", r"roles must alternate", "alternation"),
    _rule(Cause.USER_AFTER_TOOL, Kind.UNFIT, "400 422", r"Unexpected role 'user' after role 'tool'", "user-after-tool"),
    _rule(Cause.TOOL_IDS, Kind.UNFIT, "400 422", r"tool call id.{0,80}length of 9", "tool-ids-9"),
    _rule(
        Cause.PREFILL,
        Kind.UNFIT,
        "400 422 500",
        r"assistant message prefill|must end with a user message|ending with a model turn|Expected last role User|prefill is incompatible"
        r"|ends with a user role",
        "prefill",
    ),
    _rule(Cause.TOOL_NAME, Kind.UNFIT, "400", r"function_response\.name: Name cannot be empty|REQUIRED_FIELD_MISSING.{0,60}name", "tool-name"),
    _rule(Cause.CONTENT_NULL, Kind.UNFIT, "400", r"required properties at '/messages/\d+' are 'role,content'", "content-null"),
    _rule(
        Cause.FLAT_CONTENT,
        Kind.UNFIT,
        "400 422",
        r"content.{0,40}(?:value must be a string|Input should be a valid string|Expected one of: \['str'\])|list is only supported for user"
        r"|Type mismatch of '/messages/\d+/content'",
        "flat-content",
    ),
    _rule(Cause.JSON_WITH_TOOLS, Kind.UNFIT, "400", r"(?:json mode|json_object\W?) cannot be combined|with a response mime type|tools\W{1,6}is incompatible with \W{0,6}response_format", "json-with-tools"),
    _rule(Cause.NO_JSON_SCHEMA, Kind.UNFIT, "400 422", r"response_format.{0,40}(?:unavailable|not support)|json_schema.{0,30}(?:unavailable|not support)", "structured_outputs"),
    _rule(Cause.NAMED_TOOL_CHOICE, Kind.UNFIT, "400", r"Invalid tool_choice type: 'object'", "named-tool-choice"),
    _rule(Cause.MAX_TOKENS_16, Kind.UNFIT, "400", r"Expected a value >= 16", "max-tokens-16"),
    _rule(Cause.MAX_COMPLETION_TOKENS, Kind.UNFIT, "400", r"Use 'max_completion_tokens' instead", "max_completion_tokens"),
    _rule(Cause.REASONING_OFF, Kind.UNFIT, "400", r"Reasoning is mandatory|(?:always engages in|only works in) thinking|Budget 0 is invalid", "reasoning-off"),
    _rule(Cause.PENALTIES, Kind.UNFIT, "400", r"Penalty is not enabled", "penalties"),
    _rule(Cause.SCHEMAS, Kind.UNFIT, "400", r"Unknown name .{1,40} at '(?:tools|generation_config)", "plain-schemas"),
    # -- the request ------------------------------------------------------------------------------------------------
    _rule(Cause.TOO_LARGE, Kind.UNFIT, "413", teaches=False),
    _rule(Cause.TOKEN_LIMIT, Kind.UNFIT, "400 422", r"Token limit reached", teaches=False, hint="raise max_tokens"),
    _rule(Cause.MODERATION, Kind.REFUSED, "400 403", r"flagged_input|moderation|content_policy|content policy|\brefusal\b|\breasons\b.{0,9}\[", teaches=False),
    _rule(Cause.GUARDRAIL, Kind.REFUSED, "403", r"guardrail|\bpatterns\b", teaches=False),
    _rule(Cause.UPSTREAM_400, Kind.UNFIT, "400 409 422", r"provider returned error|provider_name|upstream"),
    _rule(Cause.BAD_REQUEST, Kind.UNFIT, "400 405 406 409 411 412 414-422", teaches=False),
    _rule(Cause.FORBIDDEN, Kind.BUSY, "403"),
    # -- the provider's trouble -------------------------------------------------------------------------------------
    _rule(Cause.TIMEOUT, Kind.SLOW, "408 504 524"),
    _rule(Cause.REDIRECTED, Kind.ACCOUNT, "300-399", teaches=False, hint="base_url redirects; keys never follow a redirect, so set the final address"),
    _rule(Cause.SERVER, Kind.BUSY, "500-599"),
    _rule(Cause.ODD_SUCCESS, Kind.BROKEN, "100-299"),
    _rule(Cause.UNKNOWN, Kind.BUSY),
)  # fmt: skip
