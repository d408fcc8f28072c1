"""Guards: opinions about what is asked and answered, before anybody sees it.

A guard accepts, flags, or rejects with a reason; a rejected answer is another model's turn. It is an object with a `judge` method, or
any callable that takes an `Exchange` and returns a `Verdict`, None or True (accepted), False or words (rejected). Guards run on a
thread of their own, so they may wait, and call a model themselves through `exchange.router`, which has no guards. A stream that is
guarded is held until it was judged. A guard that fails is taken to have flagged: `when_unsure="reject"` is for those who would
rather have no answer than an unjudged one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self
from uuid import uuid4
from weakref import WeakKeyDictionary

from ..catalogue.model import Model
from ..errors import BadSetting
from ..routing.need import asked
from ..wire.answer import Answer
from ..wire.request import Prompt

Action = Literal["accept", "flag", "reject"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard thinks. `prepend` is put before the answer's text, a blank line between."""

    action: Action = "accept"
    reason: str = ""
    prepend: str = ""

    def __post_init__(self) -> None:
        check_action(self.action)
        if not (isinstance(self.reason, str) and isinstance(self.prepend, str)):
            raise BadSetting("a verdict's reason and prepend are texts")


def check_action(action: object) -> None:
    if action not in ("accept", "flag", "reject"):
        raise BadSetting(f"action={action!r} is none of 'accept', 'flag', 'reject'")


class Outcome(Protocol):
    """What a guard gets when it asks a model itself."""

    @property
    def text(self) -> str: ...


class ChatClient(Protocol):
    """What a guard may ask a model through: a `Router` is one."""

    def chat(self, request: Prompt, /) -> Outcome: ...
    def safety_classifiers(self) -> Sequence[Model]: ...
    def with_options(self, **options: Any) -> Self: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a guard judges: the request's `messages` (dicts as the OpenAI API words them) and the answer of `model`; None: the prompt
    alone, before anybody is asked."""

    messages: Sequence[Mapping[str, Any]]
    answer: Answer | None = None
    model: str = ""
    router: ChatClient | None = field(default=None, repr=False, compare=False)

    @property
    def prompt(self) -> str:
        """The text of what the user said last."""
        return asked(self.messages)

    @property
    def text(self) -> str:
        """What is to be judged: the answer where there is one, else the prompt."""
        return self.prompt if self.answer is None else self.answer.text


class Guard:
    """The base of guards: judges answers; prompts too where `on_prompt` is set."""

    name = ""
    on_prompt = False
    on_answer = True
    when_unsure: Literal["flag", "reject"] = "flag"
    """What follows where the guard itself fails."""

    def judge(self, exchange: Exchange) -> Verdict | bool | str | None:
        raise NotImplementedError


GuardLike = Guard | Callable[[Exchange], Verdict | bool | str | None]


def name_of(guard: GuardLike) -> str:
    """What a guard is called in flags and in serialized policies."""
    named = getattr(guard, "name", "") or getattr(guard, "__name__", "")
    return str(named or type(guard).__name__)


_marks: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def mark_of(guard: GuardLike) -> str:
    """What tells this very object from any other, in any process: two guards of one name judge differently, and a cache must not mix
    their answers."""
    try:
        return _marks.setdefault(guard, f"{name_of(guard)}#{uuid4().hex}")
    except TypeError:  # cannot be held weakly, so it is a new one every time
        return uuid4().hex


def checked(guards: Iterable[Any]) -> tuple[GuardLike, ...]:
    """Raises `BadSetting` where one is none."""
    found = tuple(guards)
    for guard in found:
        if inspect.iscoroutinefunction(getattr(guard, "judge", guard)):
            raise BadSetting(
                f"{name_of(guard)!r} is asynchronous",
                hint="guards run on a thread of their own, so they may simply wait",
            )
        if isinstance(guard, type) or not (
            callable(guard) or callable(getattr(guard, "judge", None))
        ):
            raise BadSetting(
                f"{guard!r} is no guard",
                hint="give the object itself: it has a judge(exchange) method, or is a callable that takes an Exchange",
            )
    return found
