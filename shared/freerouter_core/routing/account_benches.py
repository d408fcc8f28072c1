"""`AccountBenches`: accounts that are at a limit, in debt, or whose key is refused.

A bench of an account stops all its models, so it needs better proof than a bench of one model. A
refusal that names the account is proof enough. One that does not is a suspicion; `suspicion` says
when several of them mean the account.

A wait that the provider states is kept to the second (law 8). Else each cause has its `Rest`, which
grows with every refusal that finds it still true. That a bench has ended proves nothing, so it is
remembered until the account answers. Only a stated wait and a proof keep the account from being
asked as a last resort.

A refused key is refused until it is another one. But some servers refuse a good key now and then.
So the first refusal of a key that answered lately is doubted. Those that follow are a disturbance
at first (`disturbance`): everybody is held, and one request looks for all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from ..wire.fault import BRIEF, Cause, Fault, Rest
from .crowding import SOON
from .disturbance import Disturbances, hold
from .guessed_bench import JITTER
from .suspicion import MINUTE, Conclusion, Suspicions

LOOK_AGAIN = 60.0
"""Seconds between two requests that look whether an account that seems to be spent has quota
again. So long has it refused that it may well do so for the rest of the day."""
LOOK_LASTS = 5.0
"""Seconds after which another request may look whether a disturbed account answers again, while the
first one hears nothing."""
LOOK_POLL = 0.5
"""Seconds until those who wait find out what it heard."""
LAST_LOOK_GAP = 15.0
"""Seconds since the last look after which a request that would be held to its end looks before."""
LATELY = 3_600.0
"""Seconds for which an answer speaks for its account's key."""


@dataclass(slots=True)
class Bench:
    """Why an account is not asked, and until when. Times are unix seconds.

    `stated`: the provider named the time; else it is a guess, and one probe ends it. `strikes`:
    refusals for this cause, each after the bench of the one before. `proved`: it is no guess,
    although nobody named the time. `since`: when it began. `model`: the name of the model that was
    refused.
    """

    until: float
    stated: bool
    cause: Cause
    strikes: int = 1
    proved: bool = False
    since: float = 0.0
    model: str = ""

    @property
    def firm(self) -> bool:
        """Whether the account is not even a last resort."""
        return self.stated or self.proved

    @property
    def worth_waiting_until(self) -> float:
        """When a request that waits for it may go on. A refused key is not waited for."""
        return math.inf if self.cause.effect.key_refused else self.until


