"""What all commands share: a console that behaves in a pipe, errors without tracebacks, and JSON on request."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape

from ...errors import AuthenticationFailed, BadRequest, BadSetting, FreeRouterError
from ..as_json import plain

F = TypeVar("F", bound=Callable[..., Any])

EXIT_FAILED, EXIT_USAGE, EXIT_NO_KEY, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: the models failed; the call was wrong; there is no key; Ctrl-C. `doctor` ends with 1 where no model is usable."""

PIPED = 240
"""Columns of a table in a pipe."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def console(*, stderr: bool = False) -> Console:
    # Without emoji=False rich reads the ":free:" of a message as a picture. Whoever reads a pipe wants lines, not a page's width.
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
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
            raise SystemExit(
                EXIT_NO_KEY if isinstance(error, AuthenticationFailed) else code
            ) from None
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our pipe has gone: no word is owed to it
            raise SystemExit(0) from None
        except OSError as error:
            console(stderr=True).print(f"[red]{type(error).__name__}[/]: {escape(str(error))}")
            raise SystemExit(EXIT_FAILED) from None

    return run  # type: ignore[return-value]


def print_json(value: Any) -> None:
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def age_words(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
