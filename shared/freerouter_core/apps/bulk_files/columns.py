"""`Columns`: the names of what a result's row has. Nothing of the input is overwritten."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from ...client.bulk.result import BulkResult
from ..as_json import jsonable

OWN = ("answer", "model", "error")
"""What a result adds to its row, by its usual names."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The input's fields, then the result's own. `own`: their names, in the order of `OWN`."""

    given: tuple[str, ...]
    own: tuple[str, ...] = OWN

    @classmethod
    def beside(cls, given: Iterable[str], own: Iterable[str] = OWN) -> Columns:
        """Columns whose own names are none of the input's: "answer_2" if that has an "answer"."""
        names = tuple(given)
        taken = {*names}
        return cls(given=names, own=tuple(unused(name, taken) for name in own))

    @property
    def names(self) -> tuple[str, ...]:
        return self.given + self.own

    @property
    def renamed(self) -> dict[str, str]:
        """The own columns that have another name than usual, by the usual one."""
        return {name: own for name, own in zip(OWN, self.own, strict=True) if name != own}

    def row(self, result: BulkResult) -> dict[str, Any]:
        """A row with its answer."""
        values = (jsonable(result.value), result.model or None, result.error)
        return {**kept_of(result), **dict(zip(self.own, values, strict=True))}


def kept_of(result: BulkResult) -> Mapping[str, Any]:
    """What its job kept of a result's row."""
    return result.data if isinstance(result.data, Mapping) else {}


def kept_name(name: object) -> str:
    """A field's name as a job keeps it: what UTF-8 cannot say is "?"."""
    return str(name).encode("utf-8", "replace").decode()


def unused(name: str, taken: Collection[str]) -> str:
    """`name`, or with the first number that makes it another than those."""
    if name not in taken:
        return name
    return next(other for n in count(2) if (other := f"{name}_{n}") not in taken)


def cell(value: object) -> object:
    """A value as a table without types has it: arrays and objects as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
