"""`Suspicions`: what refusals that name nobody say about an account.

**The theory.** A refusal is evidence about one of four things: this answer, this model, this
account, or the request itself. Many say which, in words that a row of `wire.rules` knows. The
others are read together.

*Several models of one account, refused alike, mean the account.* A bare 403 may be about the
model; from three models in the same words, with no answer of any other in between, it hardly is.
From five it is taken for proved; if pages of a gateway say so, only after half a minute. One model
alone never proves anything of its account.

*Refusals that state different ends are of different limits*, so of the models' own. A limit that is
full until a moment is not full until another one.

*An answer of the account disproves it.* Then each refusal was its model's own.

*The request is at fault only if independent accounts and families agree* (`final_error`). If
another account answers it, the request was good: then those who refused it are at fault.

    | refused alike                      | how many, by when           | what is concluded
    | 429 without words                  | 3 models in a minute        | the account is at a limit
    |                                    | 8 refusals, over 10 minutes | … that lasts
    |                                    | without a long gap          |
    | forbidden                          | 3 models, or 2 six times    | its key is worth nothing
    | no connection                      | 2 models in a minute        | nobody listens there
    | the server's trouble, in words     | 3 models                    | all of it is down
    | not found, or in an unknown status | 3 models                    | the account is refused
    | what another account then answered | 3 models                    | the account is refused

Being wrong costs little: the account's other models become last resorts, which are asked if nobody
else is left. Only a proof closes them out, for as long as the bench lasts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

from ..wire.fault import Cause
from ..wire.rule_words import OF_MODEL
from ..wire.rules import OF_UPSTREAM

N = TypeVar("N", int, float)

MINUTE = 60.0
MEMORY = 86_400.0
"""Seconds after which a suspicion that nothing renewed is dropped."""
PROVED_BY = 5
"""Models refused alike that prove it."""
PROVED_AFTER = 30.0
"""Seconds over which pages of a gateway must have come: it may have had a bad moment."""
REPEATED = 6
"""Refusals of at least two models that count as much as three models."""
LASTS_AFTER, LASTS_BY = 600.0, 8
"""Seconds over which, and refusals by which, a limit has outlasted any limit of minutes."""
LONGEST_GAP = 780.0
"""Seconds between two of them at most: in a longer gap it may have been over. The longest guessed
bench ends before."""
LASTS_MINUTES = 4
"""Refusals a minute apart from each other: those of one call say nothing of a long time."""
SAME_END = 2.0
"""Seconds by which the stated ends of one limit may be apart: some state whole seconds."""
MAX_KINDS, MAX_MODELS = 8, 32
"""Kinds of refusals, and models of each, that are remembered of an account."""
_WORD = re.compile(r"[^\W\d_]+")
WORDS = 80
"""Letters of a refusal's message that must be alike."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is believed of an account. `proved`: it is not even asked as a last resort."""

    cause: Cause
    proved: bool = False


@dataclass(slots=True)
class Suspicion:
    """Refusals alike, of models of one account. Times are unix seconds."""

    since: float
    refusals: dict[str, int] = field(default_factory=dict)
    """By model."""
    last: dict[str, float] = field(default_factory=dict)
    """When each model was refused last."""
    ends: float | None = None
    """When the limit ends, as the last refusal stated that this process saw."""
    steady: int = 0
    """Refusals that this process saw without a long gap between two."""
    minutes: list[float] = field(default_factory=list)
    """When the first of them came, and later ones that came a minute after the last of these."""
    lasts: bool = False
    """Whether it has gone on for longer than any limit of minutes lasts, and nobody answered."""

    def models_since(self, at: float) -> int:
        """How many models were refused after then."""
        return sum(last > at for last in self.last.values())

    @property
    def total(self) -> int:
        """All refusals."""
        return sum(self.refusals.values())

    def count(self, now: float, *, anew: bool) -> None:
        """One more refusal. `anew`: the ones before say nothing of it."""
        if anew:
            self.steady, self.minutes = 0, []
        self.steady += 1
        if not self.minutes or (
            len(self.minutes) < LASTS_MINUTES and now - self.minutes[-1] >= MINUTE
        ):
            self.minutes.append(now)
        enough = self.steady >= LASTS_BY and len(self.minutes) >= LASTS_MINUTES
        self.lasts = self.lasts or (enough and now - self.minutes[0] >= LASTS_AFTER)

    def is_of_another_limit(self, until: float | None, now: float) -> bool:
        """Whether a limit that ends then is another one: until a full one ends, it ends when it was
        said to."""
        if until is None or self.ends is None or now >= self.ends:
            return False
        return abs(until - self.ends) > SAME_END

    def joined(self, other: Suspicion) -> Suspicion:
        """What two processes saw, together: each may know of the other's refusals."""
        return replace(
            self,
            since=min(self.since, other.since),
            refusals=_larger(self.refusals, other.refusals),
            last=_larger(self.last, other.last),
        )