@dataclass(slots=True)
class AccountBenches:
    """The benches of all accounts, by scope. Only the book's methods change them."""

    benches: dict[str, Bench] = field(default_factory=dict)
    suspicions: Suspicions = field(default_factory=Suspicions)
    disturbances: Disturbances = field(default_factory=Disturbances)
    worked: dict[str, float] = field(default_factory=dict)
    """When each account answered last, unix seconds."""
    rounds: dict[str, float] = field(default_factory=dict)
    """When the bench before each account's latest one ended, unix seconds; of its first bench, when
    what was refused had been sent."""
    looks: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each model, by its account's scope and its name, was asked last while its account was
    benched; of a disturbed one, any model: ""."""

    def get(self, scope: str) -> Bench | None:
        """The account's bench, ended or not; None: it has none."""
        return self.benches.get(scope)

    def refused(
        self,
        scope: str,
        fault: Fault,
        now: float,
        rng: Random,
        *,
        model: str = "",
        sent: float | None = None,
        proved: bool | None = None,
    ) -> None:
        """Bench an account. A guess never replaces a stated wait that has not ended.

        `model`: who was refused. `sent`: when it was asked; None: just now. `proved`: whether it is
        no guess; None: a refusal that names the key is none.
        """
        before = self.benches.get(scope)
        sent = now if sent is None else sent
        strikes = 1 if self._let_in(scope) else _strikes(before, fault, sent)
        if before is None or sent >= before.until:
            self.rounds[scope] = sent if before is None else before.until
        doubted = proved is None and self._is_doubted(scope, before, fault, now, sent)
        bench = _bench(fault, strikes, now, rng, BRIEF if doubted else fault.effect.rest)
        bench.model = model
        bench.proved = fault.effect.key_refused and not doubted if proved is None else proved
        if (
            before is None
            or bench.proved
            or not before.firm
            or before.until <= max(now, bench.until if bench.stated else now)
        ):
            self.benches[scope] = bench

    def _is_doubted(
        self, scope: str, before: Bench | None, fault: Fault, now: float, sent: float
    ) -> bool:
        """Whether a key was refused that answered lately: servers do that by mistake, one time in
        ten. The refusal of what was sent after it is the proof."""
        is_first = before is None or before.cause is not fault.cause or sent < before.since
        return fault.effect.key_refused and self.worked_lately(scope, now) and is_first

    def _let_in(self, scope: str) -> bool:
        """Whether the account answered anything that was sent since the bench before its latest one
        had ended. Of a burst refusals come first: such an answer does not end the bench they made.
        But an account that lets some in is not asked in vain, so its rests do not grow."""
        return self.worked.get(scope, -math.inf) >= self.rounds.get(scope, math.inf)

    def seems_full(self, scope: str) -> bool:
        """Whether several models of the account were refused alike, so that all of it seems to be
        at a limit, and none has answered since."""
        bench = self.benches.get(scope)
        return bench is not None and bench.cause is Cause.ACCOUNT_GUESSED

    def worked_lately(self, scope: str, now: float) -> bool:
        """Whether the account answered within the hour."""
        return now - self.worked.get(scope, -math.inf) <= LATELY

    def disturbed(self, scope: str, now: float, sent: float, rng: Random) -> None:
        """The account refuses everything alike what was sent then: hold everybody."""
        before, looks = self.benches.get(scope), 0
        if before is not None and before.cause is Cause.ACCOUNT_DISTURBED:
            if sent < before.until:  # no look, or one before its time
                before.since = now if sent >= before.since else before.since
                return
            looks = before.strikes
        elif before is not None and before.firm and before.until > now:
            return
        seconds = hold(looks) * (1 + JITTER * (2 * rng.random() - 1))
        self.benches[scope] = Bench(
            now + seconds, False, Cause.ACCOUNT_DISTURBED, looks + 1, since=now
        )

    def is_disturbed(self, scope: str) -> bool:
        """Whether the account refuses everything alike, and that is not believed yet."""
        bench = self.benches.get(scope)
        return bench is not None and bench.cause is Cause.ACCOUNT_DISTURBED

    def seems_empty(self, scope: str) -> bool:
        """Whether all models of the account seem to be gone, and that is not believed yet."""
        found = self.disturbances.of(scope)
        return self.is_disturbed(scope) and found is not None and found.status in (404, 410)

    def believed(self, scope: str) -> None:
        """It is no disturbance: hold nobody for one."""
        if self.is_disturbed(scope):
            del self.benches[scope]

    def suspected(self, scope: str) -> bool:
        """Whether anything is held against the account that an answer would disprove."""
        return scope in self.benches or scope in self.suspicions.by_scope

    def suspect(self, scope: str, model: str, fault: Fault, now: float) -> Conclusion | None:
        """Take in a refusal that may be the account's; what to conclude."""
        return self.suspicions.refused(
            scope, model, fault.cause, fault.message, now, until=fault.until, page=fault.page
        )

    def answered(self, scope: str, model: str, sent: float) -> str | None:
        """A model of the account answered what was sent then.

        That ends guesses and their growth. Returns the name of another model, if the refusal that
        benched the account was then that model's own.
        """
        self.suspicions.answered(scope)
        self.disturbances.answered(scope, sent)
        self.worked[scope] = max(sent, self.worked.get(scope, sent))
        bench = self.benches.get(scope)
        if bench is None or sent < bench.since or (bench.stated and bench.until > sent):
            return None
        del self.benches[scope]
        self.looks = {key: at for key, at in self.looks.items() if key[0] != scope}
        return bench.model if bench.cause.effect.of_model and bench.model != model else None

    def looked(self, scope: str, model: str, now: float) -> None:
        """A model is asked: one request looks for all who wait for it."""
        if scope in self.benches:
            self.looks[scope, model] = self.looks[scope, ""] = now

    def next_look(
        self, scope: str, model: str, now: float, time_left: float | None = None
    ) -> float:
        """When a request that has nobody else to ask may ask the model again, if its account seems
        to be spent. Another model's refusals say nothing of that: one may have been at fault. A
        disturbed account is looked at through any of its models. `time_left`: seconds until the
        request's deadline; None: there is none."""
        bench = self.benches.get(scope)
        if bench is not None and bench.cause is Cause.ACCOUNT_DISTURBED:
            return self._next_look_of_all(scope, bench, now, time_left)
        if bench is None or bench.cause is not Cause.ACCOUNT_SPENT:
            return -math.inf
        return self.looks.get((scope, model), -math.inf) + LOOK_AGAIN

    def _next_look_of_all(
        self, scope: str, bench: Bench, now: float, time_left: float | None
    ) -> float:
        """When one request may look for all who wait for a disturbed account. Who would be held to
        its end asks shortly before, if nobody has asked for a while."""
        looked = self.looks.get((scope, ""), -math.inf)
        if looked > bench.since:  # somebody is looking
            return min(looked + LOOK_LASTS, now + LOOK_POLL)
        if time_left is None or bench.until < now + time_left:
            return bench.until
        last = max(now + time_left - SOON, bench.since + LAST_LOOK_GAP)
        return last if last < now + time_left else bench.until

    def reconcile_day(self, scope: str, spent: bool, ends: float) -> bool:
        """Apply the provider's own count of an account's day; whether that changed anything.

        It overrules what was concluded from refusals: with new credits the day has a new limit.
        """
        bench = self.benches.get(scope)
        if spent and (bench is None or bench.until < ends):
            self.benches[scope] = Bench(ends, True, Cause.ACCOUNT_DAY)
            return True
        if not spent and bench is not None and bench.cause.effect.reset == "utc-day":
            del self.benches[scope]
            return True
        return False

    def reset(self) -> None:
        """Forget everything."""
        self.benches.clear()
        self.suspicions.by_scope.clear()
        self.disturbances.reset()
        self.worked.clear()
        self.rounds.clear()
        self.looks.clear()


def _strikes(before: Bench | None, fault: Fault, sent: float) -> int:
    """One more, if what was sent later was refused for the same cause: at least a minute after the
    last bench had begun, or after its end. One call that asks for last resorts says nothing new."""
    if before is None or before.cause != fault.cause:
        return 1
    return before.strikes + (sent >= min(before.since + MINUTE, before.until))


def _bench(fault: Fault, strikes: int, now: float, rng: Random, rest: Rest) -> Bench:
    stated = fault.rests_until(now, strikes)
    if stated is not None:
        # A reset in the past means that the clocks differ: a storm of retries would not help.
        until = max(stated, now + min(60.0, 2.0 ** (strikes - 1)))
        return Bench(until, True, fault.cause, strikes, since=now)
    seconds = min(rest.longest, rest.first * rest.growth ** min(strikes - 1, 16))
    seconds *= 1 + JITTER * (2 * rng.random() - 1)
    return Bench(now + seconds, False, fault.cause, strikes, since=now)
