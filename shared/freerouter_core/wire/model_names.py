"""`ModelNames`: a table of what clients call models, and which model each name means here.

Some clients only know the names of one company's models: Claude Code asks for `claude-sonnet-5`. A
row says what such names mean. A name that no row matches means itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..catalogue.model import is_plausible_name
from ..errors import BadSetting
from .json_values import Json

Row = tuple[str, str]
"""(pattern, model): `*` in a pattern stands for any letters; case does not count."""

ANTHROPIC: tuple[Row, ...] = (("claude-*", "auto"),)
"""What Anthropic's names mean if the user says nothing else: no free model has one."""


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The table. Rows are read from the top, and the first that matches counts."""

    rows: tuple[Row, ...] = ()

    @classmethod
    def parse(cls, words: Iterable[str]) -> ModelNames:
        """A table from words such as `claude-*=auto`. Raises `BadSetting`."""
        rows: list[Row] = []
        for word in words:
            pattern, _, model = (part.strip() for part in word.partition("="))
            if not (pattern and model and is_plausible_name(model)):
                raise BadSetting(
                    f"{word!r} maps no name to a model",
                    hint="write PATTERN=MODEL, for example 'claude-*=auto'",
                )
            rows.append((pattern, model))
        return cls(tuple(rows))

    def meaning(self, name: str) -> str:
        """The model that a client's name means."""
        return next((model for pattern, model in self.rows if matches(pattern, name)), name)

    def in_body(self, body: object) -> object:
        """The body of a request, its model by our name for it."""
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            return body
        meaning = self.meaning(body["model"])
        renamed: Json = body if meaning == body["model"] else {**body, "model": meaning}
        return renamed


def matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern, in linear time."""
    pattern, name = pattern.casefold(), name.casefold()
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    at, end = len(first), len(name) - len(last)
    if end < at or not name.startswith(first) or not name.endswith(last):
        return False
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
