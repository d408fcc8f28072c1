"""`AskedModel`: the model that a caller named, and what is said if it cannot be used.

Another model may answer in its place. That is no secret: there is one warning, which says why, who
answers instead, and which free model has a name like it. An error says the same in its hint.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from ..catalogue.model import Catalogue
from ..catalogue.providers import Account
from ..errors import BadRequest, FreeRouterError
from ..events import AttemptTrace, log
from ..routing.journal import Journal
from ..routing.named import find_named
from ..routing.plan import Outcome
from ..runtime.runtime import Runtime

LONGEST_NAME = 100
"""Letters of a name that are compared with others."""
SIMILAR = 0.7
"""How alike two names must be for one to be suggested in place of the other (`difflib`).

Measured over the names of recorded lists. At 0.6 a model of another family was suggested for 9 % of
the paid ones, at 0.7 for 2 %. Names with a wrong letter, or a part cut off, are found at both.
"""

_warned: WeakKeyDictionary[Runtime, set[str]] = WeakKeyDictionary()
"""The names that each runtime has warned about."""


@dataclass(frozen=True)
class AskedModel:
    """The model that a request names. `name` is as the caller wrote it; empty: any model."""

    name: str
    model_id: str = ""
    """The id that the name means, if a provider of the router's can be meant."""

    def told(self, outcome: Outcome, catalogue: Catalogue, runtime: Runtime) -> None:
        """Warn once if another model answered because this one cannot be used."""
        if not self.name:
            return
        answering = outcome.attempt.model.id.casefold()  # providers accept names in any case
        if answering in (self.name.casefold(), self.model_id.casefold()):
            return
        reason = self.reason(outcome.journal)
        warned = _warned.setdefault(runtime, set())
        if reason is None or self.name in warned:
            return
        warned.add(self.name)
        log.warning(
            "model %r was asked for and cannot be used: %s; %s answers instead%s",
            self.name, reason, outcome.attempt.model.id, self._suggestion(catalogue, "; "),
        )  # fmt: skip

    def explain(self, error: FreeRouterError, catalogue: Catalogue) -> None:
        """Put the nearest free name into the hint of an error."""
        suggestion = self._suggestion(catalogue, "")
        error.hint = "; ".join(filter(None, (suggestion, error.hint)))

    def reason(self, journal: Journal) -> str | None:
        """Why this model cannot be used at all; None: it can, or it only fails for a while."""
        if not self.name:
            return None
        for name in (self.name, self.model_id):
            if name in journal.skipped:
                return journal.skipped[name]
        failed = [tried for tried in journal.tries if tried.model == self.model_id]
        return next((reason for tried in failed if (reason := _lasting(tried)) is not None), None)

    def _suggestion(self, catalogue: Catalogue, before: str) -> str:
        nearest = nearest_free(self.name, catalogue)
        return "" if nearest is None else f"{before}did you mean {nearest!r}?"


NOBODY = AskedModel("")
"""What a request asks for that names no model."""


def check_free(names: Iterable[str], catalogue: Catalogue, accounts: Mapping[str, Account]) -> None:
    """Raise `BadRequest` for a fallback that is not known to be free: nothing is paid unasked."""
    for name in names:
        model = find_named(name, catalogue, accounts)
        if model is None or not model.free:
            nearest = nearest_free(name, catalogue)
            raise BadRequest(
                f"models names {name!r}, which is not known to be free",
                hint="name free models only" + (f"; did you mean {nearest!r}?" if nearest else ""),
            )


_LASTING = {
    "gone": "its provider has no such model (any more)",
    "account": "its account refuses requests",
}
"""By kind of fault: what keeps a model from being used."""
_UNREACHABLE = ("connect", "connect-timeout")


def _lasting(tried: AttemptTrace) -> str | None:
    if tried.cause in _UNREACHABLE:
        return f"its provider {tried.provider} cannot be reached"
    words = _LASTING.get(tried.fault or "")
    return words and f"{words} ({tried.cause})"


def nearest_free(name: str, catalogue: Catalogue) -> str | None:
    """The free model whose name is the most like `name`; None: none is."""
    free = [model.id for model in catalogue.free() if model.id != name]
    if f"{name}:free" in free:
        return f"{name}:free"
    wanted = _plain(name)
    alike = [model for model in free if _plain(model) == wanted]
    if alike:
        return alike[0]
    by_name = {_plain(model): model for model in reversed(free)}
    for spelling in filter(None, (wanted, wanted.partition(":")[2])):  # "grok:able": "able", too
        close = difflib.get_close_matches(spelling, by_name, 1, SIMILAR)
        if close:
            return by_name[close[0]]
    return None


def _plain(name: str) -> str:
    """A name without its provider, its author and its price."""
    plain = name[:LONGEST_NAME].casefold().removesuffix(":free")
    return plain.rpartition("/")[2] or plain
