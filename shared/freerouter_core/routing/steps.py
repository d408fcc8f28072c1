"""What the engine asks of its driver (steps), and what it hears in return (events).

Data only. Times are unix seconds; `number` is the number of an attempt within its request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..catalogue.model import Catalogue, Model
from ..catalogue.providers import Account, Limit
from ..wire.answer import Answer
from ..wire.fault import Fault
from ..wire.structured import Form
from .charges import Charge, Refusal
from .congestion import Congestion
from .ruling import Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One model, asked once."""

    number: int
    model: Model
    account: Account
    soft_timeout: float
    """Seconds to the first token (streamed) or the whole answer; then another model is asked, too,
    and this attempt goes on."""
    stall_timeout: float
    """Seconds without a byte after which a stream that has begun is given up."""
    quiet_timeout: float = 60.0
    """Seconds without a token after which it is given up, while other bytes still come."""
    price_cap: bool = True
    """Whether the request says that it must cost nothing."""
    hedge: bool = False
    """Whether it was sent although another attempt was not late yet."""
    resumes: str | None = None
    """The text of a broken stream that it continues; None: it starts an answer."""
    lacks: frozenset[str] = frozenset()
    """What the model was known to lack when it was asked."""

    form: Form | None = None
    """How it is asked for structured output."""

    @property
    def known(self) -> Model:
        """The model, less what it lacks: so that it is asked in a form it takes."""
        return replace(self.model, lacks=self.lacks) if self.lacks else self.model


# -- steps --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reserve:
    """Take a share of each charge, leaving the part `keep` of every limit. → Granted | Refused

    `deadline`: when the request's time is over (unix seconds): a slow store is not waited for.
    `waits_until`: until when it stands in line, if it can be served in this line only.
    """

    attempt: Attempt
    charges: tuple[Charge, ...]
    tokens: int
    keep: float = 0.0
    deadline: float | None = None
    waits_until: float | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send the attempt and do not wait for it. → Woke"""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Show:
    """Show what this attempt thinks; another may still answer. → Woke"""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Commit:
    """This attempt has won: show the caller what it says from now on. → Woke"""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the attempt and settle what it reserved. → Woke"""

    attempt: Attempt
    why: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait until then for news of the attempts in flight.

    → Token | Failed | Done | Listed | Woke
    """

    until: float


@dataclass(frozen=True, slots=True)
class Wait:
    """What a request waits for.

    `reason`: in words. `ends`: when it is expected to end, unix seconds. `before`: how many
    requests stand before it in the same line.
    """

    reason: str
    ends: float
    before: int = 0


@dataclass(frozen=True, slots=True)
class Sleep:
    """Nothing is in flight: wait, but not past `deadline`. → Listed | Woke

    With a `scope`, wait in line with the others who wait for its limit. `stays`: whether the
    request can be served in this line only, so that those behind it must reckon with it. `wait`:
    what is waited for, to be told.
    """

    until: float
    scope: str | None = None
    deadline: float | None = None
    stays: bool = False
    wait: Wait | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Validate:
    """Ask the caller's validator and the guards about an answer. → Judged

    They have until `deadline`; None: as long as they want.
    """

    attempt: Attempt
    answer: Answer
    deadline: float | None = None


Step = Reserve | Send | Show | Commit | Cancel | Watch | Sleep | Validate


# -- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Granted:
    """The shares are taken."""

    at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The limit of `scope` has no room before `until`.

    `turn`: when the request's turn comes in the line; None: not known. `before`: how many stand
    before it. `limit`: which is full. `kept`: whether its room is kept for interactive requests.
    `learnt`: whether it was learnt from refusals. `guess`: whether even those did not tell it.
    """

    at: float
    until: float
    scope: str
    turn: float | None = None
    before: int = 0
    limit: Limit | None = None
    kept: bool = False
    learnt: bool = False
    guess: bool = False

    @property
    def ends(self) -> float:
        """When the request can go on, as far as is known."""
        return self.until if self.turn is None else max(self.until, self.turn)


@dataclass(frozen=True, slots=True)
class Token:
    """The first token of an attempt, or its first visible one.

    `visible`: the caller would see an answer. `thought`: it may be shown, and commits nobody.
    Pieces of tool calls are neither.
    """

    at: float
    number: int
    visible: bool
    thought: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What the caller had seen of a stream when it ended.

    `text`: without keys. `pieces`: whether pieces of a tool call were shown. `length`: characters
    of the text as it was shown, before keys were taken out of it.
    """

    text: str
    pieces: bool
    length: int


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt failed.

    `shown`: what the caller saw of it, if a stream may be continued. `partial`: what it had said,
    if the caller saw text of it and it was calling a tool. `congestion`: what a request costs
    others now, by provider, if that was looked at.
    """

    at: float
    number: int
    fault: Fault
    shown: Shown | None = None
    partial: Answer | None = None
    congestion: Mapping[str, Congestion] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt ended with something that claims to be an answer.

    `shown`: as in `Failed`. `spent_until`: its headers say that nothing is left of a limit before
    that time.
    """

    at: float
    number: int
    answer: Answer
    shown: Shown | None = None
    spent_until: float | None = None


@dataclass(frozen=True, slots=True)
class Woke:
    """Time passed, or the step is done.

    `congestion`: what a request costs others now, by provider, if that was looked at. `full`: which
    limits are known to be full for a background request, by scope.
    """

    at: float
    congestion: Mapping[str, Congestion] | None = None
    full: Mapping[str, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """Another list of models has come. `more`: whether a further one is on its way."""

    at: float
    catalogue: Catalogue
    more: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What the validator and the guards say of an answer.

    `problem`: the validator's objection; None: there is none. `teaches`: whether it is about the
    answer; a validator that broke or took too long says nothing about the model. `ruling`: the
    guards' opinion, if there are guards.
    """

    at: float
    problem: str | None
    teaches: bool = True
    ruling: Ruling | None = None


Event = Granted | Refused | Token | Failed | Done | Listed | Woke | Judged
