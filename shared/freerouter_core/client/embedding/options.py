"""`EmbedOptions` and `RerankOptions`: how texts are embedded and ranked; checked when made.

`EmbedArguments` and `RerankArguments` are the same as keyword arguments, which `Router` documents.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, get_args

from ...catalogue.serving import InputType
from ...errors import BadRequest, shown_value
from ...wire.request import Lane
from ...wire.vectors import MAX_DIMENSION

LongTexts = Literal["error", "split"]
"""What becomes of a text that is too long: an error, or the mean of its pieces' vectors."""


class EmbedArguments(TypedDict, total=False):
    model: str | None
    kind: InputType
    dimensions: int | None
    pin: str | Path | None
    long: LongTexts
    timeout: float | None
    lane: Lane | None
    label: str


class RerankArguments(TypedDict, total=False):
    model: str | None
    top_n: int | None
    chat: bool
    timeout: float | None
    lane: Lane | None
    label: str


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """See `Router.embed`. Raises `BadRequest` if an option makes no sense."""

    model: str | None = None
    kind: InputType = "document"
    dimensions: int | None = None
    pin: str | Path | None = None
    long: LongTexts = "error"
    timeout: float | None = None
    lane: Lane | None = None
    label: str = ""

    def __post_init__(self) -> None:
        _check_shared(self.model, self.timeout, self.lane)
        _check_one_of("kind", self.kind, get_args(InputType))
        _check_one_of("long", self.long, get_args(LongTexts))
        if self.dimensions is not None and not (
            _is_whole(self.dimensions) and self.dimensions <= MAX_DIMENSION
        ):
            raise BadRequest(f"dimensions={self.dimensions!r} must be a positive whole number")
        if self.pin is not None:
            os.fspath(self.pin)

    @property
    def name(self) -> str | None:
        """The model or space that is named; None: any."""
        return None if self.model == "auto" else self.model or None


@dataclass(frozen=True, kw_only=True)
class RerankOptions:
    """See `Router.rerank`. Raises `BadRequest` if an option makes no sense."""

    model: str | None = None
    top_n: int | None = None
    chat: bool = True
    timeout: float | None = None
    lane: Lane | None = None
    label: str = ""

    def __post_init__(self) -> None:
        _check_shared(self.model, self.timeout, self.lane)
        if self.top_n is not None and not _is_whole(self.top_n):
            raise BadRequest(f"top_n={self.top_n!r} must be 1 or more", hint="None: all of them")

    @property
    def name(self) -> str | None:
        """The reranker that is named; None: any."""
        return None if self.model == "auto" else self.model or None


def _check_shared(model: object, timeout: object, lane: object) -> None:
    if model is not None and not isinstance(model, str):
        raise BadRequest(f"model={model!r} must be a name", hint='such as "bge-m3"')
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise BadRequest(f"timeout={timeout!r} must be positive seconds")
    _check_one_of("lane", lane, (None, *get_args(Lane)))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check_one_of(name: str, value: object, offered: tuple[object, ...]) -> None:
    if value not in offered:
        names = ", ".join(repr(one) for one in offered)
        raise BadRequest(f"{name}={shown_value(value)} is not known", hint=f"one of {names}")