@dataclass(slots=True)
class Suspicions:
    """The suspicions against all accounts."""

    by_scope: dict[str, dict[str, Suspicion]] = field(default_factory=dict)

    def refused(
        self,
        scope: str,
        model: str,
        cause: Cause,
        message: str,
        now: float,
        *,
        until: float | None = None,
        page: bool = False,
    ) -> Conclusion | None:
        """Take in a refusal that may be the account's; what to conclude. `model`: its name.
        `until`: when the limit ends, if the refusal stated it. `page`: whether a gateway's page
        said so, or nothing."""
        if cause is not Cause.AMBIGUOUS_429 and speaks_of(model, message):
            return None
        if cause is Cause.SERVER and (not message or OF_UPSTREAM.search(message)):
            return None  # of an upstream, which others do not share; or it says nothing to compare
        kinds = self.by_scope.setdefault(scope, {})
        kind = f"{_KINDS.get(cause, cause.value)}|{_words(cause, message)}"
        suspicion = kinds.get(kind)
        if (
            suspicion is None
            or now - max(suspicion.last.values()) > MEMORY
            or suspicion.is_of_another_limit(until, now)
        ):
            kinds.pop(kind, None)
            while len(kinds) >= MAX_KINDS:
                del kinds[next(iter(kinds))]
            suspicion = kinds[kind] = Suspicion(now)
        gap = now - max(suspicion.last.values(), default=-math.inf)
        if model in suspicion.last or len(suspicion.last) < MAX_MODELS:
            suspicion.refusals[model] = suspicion.refusals.get(model, 0) + 1
            suspicion.last[model] = now
        suspicion.ends = until
        suspicion.count(now, anew=gap > LONGEST_GAP)
        return _conclusion(cause, suspicion, now, page=page)

    def answered(self, scope: str) -> bool:
        """A model of the account answered; whether it was under suspicion."""
        return self.by_scope.pop(scope, None) is not None


_KINDS = {Cause.CONNECT_TIMEOUT: Cause.CONNECT.value}
"""Causes that are the same for the account."""


def _conclusion(cause: Cause, suspicion: Suspicion, now: float, *, page: bool) -> Conclusion | None:
    models, total = len(suspicion.last), suspicion.total
    recent = suspicion.models_since(now - MINUTE)
    match cause:
        case Cause.AMBIGUOUS_429:
            if suspicion.lasts:
                return Conclusion(Cause.ACCOUNT_SPENT)
            return Conclusion(Cause.ACCOUNT_GUESSED) if recent >= 3 else None
        case Cause.CONNECT | Cause.CONNECT_TIMEOUT:
            return Conclusion(Cause.UNREACHABLE) if recent >= 2 else None
        case Cause.SERVER:
            return Conclusion(Cause.ACCOUNT_DOWN) if models >= 3 else None
        case Cause.FORBIDDEN:
            if models >= 3 or (models >= 2 and total >= REPEATED):
                enough = models >= PROVED_BY or total > REPEATED
                proved = enough and not (page and now - suspicion.since < PROVED_AFTER)
                return Conclusion(Cause.ACCOUNT_FORBIDDEN, proved)
            return None
        case _:
            return Conclusion(Cause.ACCOUNT_REFUSED) if models >= 3 else None


def _larger(one: dict[str, N], other: dict[str, N]) -> dict[str, N]:
    return one | {name: max(value, one.get(name, value)) for name, value in other.items()}


def speaks_of(model: str, message: str) -> bool:
    """Whether a refusal speaks of the model, or of models."""
    name = _short_name(model)
    text = _ADDRESS.sub(" ", message[:MAX_MESSAGE].lower())
    return (len(name) > 2 and name in text) or _MODEL.search(text) is not None


def names_model(model: str, message: str) -> bool:
    """Whether a refusal names the model itself: by its name, or as this one. A name that is also a
    word of English is none."""
    name, text = _short_name(model), message[:MAX_MESSAGE].lower()
    if _OF_MODEL.search(text):
        return True
    return _is_telling(name) and any(
        left[-1:] not in _IN_NAMES and right[:1] not in _IN_NAMES
        for left, right in pairwise(text.split(name))
    )


def _is_telling(name: str) -> bool:
    """Whether it can hardly be a word of English: it has letters and a number or a mark, or is
    long."""
    mixed = not (_LETTERS.isdisjoint(name) or _MARKS.isdisjoint(name))
    return mixed or _LONG_WORD.search(name) is not None


def _short_name(model: str) -> str:
    return model.rpartition("/")[2].partition(":")[0].lower()


MAX_MESSAGE = 2_000
"""Characters of a message that are searched."""
_LETTERS, _MARKS = frozenset("abcdefghijklmnopqrstuvwxyz"), frozenset("0123456789-.")
_IN_NAMES = _LETTERS | _MARKS - frozenset("-.")
_ADDRESS = re.compile(r"https?://\S{1,400}")
_MODEL = re.compile(
    r"(?<!language )(?<!')\bmodels?\b(?![`'\"]? ?(?:api|provider|service|platform|router|gateway"
    r"|studio|permission|scope)s?\b)(?!:read)"
)
"""The word, wherever it stands; not where it only says what kind of service this is, and not in
single quotes, where it is a field's name."""
_OF_MODEL = re.compile(OF_MODEL, re.IGNORECASE)
_LONG_WORD = re.compile(r"[a-z]{8}")


def _words(cause: Cause, message: str) -> str:
    """What must be alike in two refusals: their words, without numbers and identifiers."""
    if cause in (Cause.CONNECT, Cause.CONNECT_TIMEOUT, Cause.AMBIGUOUS_429):
        return ""
    return words_of(message)


def words_of(message: str) -> str:
    """A refusal's words, without numbers and identifiers: what is the same in another one."""
    words = _WORD.findall(message[: 4 * WORDS].lower())
    return " ".join(word for word in words if len(word) < 20)[:WORDS]
