"""`Deadline`: until when a request may go on, and how long it may stand in line.

A timeout that the caller gave bounds everything. The default one counts the work alone: it starts
with the first step, and time in line for one's own limits is added to it. That time has a bound of
its own (`max_wait`).
"""

from __future__ import annotations

from .plan import Plan
from .steps import Refused


class Deadline:
    """The deadline of one request. Times are unix seconds; None: no bound."""

    def __init__(self, plan: Plan, started: float, now: float) -> None:
        self.at = plan.deadline
        """When the answer (streamed: its first token) must be there."""
        self._timeout = None if plan.deadline is None else plan.deadline - now
        self._line_ends: float | None = None
        if plan.max_wait is not None:
            self._line_ends = now + plan.max_wait
            if plan.deadline is not None:
                self._timeout = plan.deadline - started
                self.at = now + self._timeout

    def left(self, now: float) -> float | None:
        """Seconds left; None: no bound."""
        return None if self.at is None else self.at - now

    def passed(self, now: float) -> bool:
        """Whether it is too late."""
        return self.at is not None and now >= self.at

    def of_wait(self, *, in_line: bool) -> float | None:
        """Until when the request may wait. `in_line`: for its own limits."""
        return self._line_ends if in_line and self._line_ends is not None else self.at

    def wait_of(self, refused: Refused) -> float:
        """Until when to wait after a limit refused: for room, or, if that is too late, for the
        request's own turn, so that it is told at once. A guess ends no request."""
        if refused.guess:
            return refused.until
        bound = self.of_wait(in_line=True)
        return refused.ends if bound is not None and refused.ends >= bound else refused.until

    def waited(self, seconds: float, *, in_line: bool) -> None:
        """The request has waited. Time in line for its own limits does not count."""
        if in_line and self._line_ends is not None and self.at is not None:
            self.at += seconds

    def put_off(self, seconds: float) -> None:
        """Tokens came for so long, of an attempt that failed: nobody waited for a first one."""
        if self.at is not None:
            self.at += seconds

    def restart(self, now: float) -> None:
        """Another model continues a broken stream: it has as long as the first attempt had."""
        if self._timeout is not None:
            self.at = now + self._timeout
