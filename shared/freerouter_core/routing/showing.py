"""`Showing`: what the caller of a stream sees, of which attempt, and what follows if that breaks.

Text commits: nobody else may speak then. Reasoning does not. It is shown as it comes, and if its
attempt fails, another model may think and answer in its place. A structured object that the reader
replaces with the next one commits only until its attempt fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..errors import FreeRouterError, StreamBroken
from ..wire.answer import Answer
from ..wire.fault import Fault
from . import steps as s
from .answer_check import Checked, Flawed
from .final_error import stream_broken
from .in_flight import InFlight
from .journal import Journal
from .plan import Outcome, Plan
from .resume import Replaced, Seam, resumable

After = Literal["unseen", "broken", "restarts", "continues"]
"""What the failure of an attempt means to the caller: nothing; the end; the object begins again;
another model continues the text."""


class Showing:
    """What is shown of one request."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.committed: InFlight | None = None
        """The attempt whose text the caller sees."""
        self.thinking: InFlight | None = None
        """The attempt whose reasoning is shown while none is committed."""
        self.resumes: str | None = None
        """The text of a broken stream, for the next attempt to continue."""
        self.seams: list[Seam] = []
        self.replaced: list[Replaced] = []
        self.broke: Seam | None = None
        """Where the last attempt broke off whose text was shown."""

    @property
    def _may_restart(self) -> bool:
        """Whether what is shown is an object that the reader replaces with the next."""
        return self._plan.operation.may_restart

    def token(self, flight: InFlight, event: s.Token) -> s.Commit | s.Show | None:
        """What to show now that an attempt has said something."""
        flight.thinks = flight.thinks or event.thought
        if not self._plan.stream or self._plan.run_guards is not None or self.committed is not None:
            return None
        if event.visible:
            if self.thinking is not flight:
                self._replace(self.thinking, None)
            self.committed, self.thinking = flight, None
            return s.Commit(flight.attempt)
        return self.next_thought((flight,))

    def next_thought(self, flights: Iterable[InFlight]) -> s.Show | None:
        """Show the thoughts of an attempt that has some, if nobody else's are shown."""
        if self.committed is not None or self.thinking is not None or not self._plan.stream:
            return None
        if self._plan.run_guards is not None or self.resumes is not None:
            return None
        self.thinking = next((flight for flight in flights if flight.thinks), None)
        return None if self.thinking is None else s.Show(self.thinking.attempt)

    def cancelled(self, flight: InFlight) -> None:
        """An attempt was cancelled."""
        if self.thinking is flight:
            self._replace(flight, None)
            self.thinking = None

    def failed(self, flight: InFlight, fault: Fault, shown: s.Shown | None) -> After:
        """An attempt failed. `shown`: what the caller saw of it, if it may be continued."""
        if self.thinking is flight:
            self._replace(flight, fault)
            self.thinking = None
        if self.committed is not flight:
            return "unseen"
        attempt = flight.attempt
        if shown is not None and resumable(self._plan.policy, fault, shown):
            self.broke = Seam(shown.length, attempt, fault)
            self.seams.append(self.broke)
            self.committed, self.resumes = None, shown.text
            return "continues"
        if not self._may_restart:
            return "broken"
        self.replaced.append(Replaced("object", attempt, fault))
        self.broke = Seam(0, attempt, fault)
        self.committed, self.resumes = None, None
        self.seams.clear()
        return "restarts"

    def outcome(self, attempt: s.Attempt, checked: Checked, journal: Journal) -> Outcome:
        """The outcome, with what was shown on the way to it."""
        return Outcome(
            answer=checked.answer,
            attempt=attempt,
            journal=journal,
            seams=tuple(self.seams),
            replaced=tuple(self.replaced),
            flags=self._plan.flags + checked.flags,
            aside=checked.aside,
        )

    def flawed_outcome(
        self, flawed: Flawed | None, error: FreeRouterError, journal: Journal
    ) -> Outcome | None:
        """The last flawed answer, if the request failed and no other text was shown."""
        if flawed is None or self.broke is not None or isinstance(error, StreamBroken):
            return None
        return self.outcome(flawed.attempt, Checked(flawed.answer), journal)

    def error(
        self, error: FreeRouterError, journal: Journal, rejected: Answer | None
    ) -> FreeRouterError:
        """The error that the caller gets: `StreamBroken` if text was shown."""
        if self.broke is None or isinstance(error, StreamBroken):
            return error
        broken = stream_broken(journal, self.broke.attempt, self.broke.fault, error)
        broken.answer = rejected
        return broken

    def _replace(self, flight: InFlight | None, fault: Fault | None) -> None:
        if flight is not None:
            self.replaced.append(Replaced("reasoning", flight.attempt, fault))
