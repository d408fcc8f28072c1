"""`Fault`: one failure, understood. `Kind` says what it changes, `Cause` which failure it is.

The eight kinds decide what a request does next. A few causes have effects of their own beside
their kind's; those are attributes of the cause, so that no other module compares names.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Literal, Self


class Kind(StrEnum):
    """What a fault changes; see the table in `wire.judge`."""

    BUSY = "busy"
    ACCOUNT = "account"
    SLOW = "slow"
    BROKEN = "broken"
    UNFIT = "unfit"
    GONE = "gone"
    REFUSED = "refused"
    FATAL = "fatal"

    @property
    def passing(self) -> bool:
        """Whether the same model may answer the same request a little later."""
        return self in (Kind.BUSY, Kind.SLOW, Kind.BROKEN)


Reset = Literal["rolling", "utc-day", "utc-month"]


@dataclass(frozen=True, slots=True)
class Rest:
    """How long an account rests if nobody says how long: seconds at first, by how much each
    further refusal multiplies them, and seconds at most."""

    first: float
    growth: float
    longest: float


BRIEF = Rest(20.0, 2.0, 600.0)
"""What may pass within minutes."""
LASTING = Rest(900.0, 4.0, 6 * 3_600.0)
"""What stays until somebody acts, or for days: a debt, a week's limit, a permission."""
KEY_REST = Rest(900.0, 4.0, 86_400.0)
"""A refused key is refused until it is another one. But providers have refused good keys for
minutes (RooCodeInc/Roo-Code#6459, anomalyco/opencode#14252), so one request looks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a cause changes besides what its kind does."""

    limit: Literal["account", "model", "unclear"] | None = None
    """Whose limit on requests refused: the account's, the model's own, or nobody said whose."""
    rest: Rest = BRIEF
    """How long the account rests, if it is the account's."""
    suspect: bool = False
    """Whether it may have been the account that was refused, although the refusal does not say."""
    of_model: bool = False
    """Whether it is the model's alone if another model of the same account answers."""
    universal: bool = False
    """Whether what refuses it is the request itself, whoever is asked."""
    unrecognised: bool = False
    """Whether it says no more than that this request was refused."""
    paced: bool = False
    """Whether the refusal says that requests came too fast, so that a slower rate is learnt."""
    minute: Literal["account", "model"] | None = None
    """Whose limit of a minute was full, if the refusal says so."""
    reset: Reset | None = None
    """When such a limit resets if the refusal names no time, and whose limit it is is certain."""
    key_refused: bool = False
    """The key will be refused until it is another one."""
    of_gateway: bool = False
    """Whether a gateway in trouble may say so to everybody, for a while."""
    ours: bool = False
    """Whether this machine is at fault, so that nothing was sent and nobody is to blame."""
    crowded: bool = False
    """Too many requests were under way at once."""
    unreached: bool = False
    """Nobody listened at the address."""
    turned_away: bool = False
    """Whether a server or a limit had no room, before any answer was begun: later it may have. Of a
    server's own error only some statuses say so; see `Fault.turned_away`."""
    blames_price_cap: bool = False
    """The provider does not know the field that caps the price."""
    unexplained: bool = False
    """Nothing says why the model is gone: the price cap may have hidden it."""
    too_long: bool = False
    """The prompt is too long for this model; `context`: models with larger windows may take it."""
    context: bool = False
    names_field: bool = False
    """The message may name the field of the request that the model does not take."""
    of_part: bool = False
    """A part of the request is refused. `lacks`: what the model lacks if that is no accident."""
    by_guard: bool = False
    """A content guard of the caller's rejected a whole answer."""
    unaccepted: bool = False
    """The answer was whole, and not what was asked for: it is kept for `include_raw`."""
    at_end: bool = False
    """Found in an answer that was shown to its end: there is nothing left to continue."""
    out_of_tokens: bool = False
    """The caller's own `max_tokens` ended the answer."""
    empty: bool = False
    """No text and no tool call came."""
    hollow: bool = False
    """An object without content: believed if it comes twice."""
    text_call: bool = False
    """A call that was written as text."""
    flawed_call: bool = False
    """A tool call that cannot be carried out: with nobody left, it is given as an invalid one."""
    way: Literal["tools", "structured"] | None = None
    """The way of asking that the model did badly. Its other ways may be good."""

    @property
    def own_limit(self) -> bool:
        """Whether a limit of the caller's own was full, whoever's it was. An upstream that is busy
        for everybody is none, and no server that fails."""
        return self.limit is not None or self.crowded


