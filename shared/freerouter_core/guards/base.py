"""What a guard is, what it judges, and what it says.

A guard judges prompts before they are sent, and answers before the caller gets them. It accepts,
flags, or rejects with a reason. A rejected answer is another model's turn.

A guard is an object with a `judge` method, or a callable that takes an `Exchange`. It returns a
`Verdict`, None or True to accept, or False or a reason to reject. Guards run on threads of their
own, so they may wait. They may call a model through `exchange.router`, which has no guards.

A stream with guards is held until it was judged. A guard that raises an error flags what it should
have judged, or rejects it with `when_unsure="reject"`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self
from uuid import uuid4
from weakref import WeakKeyDictionary

from ..catalogue.model import Model
from ..checks import check_one_of
from ..errors import BadSetting, shown_value
from ..routing.need import asked
from ..wire.answer import Answer
from ..wire.request import Prompt

Action = Literal["accept", "flag", "reject"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard says.

    Attributes:
        action: "accept", "flag" or "reject".
        reason: why, if it is not accepted.
        prepend: text to put before the answer, with a blank line between.
    """

    action: Action = "accept"
    reason: str = ""
    prepend: str = ""

    def __post_init__(self) -> None:
        check_action(self.action)
        if not (isinstance(self.reason, str) and isinstance(self.prepend, str)):
            raise BadSetting("the reason and prepend of a verdict must be strings")


def check_action(action: object) -> None:
    """Raise `BadSetting` unless it is an `Action`."""
    check_one_of("action", action, ("accept", "flag", "reject"))


class Outcome(Protocol):
    """What a guard gets when it asks a model."""

    @property
    def text(self) -> str: ...


class ChatClient(Protocol):
    """What a guard asks models through. `Router` is one."""

    def chat(self, request: Prompt, /) -> Outcome: ...
    def safety_classifiers(self) -> Sequence[Model]: ...
    def with_options(self, **options: Any) -> Self: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a guard judges.

    Attributes:
        messages: the request's messages, as OpenAI wire dicts.
        answer: the answer. None: only the prompt is judged, before it is sent.
        model: the model that answered.
        router: what the guard may ask models through.
    """

    messages: Sequence[Mapping[str, Any]]
    answer: Answer | None = None
    model: str = ""
    router: ChatClient | None = field(default=None, repr=False, compare=False)

    @property
    def prompt(self) -> str:
        """The text of the user's last message."""
        return asked(self.messages)

    @property
    def text(self) -> str:
        """What is to be judged: the answer, or the prompt if there is none."""
        return self.prompt if self.answer is None else self.answer.text


class Guard:
    """The base of guards. It judges answers, and with `on_prompt` prompts as well.

    Attributes:
        name: what flags call it.
        on_prompt: whether it judges prompts.
        on_answer: whether it judges answers.
        when_unsure: what follows when it raises an error, "flag" or "reject".
    """

    name = ""
    on_prompt = False
    on_answer = True
    when_unsure: Literal["flag", "reject"] = "flag"

    def judge(self, exchange: Exchange) -> Verdict | bool | str | None:
        """Judge a prompt or an answer. See `freerouter_core.guards.base` for the return value."""
        raise NotImplementedError


GuardLike = Guard | Callable[[Exchange], Verdict | bool | str | None]


def name_of(guard: GuardLike) -> str:
    """What flags and serialized routers call a guard."""
    name = getattr(guard, "name", "") or getattr(guard, "__name__", "")
    return str(name or type(guard).__name__)


_marks: WeakKeyDictionary[GuardLike, str] = WeakKeyDictionary()


def mark_of(guard: GuardLike) -> str:
    """A text that no other guard has, in any process. Guards of one name may judge differently, so
    a cache must not mix up their answers."""
    try:
        return _marks.setdefault(guard, f"{name_of(guard)}#{uuid4().hex}")
    except TypeError:  # no weak references or no hash: a new mark each time
        return uuid4().hex


def checked(guards: Iterable[GuardLike]) -> tuple[GuardLike, ...]:
    """The guards as a tuple. Raises `BadSetting` for what is not a guard."""
    guards = tuple(guards)
    for guard in guards:
        if inspect.iscoroutinefunction(getattr(guard, "judge", guard)):
            raise BadSetting(
                f"{name_of(guard)!r} is asynchronous",
                hint="guards run on a thread of their own, so they may simply wait",
            )
        can_judge = callable(guard) or callable(getattr(guard, "judge", None))
        if isinstance(guard, type) or not can_judge:
            raise BadSetting(
                f"{shown_value(guard)} is not a guard",
                hint="pass the object itself, which has a judge(exchange) method, or a callable "
                "that takes an Exchange",
            )
    return guards
