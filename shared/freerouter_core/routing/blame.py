"""`Blame`: whether a server fails, or one request makes it fail.

A status of 500 does not say which. A request may meet a fault of the model's template, or hold a
picture or a token that ends the program. Whoever asks it again and again then seems to meet one
outage after the other, and everybody else waits for their ends.

**The theory.** Others tell. A model that answered shortly before it failed, and then answers
another request that was sent shortly after, was not down. So it failed by chance, or because of the
request. Either way, if the same request fails once more, that says nothing new of any model:
nobody pauses because of it, and no job. The request is still asked, for its own sake. Once it is
answered, nothing is held against it.

Being wrong costs little. The later failures of one request teach nothing for a while; its first
one does, and so do those of all others. A short outage puts blame on some requests, and the next
outage is seen by all the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..catalogue.model import ModelIdentity
from ..wire.fault import Cause, Fault

SHORTLY = 60.0
"""Seconds from an answer to a failure, and from it to the next answer, that clear the model."""
FORGOTTEN = 3_600.0
"""Seconds without a failure after which nothing is held against a request."""
MAX_REQUESTS = 512
"""Requests, and models, that are remembered."""
_BY_REQUEST = frozenset(
    {Cause.SERVER, Cause.CUT, Cause.EMPTY, Cause.GENERATION_FAILED, Cause.TIMEOUT, Cause.PROTOCOL}
)
"""How servers fail that a request may have made fail."""


@dataclass(slots=True)
class _Suspect:
    """What is held against a request. Times are unix seconds."""

    failed_at: float
    failed: dict[ModelIdentity, float] = field(default_factory=dict)
    """The models that failed at it and have not answered since, and when each did."""
    is_blamed: bool = False
    """Whether one of them turned out to be up."""


@dataclass(slots=True)
class Blame:
    """By the fingerprints of requests, in this process."""

    suspects: dict[int, _Suspect] = field(default_factory=dict)
    answered_at: dict[ModelIdentity, float] = field(default_factory=dict)
    """When each model answered last."""

    def failed(self, request: int, model: ModelIdentity, fault: Fault, now: float) -> bool:
        """A model failed at a request; whether that was to be blamed on the request before."""
        if fault.cause not in _BY_REQUEST or fault.turned_away:
            return False
        suspect = self.suspects.pop(request, None)
        if suspect is None or now - suspect.failed_at > FORGOTTEN:
            suspect = _Suspect(now)
        while len(self.suspects) >= MAX_REQUESTS:
            del self.suspects[next(iter(self.suspects))]
        self.suspects[request] = suspect
        suspect.failed_at = now
        if now - self.answered_at.get(model, -math.inf) <= SHORTLY:
            suspect.failed[model] = now
        return suspect.is_blamed

    def answered(self, request: int | None, model: ModelIdentity, sent: float, now: float) -> None:
        """A model answered a request that was sent then; None: one that is not told from others."""
        self.answered_at.pop(model, None)
        self.answered_at[model] = now
        while len(self.answered_at) > MAX_REQUESTS:
            del self.answered_at[next(iter(self.answered_at))]
        if request is not None:
            self.suspects.pop(request, None)
        for suspect in self.suspects.values():
            failed_at = suspect.failed.get(model)
            if failed_at is not None and sent >= failed_at:
                del suspect.failed[model]
                suspect.is_blamed = suspect.is_blamed or now - failed_at <= SHORTLY
