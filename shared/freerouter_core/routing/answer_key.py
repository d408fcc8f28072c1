"""`AnswerKeys`: equal keys for two requests that the same answer would serve.

A key is a hash, so what is kept under it tells no prompt. In it are the request as asked and what
its router accepts as an answer. Not in it: the model that answers, the account, how models are
ranked, how long the caller waits, whether the answer is streamed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..wire.canonical import canonical, canonical_text
from ..wire.json_values import Json
from ..wire.request import ChatRequest
from .policy import Policy

if TYPE_CHECKING:
    from hashlib import _Hash

FORMAT = 1
"""Of keys and of what is kept under them. Another number reads nothing that this one wrote."""


@dataclass(frozen=True)
class AnswerKeys:
    """The keys of a router's requests.

    Attributes:
        policy: what the router allows.
        marks: what tells its guards, and a strategy of the user's own, from all others.
        namespace: requests of two namespaces never have the same key.
    """

    policy: Policy
    marks: tuple[str, ...] = ()
    namespace: str = ""

    def of(self, request: ChatRequest, caller: str = "", read: Json | None = None) -> str:
        """The key of a request: 64 hexadecimal digits.

        Args:
            request: the request, its messages in any form.
            read: what `read_request` made of it, if that was done.
            caller: on whose behalf it is asked. Two callers never have the same key.

        Raises:
            BadRequest: the messages or tools have no form on the wire.
            TypeError: a field of the request has none.
        """
        asked = canonical_text(canonical(request, read)).encode()
        most = not caller and request.model in (None, "auto") and not request.sample
        key = self._of_most.copy() if most else self._accepted(request, caller)
        key.update(asked)
        return key.hexdigest()

    @cached_property
    def _of_most(self) -> _Hash:
        """What the keys of most requests begin with."""
        return self._accepted(ChatRequest(()), "")

    def _accepted(self, request: ChatRequest, caller: str) -> _Hash:
        names = (FORMAT, self.namespace, caller, self.marks)
        text = canonical_text((*names, accepted(request, self.policy)))
        return hashlib.sha256(f"{text}\n".encode())


def accepted(request: ChatRequest, policy: Policy) -> dict[str, Any]:
    """What decides whether the answer of a model would do, as plain data."""
    named: tuple[str, ...] = ()
    if request.model and request.model != "auto":
        named = (request.model, *request.fallback_models)
    form: dict[str, Any] = {
        "models": list(dict.fromkeys((*named, *policy.preferred))),
        "others": policy.others,
        "capabilities": sorted(policy.capabilities),
        "floors": [policy.min_context, float(policy.min_quality), float(policy.min_safety)],
        "no_train": policy.no_train,
        "paid": policy.allow_paid,
    }
    if request.sample:
        form["sample"] = request.sample
    if policy.min_quality:
        form["quality"] = dict(policy.quality)  # the owner's own opinion decides who is above it
    return form
