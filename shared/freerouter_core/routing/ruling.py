"""`Ruling`: what the content guards together say of an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flag:
    """A guard's remark about an answer that was accepted.

    `unsure`: the guard itself failed, which says nothing about the model.
    """

    guard: str
    reason: str
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """What all guards together say of an answer.

    `refused`: why it is rejected; None: it is accepted. `prepend`: a text to show before it.
    `unsure`: a guard failed instead of judging, so nothing is learnt about the model.
    """

    refused: str | None = None
    flags: tuple[Flag, ...] = ()
    prepend: str = ""
    unsure: bool = False
