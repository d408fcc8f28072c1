"""What all commands share: a console that behaves in a pipe, errors without tracebacks, and JSON on request."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..catalogue.model import Model
from ..errors import AuthenticationFailed, BadRequest, BadSetting, FreeRouterError

F = TypeVar("F", bound=Callable[..., Any])

EXIT_FAILED, EXIT_USAGE, EXIT_NO_KEY = 1, 2, 3
"""Exit codes: the models failed; the call was wrong; there is no key. `doctor` ends with 1 where no model is usable."""

PIPED = 240
"""Columns of a table in a pipe."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def console(*, stderr: bool = False) -> Console:
    # Without emoji=False rich reads the ":free:" of a message as a picture. Whoever reads a pipe wants lines, not a page's width.
    piped = not sys.stdout.isatty()
    width = PIPED if piped and not os.environ.get("COLUMNS") else None
    return Console(stderr=stderr, highlight=False, emoji=False, soft_wrap=piped, width=width)


def guarded(command: F) -> F:
    """A user's mistake or a provider's failure is one line that says what to do, never a traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except FreeRouterError as error:
            told = console(stderr=True)
            told.print(f"[red]{type(error).__name__}[/]: {escape(error.message)}")
            if error.hint:
                told.print(escape(error.hint))
            code = EXIT_USAGE if isinstance(error, (BadSetting, BadRequest)) else EXIT_FAILED
            raise SystemExit(EXIT_NO_KEY if isinstance(error, AuthenticationFailed) else code) from None
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our pipe has gone: no word is owed to it
            raise SystemExit(0) from None

    return run  # type: ignore[return-value]


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines, whose long cells fold."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def print_json(value: Any) -> None:
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Reports as JSON can hold them: no keys, and nothing infinite."""
    if isinstance(value, Model):
        return described(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def described(model: Model) -> dict[str, Any]:
    """A model as lists show it: prices are USD a token, `quality` a prior of 0 to 10."""
    return {
        "id": model.id,
        "provider": model.provider,
        "context": model.context,
        "max_output": model.max_output,
        "capabilities": list(model.capabilities),
        "free": model.free,
        "prompt_price": model.prompt_price,
        "completion_price": model.completion_price,
        "quality": round(model.quality, 1),
    }


def seconds_words(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def age_words(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
