"""`Operation`: what the engine and the driver need of a request, whatever it asks for.

A chat, an embedding and a ranking travel the same way: candidates, limits, attempts, faults,
failover. They differ in the body that is written, in the answer that is read and judged, and in
how much of a request one model takes at once. That is all that an operation says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from ..catalogue.model import Mode, Model
from ..catalogue.providers import Account
from .answer import Answer
from .call_text import CallGate
from .fault import Fault
from .json_gate import JsonGate
from .json_values import Json
from .request import Validator
from .structured import Form
from .terms import Terms

MAX_ANSWER_VALUES = 100_000
"""Values that the JSON of an answer may have, unless the operation says more."""


class Operation(ABC):
    """One request, as the engine and the driver see it.

    The defaults are those of a request that is not streamed, offers no tools and wants no form.
    """

    mode: ClassVar[Mode]
    """Which models can serve it."""
    max_values: ClassVar[int] = MAX_ANSWER_VALUES
    """Values that the JSON of its answer may have: the parser holds the interpreter meanwhile."""

    @abstractmethod
    def path(self, model: Model) -> str:
        """Where the request is sent, below the account's base URL; or a whole URL."""

    @abstractmethod
    def body(self, model: Model, account: Account, terms: Terms) -> tuple[Json, Form | None]:
        """(the JSON for `model` at `account`, how structured output is requested)."""

    @abstractmethod
    def read(self, payload: object, model: Model) -> Answer:
        """The answer in a body that was not streamed."""

    @abstractmethod
    def judge(
        self, answer: Answer, now: float, *, pieced: bool = False
    ) -> tuple[Answer, Fault | None]:
        """(the answer in the form that was asked for, what is wrong with it).

        `pieced`: several models wrote parts of its text.
        """

    @property
    def validate(self) -> Validator | None:
        """The caller's own check of an answer."""
        return None

    @property
    def tools(self) -> bool:
        """Whether tools are on offer."""
        return False

    @property
    def must_call(self) -> str | bool:
        """False, True (some tool), or the name of the tool that must be called."""
        return False

    @property
    def stops(self) -> tuple[str, ...]:
        """The caller's stop words, at which its text ends; empty: there are none."""
        return ()

    @property
    def may_restart(self) -> bool:
        """Whether the reader of its stream replaces what it saw with what comes next."""
        return False

    @property
    def may_call(self) -> bool:
        """Whether a call, or an object, may be written whole: then tokens may be long in coming."""
        return False

    @property
    def callable_tools(self) -> frozenset[str]:
        """The names of the tools that may be called."""
        return frozenset()

    @property
    def own_names(self) -> Mapping[str, str]:
        """The own names of the tools on offer, by those that were sent in their place."""
        return {}

    def form(self, model: Model, account: Account, *, prefill: str | None = None) -> Form | None:
        """How structured output is requested of a model; None: there is none."""
        return None

    def gate(self) -> JsonGate | CallGate | None:
        """What holds back streamed text that may not be the answer."""
        return None

    def with_invalid_calls(self, answer: Answer, fault: Fault) -> Answer | None:
        """The answer with each call that cannot be carried out as an invalid one; None: it has
        none. `fault`: what ended it."""
        return None
