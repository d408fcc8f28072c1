"""What tells one guard from another, in any process."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from freerouter_core import Guard, Router
from freerouter_core.guards import CrisisGuard, ModerationGuard, PatternGuard
from freerouter_core.guards.identity import identity_of


class Long(Guard):
    def __init__(self, least: object) -> None:
        self.least = least

    def judge(self, exchange: Any) -> bool:
        return len(exchange.text) >= int(str(self.least))


class Longer(Long):
    pass


class Judged:
    """No guard of ours: an object with a method."""

    def judge(self, exchange: Any) -> bool:
        return True

    def accept(self, exchange: Any) -> bool:
        return True


class Slotted:
    __slots__ = ("least",)

    def judge(self, exchange: Any) -> bool:
        return True


def polite(exchange: Any) -> bool:
    return "please" in exchange.text and exchange.text not in {"a", "b"}


def at_least(least: int) -> Callable[[Any], bool]:
    return lambda exchange: len(exchange.text) >= least


def a_class(**members: object) -> Guard:
    """A guard of a class that is written anew."""
    members["judge"] = Long.judge
    made = type("Made", (Guard,), {"__module__": "mine", **members})
    guard = made()
    assert isinstance(guard, Guard)
    return guard


def local_class() -> type:
    class Local:
        pass

    return Local


def unset() -> Callable[[Any], object]:
    def judge(exchange: Any) -> object:
        return later

    if judge.__closure__:
        return judge
    later = 1
    return judge


@pytest.mark.parametrize(
    "make",
    [
        lambda: PatternGuard(["x"], [r"y+"]),
        lambda: CrisisGuard("call 112"),
        lambda: ModerationGuard(on_prompt=True),
        lambda: Long({"a": [1, (2.0, None), {3}], "b": re.compile("x", re.DOTALL)}),
        lambda: Long(Guard),
        lambda: polite,
        lambda: at_least(3),
        Judged,
        lambda: Judged().accept,
        lambda: a_class(words=("a",), bad=property(polite), worse=classmethod(polite)),
    ],
)
def test_the_same_guard_made_twice_is_one(make: Callable[[], Any]) -> None:
    assert identity_of(make()) == identity_of(make())
    assert "#" not in identity_of(make())


def test_guards_that_judge_otherwise_are_told_apart() -> None:
    guards: list[Any] = [
        PatternGuard(["x"]),
        PatternGuard(["y"]),
        PatternGuard(["x"], action="flag"),
        PatternGuard(["x"], on_prompt=True),
        CrisisGuard(),
        CrisisGuard("call 112"),
        Long(1),
        Long("1"),
        Long(2),
        Longer(1),
        Judged(),
        Judged().accept,
        polite,
        at_least(1),
        at_least(2),
        a_class(words=("a",)),
        a_class(words=("b",)),
        a_class(bad=at_least(1)),
        a_class(bad=at_least(2)),
        a_class(bad=staticmethod(at_least(2))),
        a_class(bad=property(at_least(2))),
        lambda exchange: True,
        lambda exchange: False,
        lambda exchange, least=2: True,
        lambda exchange, *, least=2: True,
    ]
    assert len({identity_of(guard) for guard in guards}) == len(guards)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Long(object()),
        lambda: Long(local_class()),
        lambda: Long(Router()),
        Slotted,
        unset,
        lambda: [].append,
    ],
)
def test_what_cannot_be_compared_is_equal_to_itself_alone(make: Callable[[], Any]) -> None:
    one, other = make(), make()
    assert identity_of(one) != identity_of(other)


def test_what_holds_itself_is_equal_to_itself_alone() -> None:
    guard = Long([])
    assert isinstance(guard.least, list)
    guard.least.append(guard)
    assert identity_of(guard) == identity_of(guard)
    assert "#" in identity_of(guard)