class Cause(StrEnum):
    """Which failure a fault is.

    Causes come from the rows of `wire.rules`, from transports, and from what is wrong with an
    answer.
    """

    effect: Effect

    def __new__(cls, value: str, effect: Effect = Effect()) -> Self:  # immutable
        member = str.__new__(cls, value)
        member._value_ = value
        member.effect = effect
        return member

    # -- the account ------------------------------------------------------------------------------
    KEY_REFUSED = "key-refused", Effect(key_refused=True, rest=KEY_REST, of_gateway=True)
    ACCOUNT_FORBIDDEN = "account-forbidden", Effect(key_refused=True, rest=LASTING)
    """Several models of one account were forbidden alike: the key is good for nothing."""
    LOCATION = "location", Effect(rest=LASTING)
    ANONYMOUS_LIMIT = "anonymous-limit", Effect(limit="account", rest=LASTING)
    ACCOUNT_MINUTE = "account-minute", Effect(limit="account", minute="account", reset="rolling")
    ACCOUNT_DAY = "account-day", Effect(limit="account", reset="utc-day", rest=LASTING)
    ACCOUNT_MONTH = "account-month", Effect(limit="account", reset="utc-month", rest=LASTING)
    ACCOUNT_WINDOW = "account-window", Effect(limit="account", rest=Rest(300.0, 2.0, 3_600.0))
    """A limit of some hours."""
    ACCOUNT_WEEK = "account-week", Effect(limit="account", rest=LASTING)
    ACCOUNT_BUDGET = "account-budget", Effect(limit="account", rest=LASTING)
    ACCOUNT_GUESSED = "account-guessed", Effect(limit="account", paced=True)
    """Several models of one account were refused alike, and nobody said whose limit it was."""
    ACCOUNT_SPENT = "account-spent", Effect(limit="account", rest=LASTING)
    """So it went on for longer than any limit of minutes lasts."""
    ACCOUNT_DOWN = "account-down"
    """Several models of one account failed alike, and the refusals name none of them."""
    ACCOUNT_DISTURBED = "account-disturbed"
    """It refuses everything alike, although it answered lately."""
    UNREACHABLE = "unreachable"
    """Several models of one account could not be reached: nobody listens there."""
    ACCOUNT_REFUSED = "account-refused", Effect(rest=LASTING)
    """Its models refused in the same words what other accounts answered."""
    DEBT = "debt", Effect(rest=LASTING, of_model=True)
    NO_PLAN = "no-plan", Effect(rest=LASTING, of_model=True)
    """The account has no subscription, or one that does not include this."""
    REDIRECTED = "redirected"
    GATEWAY_FORBIDS = "gateway-forbids", Effect(of_gateway=True)
    """A page says that it is forbidden: a gateway's, before the service, which knows no key."""

    # -- the model, for now -----------------------------------------------------------------------
    UPSTREAM_401 = "upstream-401"
    UPSTREAM_DEBT = "upstream-debt"
    UPSTREAM_403 = "upstream-403"
    UPSTREAM_404 = "upstream-404"
    UPSTREAM_429 = "upstream-429", Effect(turned_away=True)
    AMBIGUOUS_429 = (
        "ambiguous-429",
        Effect(limit="unclear", paced=True, suspect=True, turned_away=True),
    )
    MODEL_MINUTE = "model-minute", Effect(limit="model", minute="model", turned_away=True)
    MODEL_LIMIT = "model-limit", Effect(limit="model", turned_away=True)
    """A limit of its tokens, or nobody said of what."""
    MODEL_DAY = "model-day", Effect(limit="model", reset="utc-day")
    CONCURRENCY = "concurrency", Effect(crowded=True, turned_away=True)
    DEGRADED = "degraded", Effect(turned_away=True)
    NOT_LOADED = "not-loaded", Effect(turned_away=True)
    FORBIDDEN = "forbidden", Effect(suspect=True, of_gateway=True)
    SERVER = "server", Effect(suspect=True, turned_away=True)
    TIMEOUT = "timeout"
    UNKNOWN = "unknown", Effect(suspect=True)

    # -- one generation ---------------------------------------------------------------------------
    JSON_FAILED = "json-failed", Effect(way="structured")
    CALL_FAILED = "call-failed", Effect(way="tools")
    GENERATION_FAILED = "generation-failed"

    # -- the model, for good ----------------------------------------------------------------------
    GONE = "gone", Effect(unexplained=True, suspect=True, of_gateway=True)
    NOT_A_MODEL = "not-a-model"
    NO_FREE_QUOTA = "no-free-quota"
    NOT_FREE = "not-free"
    HARNESS_GATED = "harness-gated"
    TERMS = "terms"
    DATA_POLICY = "data-policy"
    NO_PROVIDER = "no-provider"

    # -- what the model cannot do -----------------------------------------------------------------
    CONTEXT = "context", Effect(too_long=True, context=True)
    TOO_LARGE = "too-large", Effect(too_long=True)
    OUTPUT_TOO_LARGE = "output-too-large", Effect(names_field=True)
    MAX_TOKENS_402 = "max-tokens-402"
    BAD_PART = "bad-part", Effect(of_part=True)
    """A picture, a file or a tool that is no good, as far as is known: models may well take others.
    """
    PRICE_CAP = "price-cap", Effect(blames_price_cap=True)
    NO_TOOLS = "no-tools"
    NO_TOOL_CHOICE = "no-tool-choice"
    NO_IMAGE = "no-image"
    NO_AUDIO = "no-audio"
    NO_VIDEO = "no-video"
    NO_FILE = "no-file"
    NO_PARAMETERS = "no-parameters"
    NO_PARAMETER = "no-parameter"

    # -- the form the model takes a request in ----------------------------------------------------
    NO_SYSTEM = "no-system"
    LATER_SYSTEM = "later-system"
    DEVELOPER = "developer"
    ALTERNATION = "alternation"
    USER_AFTER_TOOL = "user-after-tool"
    TOOL_IDS = "tool-ids"
    TOOL_NAME = "tool-name"
    PREFILL = "prefill"
    CONTENT_NULL = "content-null"
    CONTENT_EMPTY = "content-empty"
    REASONING_REQUIRED = "reasoning-required"
    REASONING_FIELDS = "reasoning-fields"
    FLAT_CONTENT = "flat-content", Effect(names_field=True)
    JSON_WITH_TOOLS = "json-with-tools"
    NO_JSON_SCHEMA = "no-json-schema"
    NAMED_TOOL_CHOICE = "named-tool-choice"
    MAX_TOKENS_16 = "max-tokens-16"
    MAX_COMPLETION_TOKENS = "max_completion_tokens"
    REASONING_OFF = "reasoning-off"
    PENALTIES = "penalties"
    SCHEMAS = "schemas"

    # -- the request ------------------------------------------------------------------------------
    UPSTREAM_400 = "upstream-400", Effect(names_field=True, unrecognised=True)
    BAD_REQUEST = (
        "bad-request",
        Effect(names_field=True, unrecognised=True, of_gateway=True),
    )
    BAD_VALUE = "bad-value", Effect(names_field=True, universal=True)
    """A value that the interface itself does not allow."""
    TOKEN_LIMIT = "token-limit", Effect(out_of_tokens=True)
    MODERATION = "moderation", Effect(universal=True)
    GUARDRAIL = "guardrail"

    # -- the transport ----------------------------------------------------------------------------
    CONNECT = "connect", Effect(suspect=True, unreached=True)
    CONNECT_TIMEOUT = "connect-timeout", Effect(suspect=True, unreached=True)
    READ_TIMEOUT = "read-timeout"
    PROTOCOL = "protocol"
    NO_SOCKET = "no-socket", Effect(ours=True)
    OTHER = "other"
    NO_TOKEN = "no-token"  # noqa: S105  # no password
    """The attempt was cancelled before its first token: others were asked meanwhile."""
    SLOW = "slow"
    STALL = "stall"

    # -- vectors --------------------------------------------------------------------------------
    NO_VECTORS = "no-vectors"
    """Too few or too many, in no order, or no finite numbers."""
    OTHER_SPACE = "other-space"
    """They are of another model, whatever the name says."""
    TEXT_CUT = "text-cut"
    """Texts were cut in silence."""
    NO_RANKING = "no-ranking"
    """No order of the texts that were given."""

    # -- the answer -------------------------------------------------------------------------------
    CUT = "cut"
    """A connection that was cut, or a stream that ended without a finish reason."""
    EMPTY = "empty", Effect(empty=True)
    LENGTH = "length", Effect(out_of_tokens=True)
    ODD_SUCCESS = "odd-success"
    REFUSAL = "refusal", Effect(universal=True)
    CONTENT_FILTER = "content-filter", Effect(universal=True)
    TRUNCATED_TOOL = "truncated-tool", Effect(flawed_call=True, way="tools")
    UNKNOWN_TOOL = "unknown-tool", Effect(at_end=True, flawed_call=True, way="tools")
    OTHER_TOOL = "other-tool", Effect(at_end=True, flawed_call=True, way="tools")
    NO_TOOL_CALL = "no-tool-call", Effect(at_end=True, way="tools")
    UNINVITED_CALL = "uninvited-call", Effect(flawed_call=True)
    CALL_AS_TEXT = (
        "call-as-text",
        Effect(at_end=True, flawed_call=True, text_call=True, way="tools"),
    )
    NOT_THE_SCHEMA = "not-the-schema", Effect(unaccepted=True, at_end=True, way="structured")
    HOLLOW = "hollow", Effect(hollow=True, unaccepted=True, at_end=True)
    """An empty object, where the schema has properties and demands none."""
    INVALID = "invalid", Effect(unaccepted=True, at_end=True)
    """The caller's own validator rejected it."""
    GUARD = "guard", Effect(by_guard=True)
    BEGUN_ANEW = "begun-anew"
    """A model that was to continue a text began it again."""


