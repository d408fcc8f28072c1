"""What the engine asks of its driver (steps) and is told in return (events). Data only; times are unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..catalogue.model import Model
from ..catalogue.providers import Account
from ..wire.answer import Answer
from ..wire.fault import Fault
from .limits import Charge


@dataclass(frozen=True, slots=True)
class Attempt:
    """One model asked once. `soft_timeout`: seconds to a first token (streamed) or a whole answer before another is asked
    beside it; `stall_timeout`: seconds between tokens; `price_cap`: whether the cap of price zero is sent; `resumes`: the text that a broken
    stream has shown and this attempt is to continue (None: it begins). `lacks`: what the model was known to lack when asked."""

    number: int
    model: Model
    account: Account
    soft_timeout: float
    stall_timeout: float
    price_cap: bool = True
    hedge: bool = False
    resumes: str | None = None
    lacks: frozenset[str] = frozenset()

    @property
    def known(self) -> Model:
        """The model as it is known, less what it turned out to lack: so that it is asked in a form it takes."""
        return replace(self.model, lacks=self.lacks) if self.lacks else self.model


@dataclass(frozen=True, slots=True)
class Reserve:
    """Take a share of each charge, keeping back `keep` of every limit. → Granted | Refused"""

    attempt: Attempt
    charges: tuple[Charge, ...]
    tokens: int
    keep: float = 0.0


@dataclass(frozen=True, slots=True)
class Send:
    """Send the attempt; do not wait. → Woke"""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Commit:
    """This attempt has won: show what it says from now on. → Woke"""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the attempt and settle it. → Woke"""

    attempt: Attempt
    why: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait for news of any attempt in flight, at the latest until. → Token | Failed | Done | Woke"""

    until: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Nothing is in flight: wait, in line with others who wait for `scope` where one is named, but not past `deadline`. → Woke"""

    until: float
    scope: str | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Validate:
    """Ask the caller's own validator and the guards about an answer, who have until `deadline` (None: no bound). → Judged"""

    attempt: Attempt
    answer: Answer
    deadline: float | None = None


Step = Reserve | Send | Commit | Cancel | Watch | Sleep | Validate


@dataclass(frozen=True, slots=True)
class Granted:
    at: float


@dataclass(frozen=True, slots=True)
class Refused:
    at: float
    until: float
    scope: str


@dataclass(frozen=True, slots=True)
class Token:
    """The first token of an attempt; `visible`: a caller may be shown it (a piece of a tool call is not)."""

    at: float
    number: int
    visible: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What the caller has seen of a stream by the time it ended: its text, and whether pieces of a tool call were among it."""

    text: str
    pieces: bool
    length: int
    """Characters of the text as it was shown, before keys were taken out of it."""


@dataclass(frozen=True, slots=True)
class Failed:
    at: float
    number: int
    fault: Fault
    shown: Shown | None = None


@dataclass(frozen=True, slots=True)
class Done:
    at: float
    number: int
    answer: Answer
    shown: Shown | None = None
    rests: float | None = None
    """Until when the answer's own headers say that nothing is left of a limit."""


@dataclass(frozen=True, slots=True)
class Woke:
    at: float


@dataclass(frozen=True, slots=True)
class Flag:
    """A guard's remark about an answer that was given all the same."""

    guard: str
    reason: str
    unsure: bool = False
    """Whether the guard itself failed: that says nothing of the model."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What all guards together say: `refused` in words why not (None: accepted), their flags, and what goes before the text. `unsure`:
    a guard failed where it should have judged, so nothing is to be learnt of the model."""

    refused: str | None = None
    flags: tuple[Flag, ...] = ()
    prepend: str = ""
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    at: float
    problem: str | None
    teaches: bool = True
    """Whether the objection is to the answer; a validator that broke or took too long says nothing of the model."""
    ruling: Ruling | None = None
    """The guards' opinion, where there are any."""


Event = Granted | Refused | Token | Failed | Done | Woke | Judged
