"""`Candidate`: a model that may be asked, and what one call has seen of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalogue.model import Model
from ..catalogue.providers import Account
from .charges import Charge, charges_of, scopes_of
from .crowding import Key


@dataclass(slots=True, eq=False, kw_only=True)
class Candidate:
    """A model that may be asked, and what this call has seen of it."""

    model: Model
    account: Account
    named: bool = False
    """Whether the user named it."""
    tries: int = 0
    """Attempts in this call that count against it."""
    not_before: float = 0.0
    """Unix seconds before which this call leaves it alone."""
    out: bool = False
    """Whether it is of no more use to this request."""
    price_cap: bool = True
    """Whether the price cap is sent."""
    place: int = 0
    """Sequence number of its last attempt among all attempts of the process."""
    sent_at: float = 0.0
    """When that was sent, unix seconds."""
    ahead: int = 0
    """Attempts at its account that were under way when that was sent."""
    turned_away: int = 0
    """Tries that ended because there was no room."""
    silent: int = 0
    """Tries that were silent for so long that it was asked once more, or another was instead.
    Silence is no failure."""
    in_line: bool = False
    """Whether the last try was told until when a limit of the caller's own is full."""
    plainer: int = 0
    """How often it was asked again in a plainer form."""
    forgoes: frozenset[str] = frozenset()
    """What it is not asked with as a last resort, in the words of what a model lacks."""
    _charges: tuple[Charge, ...] | None = None
    _scopes: tuple[str, ...] | None = None

    @property
    def key(self) -> Key:
        """Its account's scope, and the model."""
        return self.account.scope, self.model.identity

    @property
    def charges(self) -> tuple[Charge, ...]:
        """The stated limits it falls under."""
        if self._charges is None:
            self._charges = charges_of(self.account, self.model)
        return self._charges

    @property
    def scopes(self) -> tuple[str, ...]:
        """Where its limits are counted, the learnt ones too. Who waits, waits in such a line."""
        if self._scopes is None:
            self._scopes = scopes_of(self.account, self.model)
        return self._scopes
