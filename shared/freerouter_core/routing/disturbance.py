"""`Disturbances`: accounts that answered lately, and now refuse everything alike.

**The theory.** A gateway that loses its table of models answers 404 to everybody; one that cannot
reach its store of keys answers 401; one with a broken configuration answers 400. For a minute such
an answer looks like a revoked key, vanished models or bad requests. But keys are seldom revoked,
and models seldom vanish, all at once and a second after they worked. So what would be proof against
an account that never worked is a *disturbance* of one that answered within the hour, until it has
lasted. Proof needs time as well as count.

    | refused alike, in the same words | how many                                 | who is held
    | the key (401)                    | two in a row, or of two requests         | everybody
    | forbidden, not found             | the same, of three models or all         | everybody
    | (403, 404, 410)                  |                                          |
    | a bad request (400)              | of two requests, of three models or all  | everybody
    | not found, a bad request         | all that one request may ask, if they    | this request
    |                                  | answered others of its likeness          |

**One look serves all.** Whoever is held waits 5 s, then 10, 20, 40 …; then one request looks for
all. A healthy account is so found again after as long as it was ill, at the latest. Who would be
held to its deadline looks shortly before, if nobody has for a while. A real refusal costs few
requests more.

**An end.** An answer to what was sent later ends it. If it has lasted for `LASTS` seconds (a key:
`KEY_LASTS`), it is believed what it says. If only one request is refused and nobody else, two looks
are enough: it is to blame, and its error says that the account answered others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..wire.fault import Fault
from .suspicion import words_of

FIRST_HOLD, LONGEST_HOLD = 5.0, 320.0
"""Seconds until the first look, and between two at most; doubled each time."""
LASTS, KEY_LASTS = 300.0, 70.0
"""Seconds after which what is refused is believed; and of a key, as its owner must act then."""
LASTS_BY = 5
"""Refusals, one after the other, by which it must have been."""
ENOUGH_MODELS = 3
"""Models refused alike that speak for all of an account."""
GAP = 1_800.0
"""Seconds without a refusal after which the next one is a first one again."""
MAX_KINDS, MAX_MODELS = 8, 32
"""Kinds of refusals, and models of each, that are remembered of an account."""
MAX_LIKENESSES = 512
"""Likenesses of requests, by account and model, that are remembered as answered."""


def hold(looks: int) -> float:
    """Seconds until the next look, after so many."""
    return min(LONGEST_HOLD, FIRST_HOLD * 2.0 ** min(looks, 16))


@dataclass(slots=True)
class Disturbance:
    """Refusals alike of one account that had answered lately. Times are unix seconds."""

    since: float
    """When the first of them came."""
    worked: float
    """When the account was asked what it answered last."""
    status: int | None
    of_key: bool = False
    """Whether it is the key that is refused."""
    models: set[str] = field(default_factory=set)
    """The names of those that were refused."""
    requests: set[int] = field(default_factory=set)
    """Two of the requests that were refused."""
    row: int = 0
    """Refusals, each of what was sent after the one before."""
    refused_at: float = -math.inf

    def refused(self, model: str, request: int, sent: float, now: float) -> None:
        """One more refusal, of what was sent then."""
        if sent >= self.refused_at:
            self.row += 1
            self.refused_at = now
        if len(self.models) < MAX_MODELS:
            self.models.add(model)
        if len(self.requests) < 2:
            self.requests.add(request)

    def lasts(self, now: float) -> bool:
        """Whether it has gone on for so long that it is believed."""
        lasts = KEY_LASTS if self.of_key else LASTS
        return now - self.since >= lasts and self.row >= LASTS_BY

    def told(self, provider: str, now: float) -> str:
        """What is known of it."""
        status = "" if self.status is None else f" with status {self.status}"
        return (
            f"{provider} has refused everything{status} for {max(0.0, now - self.since):.0f} s, "
            f"and answered {max(0.0, now - self.worked):.0f} s ago"
        )


@dataclass(slots=True)
class Disturbances:
    """Those of all accounts, and what speaks against one."""

    by_scope: dict[str, dict[str, Disturbance]] = field(default_factory=dict)
    """By account and by words."""
    answers: dict[tuple[str, str, int], float] = field(default_factory=dict)
    """When requests of a likeness were answered last, by account and model; of any model: ""."""
    requests: int = 0
    """Requests so far, to tell them apart."""

    def refused(
        self,
        scope: str,
        model: str,
        fault: Fault,
        now: float,
        *,
        request: int,
        sent: float,
        worked: float,
    ) -> Disturbance:
        """Take in a refusal of an account that answered lately."""
        kinds = self.by_scope.setdefault(scope, {})
        kind = f"{fault.status}|{words_of(fault.message)}"
        found = kinds.get(kind)
        if found is None or now - found.refused_at > GAP:
            kinds.pop(kind, None)
            while len(kinds) >= MAX_KINDS:
                del kinds[next(iter(kinds))]
            found = Disturbance(now, worked, fault.status, fault.effect.key_refused)
            kinds[kind] = found
        found.refused(model, request, sent, now)
        return found

    def answered(self, scope: str, sent: float) -> None:
        """The account answered what was sent then."""
        kinds = self.by_scope.pop(scope, {})
        left = {kind: found for kind, found in kinds.items() if sent < found.since}
        if left:
            self.by_scope[scope] = left

    def did(self, scope: str, model: str, likeness: int, now: float) -> None:
        """A model of the account answered a request of a likeness."""
        for key in ((scope, model, likeness), (scope, "", likeness)):
            self.answers.pop(key, None)
            self.answers[key] = now
        while len(self.answers) > MAX_LIKENESSES:
            del self.answers[next(iter(self.answers))]

    def last_answer(self, scope: str, likeness: int, model: str = "") -> float:
        """When a request of that likeness was answered last there."""
        return self.answers.get((scope, model, likeness), -math.inf)

    def of(self, scope: str) -> Disturbance | None:
        """The one that began last; None: there is none."""
        kinds = self.by_scope.get(scope)
        return max(kinds.values(), key=lambda found: found.refused_at) if kinds else None

    def reset(self) -> None:
        """Forget everything."""
        self.by_scope.clear()
        self.answers.clear()