NO_ROOM = frozenset({503, 529})
"""Errors of a server that is too busy, or is starting. Others failed at what they had begun."""
FIRST_DOUBTED, LONGEST_DOUBTED = 60.0, 3_600.0
"""Seconds after which a doubted wait is probed: after a first refusal, and after many in a row."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure, understood.

    `message`: the provider's own words, shortened, without keys. `until`: the stated wait, unix
    seconds; None: a guess is made and probed. `doubted`: whether that time may have been meant in
    another unit, so that it is probed, too. `lacks`: request parameters or input kinds that the
    model turned out not to have. `context`: the context window it stated, tokens. `limit`: the
    requests that a minute's limit allows, if the refusal says so. `teaches`: whether the fault says
    anything about the model. Limits of the account and mistakes of the caller do not. `page`:
    whether a gateway's page said so, or nothing. `names_part`: whether it names the part of the
    request that it refuses.
    """

    kind: Kind
    cause: Cause
    message: str = ""
    _: KW_ONLY
    status: int | None = None
    until: float | None = None
    doubted: bool = False
    lacks: frozenset[str] = frozenset()
    context: int | None = None
    limit: int | None = None
    teaches: bool = True
    hint: str = ""
    page: bool = field(default=False, compare=False)
    names_part: bool = field(default=False, compare=False)

    @property
    def effect(self) -> Effect:
        """What the cause changes besides what the kind does."""
        return self.cause.effect

    @property
    def turned_away(self) -> bool:
        """Whether nobody began to answer, so that this was no try of the model."""
        return self.effect.turned_away and (
            self.cause is not Cause.SERVER or self.status in NO_ROOM
        )

    def rests_until(self, now: float, strikes: int) -> float | None:
        """When the stated wait ends; one that is doubted, earlier. `strikes`: refusals in a row."""
        if self.until is None or not self.doubted:
            return self.until
        probed_after = min(LONGEST_DOUBTED, FIRST_DOUBTED * 2.0 ** min(strikes - 1, 9))
        return min(self.until, now + probed_after)
