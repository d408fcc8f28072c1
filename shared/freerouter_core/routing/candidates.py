"""`Candidates`: the candidates of one request, and whose turn it is.

The order comes from `selection`. Among equals, accounts that have not failed in this call come
first: a second model of a failing account would probably fail, too. A guessed bench makes a
candidate a last resort. A stated wait is never shortened (law 8).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..catalogue.model import Catalogue, Model, ModelIdentity
from ..catalogue.providers import Account
from .candidate import Candidate
from .charges import Refusal
from .congestion import FREE, smallest_day
from .crowding import Key
from .kinship import Kinship
from .looks import look_at
from .selection import Selection, select
from .situation import Situation
from .steps import Wait
from .waits import resting, wait_of
from .worth import worth_asking_at

LIST_POLL = 0.5
"""Seconds to wait for a list of models on its way, if nobody can be asked before."""
ACCOUNT_PROBES = 2
"""Guessed faults of one account (a debt, a redirect) after which a call leaves it alone: the second
proves the first."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is.

    Either `candidate` now; or nobody before `until`, in the line of `scope`; or nobody ever.
    """

    candidate: Candidate | None = None
    until: float | None = None
    scope: str | None = None
    in_line: bool = field(default=False, compare=False)
    """Whether it is the caller's own limits that are waited for."""


