"""`PinnedSpace`: the space that a call keeps to, and where its record is."""

from __future__ import annotations

from ...catalogue.model import Catalogue
from ...runtime.space_records import Records, SpaceRecord
from ..context import Context
from .choose import choose_space
from .outvoted import alike


class PinnedMeanwhile(Exception):
    """Somebody else pinned another space while the first answer was on its way."""


class PinnedSpace:
    """The record of a space: in the file that `pin` names, else beside the state. A named `model`
    without a `pin` is recorded in this process only."""

    def __init__(
        self, context: Context, model: str | None, dimensions: int | None, pin: str | None
    ) -> None:
        self._context, self._model, self._dimensions = context, model, dimensions
        self._spaces = context.runtime.spaces
        self._records = Records(self._spaces, pin, context.runtime.state_folder)
        self._named = "" if pin is not None or not model else f"named|{model}|{dimensions}"

    def choose(self, models: Catalogue) -> SpaceRecord:
        """The record, or one of the best space now. Raises `BadRequest` if the caller names another
        space than the record, and `NoCandidates` if nobody serves any."""
        context, runtime = self._context, self._context.runtime
        return choose_space(
            self._model,
            self._dimensions,
            self._spaces.get(self._named) if self._named else self._records.read(),
            self._records.place,
            models,
            context.resolved.accounts,
            runtime.state.health,
            runtime.clock.now(),
            allow_paid=context.resolved.policy.allow_paid,
        )

    def keep_first(self, record: SpaceRecord) -> SpaceRecord:
        """Keep a record, unless there is one. Returns the one that counts. Raises `PinnedMeanwhile`
        if that is of another space."""
        if self._named:
            kept = self._spaces.setdefault(self._named, record)
        else:
            kept = self._records.first(record)
        if kept.space.key != record.space.key or not alike(kept.known, record.known):
            raise PinnedMeanwhile
        return kept

    def keep(self, record: SpaceRecord) -> None:
        """Keep a record in the place of the one there is."""
        if self._named:
            self._spaces[self._named] = record
        else:
            self._records.write(record)
