"""`StreamOutput`: what the caller of one request is shown, across all of its attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from typing import Protocol, cast

from ..routing.journal import Journal
from ..routing.plan import Outcome
from ..routing.steps import Shown
from ..wire.delta import Delta
from ..wire.json_values import parse_json
from ..wire.redact import redact
from .attempt import AttemptRun
from .loop.clock import Clock

Show = Callable[[Delta], None]
"""Gets the deltas of the attempt that won, in order."""


class SlowReader(Protocol):
    """A caller's end that may be read more slowly than a model writes."""

    @property
    def is_full(self) -> bool:
        """Whether the caller is far behind."""

    async def drain(self) -> None:
        """Wait until the caller has caught up."""


class StreamOutput:
    """Shows deltas of the committed attempt and holds those of the others.

    `show` is the caller's end. None: the request is not streamed, and nothing is held.
    """

    def __init__(self, show: Show | None, journal: Journal, clock: Clock) -> None:
        self._show, self._journal, self._clock = show, journal, clock
        self._texts: list[str] = []
        self._reader = cast("SlowReader", show) if hasattr(show, "drain") else None
        self._speaker: AttemptRun | None = None
        self._thinker: AttemptRun | None = None
        self._writer: AttemptRun | None = None
        """Whose words, thoughts and text were shown last."""

    @property
    def text(self) -> str:
        """All text shown so far."""
        return "".join(self._texts)

    def add(self, run: AttemptRun, delta: Delta) -> None:
        """Show a delta, or hold it until its attempt is committed."""
        thought = run.showing and not (delta.visible or run.held_deltas)
        if run.committed or thought:
            self._put(run, delta)
        elif self._show is not None:
            run.held_deltas.append(delta)

    def show(self, run: AttemptRun) -> None:
        """Show what an attempt has thought so far, and from now on whatever it thinks."""
        run.showing = True
        thoughts = list(takewhile(lambda delta: not delta.visible, run.held_deltas))
        del run.held_deltas[: len(thoughts)]
        for delta in thoughts:
            self._put(run, delta)

    def commit(self, run: AttemptRun) -> None:
        """Show what an attempt has said so far, and from now on whatever it says."""
        run.committed = True
        for delta in run.held_deltas:
            self._put(run, delta)
        run.held_deltas.clear()

    def release(self, run: AttemptRun, outcome: Outcome) -> None:
        """Show what waited until the answer was accepted: unseen text and whole tool calls."""
        if self._show is None:
            return
        answer = outcome.answer
        if not run.committed:
            reasoning = "" if run.showed_reasoning else answer.reasoning
            unseen = Delta(answer.text[len(run.shown_before) :], reasoning)
            if unseen.text or unseen.reasoning:
                self._put(run, unseen)
        elif run.plan.operation.may_restart and self._shows_another_object(answer.text):
            self._writer = None  # it was shown in a wrapper, or with a remark behind it
            self._put(run, Delta(answer.text), restarts=True)
        elif len(answer.text) > len(self.text) and answer.text.startswith(self.text):
            # Its last line might have become a call, so it was held back.
            self._put(run, Delta(answer.text[len(self.text) :]))
        rest = Delta(tool_calls=answer.tool_calls, invalid_calls=answer.invalid_calls)
        if run.showed_fragments:
            rest = run.shown_calls.rest(answer)
        if rest.tool_calls or rest.fragments or rest.invalid_calls:
            self._put(run, rest)

    def _shows_another_object(self, accepted: str) -> bool:
        try:
            return bool(parse_json(self.text) != parse_json(accepted))
        except ValueError:
            return True

    def is_full_for(self, run: AttemptRun) -> bool:
        """Whether the caller is far behind what this attempt says."""
        return (run.committed or run.showing) and self._reader is not None and self._reader.is_full

    async def drain(self) -> None:
        """Wait until the caller has caught up."""
        if self._reader is not None:
            with self._clock.held():  # the caller takes real time
                await self._reader.drain()

    def shown_by(self, run: AttemptRun) -> Shown:
        """What the caller has seen by the time this attempt ended, for another to continue."""
        text = self.text
        return Shown(redact(text, run.attempt.account), run.showed_fragments, len(text))

    def _put(self, run: AttemptRun, delta: Delta, *, restarts: bool = False) -> None:
        """Show a delta of an attempt. The first one says who speaks."""
        if self._speaker is not run:
            self._speaker = run
            delta = replace(delta, model=run.model)
        if delta.reasoning:
            if self._thinker not in (None, run):
                delta = replace(delta, reasoning=f"\n\n{delta.reasoning}")
            self._thinker, run.showed_reasoning = run, True
        if delta.text and self._writer is not run:
            if restarts or (self._writer is not None and not run.shown_before):
                self._texts.clear()
                delta = replace(delta, restarts=True)
            self._writer = run
        run.showed_fragments = run.showed_fragments or bool(delta.fragments)
        if delta.text:
            self._texts.append(delta.text)
        if self._show is not None:
            if self._journal.shown_at is None:
                self._journal.shown_at = self._clock.now()
            self._show(delta)