class Candidates:
    """The candidates in the order they are asked, and why other models are none (`skipped`).

    Most requests are answered by the first candidate, so candidates are made as they are looked at.
    """

    def __init__(
        self,
        selection: Selection,
        catalogue: Catalogue,
        accounts: Mapping[str, Account],
        situation: Situation,
    ) -> None:
        self._catalogue = catalogue
        self._situation, self.book = situation, situation.book
        self._began = situation.now
        self.max_tries = max(1, situation.policy.retry_attempts)
        self.congestion = situation.congestion
        """What a request costs others, by provider."""
        self.skipped = selection.skipped
        self.blocked: dict[str, float] = {}
        """Scopes whose limit refused this call, and until when."""
        self._waits: dict[str, Wait | Refusal] = {}
        """What is waited for in those scopes. Few ask for it in words."""
        self.told(situation.full)
        self._aged = False
        """Whether the order is an old one."""
        self._lines = set(situation.lines)
        """Scopes in whose line this call has waited."""
        self.kinship = Kinship()
        """Who failed in this call: their kin come later."""
        self.pending = situation.pending
        """Whether a list of models is still on its way."""
        self.account_faults: dict[str, int] = {}
        """Guessed faults in this call, by account."""
        self._accounts = accounts
        self._made = [
            Candidate(model=model, account=accounts[model.provider], named=True)
            for model in selection.named
        ]
        self._rest, self._sampled = selection.ranked[::-1], selection.sampled
        self._known: dict[ModelIdentity, Candidate] = {}
        """Candidates that were made before the last change of order."""

    @classmethod
    def of(
        cls, catalogue: Catalogue, accounts: Mapping[str, Account], situation: Situation
    ) -> Candidates:
        """The candidates for a request."""
        return cls(select(catalogue, accounts, situation), catalogue, accounts, situation)

    @property
    def all(self) -> list[Candidate]:
        """Every candidate."""
        for _ in self._each():
            pass
        return self._made

    @property
    def empty(self) -> bool:
        """Whether there is no candidate."""
        return next(self._each(), None) is None

    def alive(self, candidate: Candidate) -> bool:
        """Whether it may still be asked in this call, now or later."""
        return not (
            candidate.out
            or candidate.tries - candidate.turned_away - candidate.silent >= self.max_tries
            or self.account_faults.get(candidate.account.scope, 0) >= ACCOUNT_PROBES
        )

    def grow(self, catalogue: Catalogue, *, more: bool, now: float) -> None:
        """A list has come: its models join those that were not asked yet. `more`: whether another
        is on its way."""
        self.pending, self._catalogue = more, catalogue
        selection = self._select_again(now)
        self._join((*selection.ranked[::-1], *selection.named[::-1]))

    def age(self, now: float) -> None:
        """Time has passed, so the order is an old one. Of those who stand in many lines, a
        background request asks for a new one once somebody can be asked."""
        if self._situation.background:
            self._aged = True
        else:
            self.rerank(now)

    def rerank(self, now: float) -> None:
        """Put those that nobody named into the order of now, and leave out who no longer fits."""
        self._aged = False
        ranked = self._select_again(now).ranked
        self._known |= {candidate.model.identity: candidate for candidate in self._made}
        self._made = [candidate for candidate in self._made if candidate.named]
        self._join(ranked[::-1])

    def _select_again(self, now: float, *, whole: bool = False) -> Selection:
        self._situation = replace(self._situation, now=now, congestion=self.congestion)
        selection = select(self._catalogue, self._accounts, self._situation, whole=whole)
        self._sampled = selection.sampled
        self.skipped.clear()
        self.skipped.update(selection.skipped)
        return selection

    def put_first(self, candidate: Candidate) -> None:
        """Ask this one next."""
        self._made.remove(candidate)
        self._made.insert(0, candidate)

    def next(
        self,
        now: float,
        *,
        fresh_only: bool = False,
        avoid: frozenset[str] = frozenset(),
        beside: frozenset[str] = frozenset(),
        time_left: float | None = None,
    ) -> Turn:
        """Whose turn it is. `fresh_only`: no last resorts. `avoid`: ids of models to pass over.
        `beside`: scopes of accounts that are silent for too long, others come first. `time_left`:
        seconds until the caller's deadline; None: there is none."""
        turn = self._next(now, fresh_only, avoid, beside, time_left)
        if self._aged and turn.candidate is not None:
            self.rerank(now)
            turn = self._next(now, fresh_only, avoid, beside, time_left)
        return turn

    def _next(
        self,
        now: float,
        fresh_only: bool,
        avoid: frozenset[str],
        beside: frozenset[str],
        time_left: float | None,
    ) -> Turn:
        best: Candidate | None = None
        best_key: tuple[float, ...] = ()
        until, scope, paused, in_line = math.inf, None, math.inf, False
        for n, candidate in enumerate(self._each()):
            if not self.alive(candidate) or candidate.model.id in avoid:
                continue
            tired = candidate.tries >= self.max_tries
            when, last_resort, line = self._ready(candidate, now)
            if when <= now and not (last_resort and fresh_only):
                when = self._worth_asking_at(candidate, now, time_left, last_resort=last_resort)
            if when > now:
                if when < until:
                    until, scope = when, line
                    in_line = line is not None or self._own_limit(candidate, when)
                if when == candidate.not_before and candidate.model.free and not tired:
                    paused = min(paused, when)
                continue
            if last_resort and fresh_only:
                continue
            # What speaks against asking it now, the gravest first; among equals the order decides.
            paid = not (candidate.model.free or candidate.named)
            kin, price = (0, 0.0) if candidate.named else self._doubts(candidate)
            kin += candidate.account.scope in beside
            key = (tired, paid, last_resort, candidate.tries, kin, price, n)
            if best is None or key < best_key:
                best, best_key = candidate, key
                if not any(key[:6]):
                    break  # nobody later can be better
        if best is not None:
            if (best_key[0] or best_key[1]) and paused < math.inf:
                return Turn(until=paused)  # a free model that only pauses still precedes paid ones
            return Turn(best)
        if self.pending and until > now + LIST_POLL:
            return Turn(until=now + LIST_POLL)
        return Turn(until=until if until < math.inf else None, scope=scope, in_line=in_line)

    def open_at(self, candidate: Candidate, now: float, time_left: float | None) -> float:
        """When it may be asked once more beside a silent attempt; infinite: not in this call."""
        when = self._ready(candidate, now)[0] if self.alive(candidate) else math.inf
        if when > now:
            return when
        return self._worth_asking_at(candidate, now, time_left, last_resort=False)

    def _doubts(self, candidate: Candidate) -> tuple[int, float]:
        """(failures of its kin, what a request costs others once the request itself is in doubt).

        A request that was refused may be refused by all: so those whose quota is plentiful come
        first.
        """
        kin = self.kinship.count(candidate.model, candidate.account)
        if not self.kinship.refusals:
            return kin, 0.0
        return kin, self.congestion.get(candidate.account.provider, FREE).seconds

    def _own_limit(self, candidate: Candidate, until: float) -> bool:
        """Whether what a candidate waits for is a limit of the caller's own: its account's bench,
        the wait that was stated for the model, or the pause of who was told such a wait."""
        bench = self.book.accounts.get(candidate.account.scope)
        if bench is not None and bench.until == until:
            return bench.cause.effect.limit == "account"
        record = self.book.models.get(candidate.model.identity)
        if record is not None and record.benched_until == until:
            return record.bench_own
        return candidate.in_line and candidate.not_before == until

    def _worth_asking_at(
        self, candidate: Candidate, now: float, time_left: float | None, *, last_resort: bool
    ) -> float:
        """When it is worth a request of its account; see `worth`."""
        identity = candidate.model.identity
        crowd, began = self._crowd_of(candidate), self._began
        held = self.book.crowds.held(crowd, now, began=began, time_left=time_left)
        if held > now:
            return held
        scope, name = candidate.account.scope, candidate.model.wire_name
        look = self.book.accounts.next_look(scope, name, now, time_left)
        if look > now:
            return look
        outage = self.book.outage_of(identity)
        wanted = candidate.named and candidate.tries < self.max_tries
        if wanted or not (identity in self.book.models or outage.models):
            return now
        record = self.book.of(identity)
        return worth_asking_at(
            record,
            now,
            ways=self._situation.need.ways,
            congestion=self.congestion.get(candidate.account.provider, FREE),
            time_left=time_left,
            usual=self.book.pool.success,
            probed=last_resort and record.probing and identity in self.book.in_flight,
            outage=outage,
            day=smallest_day(candidate.charges),
        )

    def _crowd_of(self, candidate: Candidate) -> Key | str:
        """Whose refusals count: its own, or those of all models once their account seems to be at
        a limit."""
        scope = candidate.account.scope
        return scope if self.book.accounts.seems_full(scope) else candidate.key

    def limited(self, candidate: Candidate, scope: str, until: float, wait: Wait) -> None:
        """A limit had no room for it: all that fall under a shared one are left alone until then,
        in its line."""
        self._waits[scope] = wait
        if scope in candidate.scopes:
            self.blocked[scope] = until
        else:
            candidate.not_before = until

    def waited(self, scope: str | None, full: Mapping[str, Refusal]) -> None:
        """This call has waited, in the line of a limit if there is a `scope`, and its turn has
        come. `full`: what others were told meanwhile."""
        if scope is not None:
            self.blocked.pop(scope, None)
            self._waits.pop(scope, None)
            self._lines.add(scope)
        self._situation = replace(self._situation, full=full)
        self.told(full)

    def told(self, full: Mapping[str, Refusal]) -> None:
        """Others were told that these limits are full."""
        for scope, refusal in full.items():
            self.blocked[scope] = refusal.until
            self._waits[scope] = refusal

    @property
    def waits(self) -> dict[str | None, Wait]:
        """What is waited for, by the scope whose limit is full."""
        return {
            scope: wait_of(wait, scope.partition("|")[0]) if isinstance(wait, Refusal) else wait
            for scope, wait in self._waits.items()
        }

    def wait(self, turn: Turn, now: float) -> Wait:
        """What is waited for until somebody's turn."""
        until = now if turn.until is None else turn.until
        if (wait := self.waits.get(turn.scope)) is not None:
            return wait if wait.ends >= until else replace(wait, ends=until)
        return resting(self._accounts.values(), self._made, self.book, until, now)

    def stays_in(self, scope: str | None) -> bool:
        """Whether all that may still be asked fall under the limit of one scope."""
        if scope is None or self.pending:
            return False
        return all(scope in c.scopes for c in self.all if self.alive(c))

    def queued(self, candidate: Candidate) -> bool:
        """Whether others wait for its account, or this call had to."""
        waiting = self.congestion.get(candidate.account.provider, FREE).waiting
        return waiting > 0 or not self._lines.isdisjoint(candidate.scopes)

    def bound_to(self, candidate: Candidate) -> bool:
        """Whether others wait for a candidate's account, and this call can be served nowhere
        else."""
        return self.queued(candidate) and self.stays_in(candidate.account.scope)

    def returns(self, now: float) -> float | None:
        """When somebody will be asked again, which a caller can rely on; None: never.

        That is before a guessed bench ends, if its model is the last resort.
        """
        turn = self.next(now)
        return now if turn.candidate is not None else turn.until

    def _ready(self, candidate: Candidate, now: float) -> tuple[float, bool, str | None]:
        """When it can be asked, whether it is a last resort, and the scope to wait in line for."""
        when, last_resort, line = candidate.not_before, candidate.tries > 0, None
        for scope in candidate.scopes if self.blocked else ():
            until = self.blocked.get(scope, 0.0)
            if until > when:
                when, line = until, scope
        bench = self.book.accounts.get(candidate.account.scope)
        if bench is not None and bench.until > now:
            if bench.firm:
                when, line = max(when, bench.worth_waiting_until), None
            else:
                last_resort = True
                if self._situation.background:  # a last resort is for those who wait
                    when, line = max(when, self._look_at(candidate, bench.until, bench.cause)), None
        record = self.book.models.get(candidate.model.identity)
        if record is not None:
            if record.benched_until > now:
                until, last_resort = record.benched_until, last_resort or not record.bench_stated
                if self._situation.background and not record.bench_stated:
                    until = self._look_at(candidate, until, record.last_fault)
                if self._situation.background or record.bench_stated:
                    when, line = max(when, until), None
            elif record.probing:
                last_resort = True
        return when, last_resort, line

    def _look_at(self, candidate: Candidate, until: float, cause: str) -> float:
        """When a background request may ask whom a guess keeps back until then."""
        price = self.congestion.get(candidate.account.provider, FREE).seconds
        return min(until, look_at(self.book, candidate, cause, price))

    def _make(self) -> Candidate:
        model = self._rest.pop()
        candidate = self._known.get(model.identity)
        if candidate is None:
            candidate = Candidate(model=model, account=self._accounts[model.provider])
        self._made.append(candidate)
        return candidate

    def _each(self) -> Iterator[Candidate]:
        yield from self._made
        while self._rest or self._sampled:
            if not self._rest:  # none of the sample will do
                self._join(self._select_again(self._situation.now, whole=True).ranked[::-1])
            else:
                yield self._make()

    def _join(self, models: Sequence[Model]) -> None:
        """These follow those that were looked at, the last of them first."""
        known = {candidate.model.identity for candidate in self._made}
        self._rest = [model for model in models if model.identity not in known]
