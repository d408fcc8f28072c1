"""`History`: what happened in one run, as an onlooker saw it who stands outside every process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from freerouter_core.routing.journal import Journal

End = Literal["answered", "failed", "cancelled", "killed", "pending"]


@dataclass(slots=True)
class Arrival:
    """A request as it reached a server. `at` and `ended`: seconds after the run began."""

    at: float
    process: str
    provider: str
    model: str
    call: int
    costs_since: float | None
    """From when on the model costs money, if it does. None, too: it was free once, and the request
    caps its price."""
    ended: float = float("inf")


@dataclass(frozen=True, slots=True)
class Stated:
    """A server told a process to leave its whole account alone `until` then."""

    at: float
    process: str
    provider: str
    until: float


@dataclass(slots=True)
class Ending:
    """What a caller got."""

    call: int
    process: str
    began: float
    at: float
    end: End
    text: str = ""
    """The answer, or the error with its name."""
    shown: str | None = None
    """What a stream showed. None: nothing was streamed."""
    error: Exception | None = None


@dataclass(slots=True)
class Trouble:
    """What may excuse an excess: "store" or "jump" of one process or of all ("")."""

    at: float
    kind: Literal["store", "jump"]
    process: str = ""


@dataclass
class History:
    """One run."""

    arrivals: list[Arrival] = field(default_factory=list)
    lists: list[tuple[float, str, str]] = field(default_factory=list)
    """(when, process, provider) of each list of models that arrived."""
    stated: list[Stated] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    outcomes: list[tuple[str, int, str]] = field(default_factory=list)
    """(process, number of the request, event) of each event that ends a request."""
    leftovers: list[str] = field(default_factory=list)
    """What was still held when nobody asked any more."""
    leaks: list[str] = field(default_factory=list)
    """Where a key was seen."""
    charges: list[str] = field(default_factory=list)
    journals: dict[int, tuple[str, Journal]] = field(default_factory=dict)
    """(process, journal) by call."""
    elapsed: float = 0.0
    """Seconds that the run took by its own clock."""
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    lines: list[str] | None = None
    """All that was told, if it is to be kept."""

    def tell(self, at: float, *what: object) -> None:
        """Add a line to what the hash of this history is made of."""
        line = f"{at:.6f} " + " ".join(map(str, what))
        self._digest.update(line.encode() + b"\n")
        if self.lines is not None:
            self.lines.append(line)

    @property
    def hash(self) -> str:
        """The same for two runs exactly if all their lines were."""
        return self._digest.hexdigest()[:16]
