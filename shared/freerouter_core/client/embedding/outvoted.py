"""`outvoted`: whether the first provider of a space is alone with its vector of the known text.

Who is asked first says what the space is. One that lies from its first answer on would push all
honest providers out. So where three or more serve a space, a second one is asked before it is
pinned, and a third if these two differ.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from ...catalogue.model import Model
from ...errors import FreeRouterError
from ...routing.plan import Outcome
from ...wire.answer import Vector
from ...wire.embeddings import ALIKE
from ...wire.vectors import cosine

MAX_OPINIONS = 3
"""Providers that are asked besides the first."""


async def outvoted(
    first: Outcome, models: Iterable[Model], ask: Callable[[str], Awaitable[Outcome]]
) -> tuple[Vector, str] | None:
    """(the known text's vector, the model that gave it) if two others agree on another than the
    first provider's. None: they do not, or too few can be asked.

    `models`: those of the space. `ask`: gets the known text's vector, from a model if possible.
    """
    others = {model.provider: model.id for model in models if model.provider != first.provider}
    if len(others) < 2:  # of two that differ, nobody knows who is right
        return None
    said: dict[str, tuple[Vector, str]] = {}
    for name in list(others.values())[:MAX_OPINIONS]:
        try:
            outcome = await ask(name)
        except FreeRouterError:
            return None  # nobody can be asked now
        if outcome.provider == first.provider or outcome.provider in said:
            continue
        vector = outcome.answer.vectors[0]
        if alike(vector, first.answer.vectors[0]):
            return None
        for earlier in said.values():
            if alike(vector, earlier[0]):
                return earlier
        said[outcome.provider] = vector, outcome.attempt.model.id
    return None


def alike(one: Vector | None, other: Vector | None) -> bool:
    """Whether two vectors of one text are of one space."""
    return one is not None and other is not None and cosine(one, other) >= ALIKE
