"""What all commands share: a console that suits pipes, errors without tracebacks, JSON output."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from shutil import get_terminal_size
from typing import ParamSpec, TypeVar

import click
from rich.console import Console
from rich.markup import escape

from ...errors import AuthenticationFailed, BadRequest, BadSetting, FreeRouterError
from ..as_json import jsonable
from ..output import discard_output
from .shell_words import in_shell

P = ParamSpec("P")
R = TypeVar("R")

EXIT_FAILED = 1
"""No model answered. `doctor` has more codes, which its help lists."""
EXIT_USAGE = 2
"""An argument or a setting is wrong."""
EXIT_NO_KEY = 3
"""A key is missing or was refused."""
EXIT_UNREACHABLE = 4
"""For `doctor`: an address cannot be reached."""
EXIT_INTERRUPTED = 130
"""Ctrl-C."""
PIPE_WIDTH = 240
"""Columns of a table that is written to a pipe."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        discard_output()  # the reader of the pipe has gone, as after `| head`: enough was read
        raise SystemExit(0)


def console(*, stderr: bool = False) -> Console:
    """A console for standard output or standard error. In a pipe it does not wrap lines."""
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    width = height = None
    if piped and not os.environ.get("COLUMNS"):
        width = PIPE_WIDTH
    elif os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        # rich takes a dumb terminal for one of 80 columns, whatever its size is.
        width, height = get_terminal_size()
    # emoji=False: rich would show the ":free:" of a message as an emoji.
    return _Console(
        stderr=stderr,
        highlight=False,
        emoji=False,
        soft_wrap=piped,
        width=width,
        height=height,
    )


def without_tracebacks(command: Callable[P, R]) -> Callable[P, R]:
    """Print an expected error as one line and its hint, then exit with its code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            raise SystemExit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            discard_output()  # the reader of the pipe has gone, as after `| head`
            raise SystemExit(0) from None
        except (FreeRouterError, OSError) as error:
            raise SystemExit(print_failure(error)) from None

    return run


def print_failure(error: FreeRouterError | OSError) -> int:
    """Print an expected error and its hint. Returns the exit code that it means."""
    if isinstance(error, FreeRouterError):
        print_error(error, error.message)
        if error.hint:
            console(stderr=True).print(escape(in_shell(error.hint)))
        return _exit_code(error)
    place = f" ({error.filename})" if error.filename else ""
    print_error(error, f"{error.strerror or error}{place}")
    return EXIT_FAILED


def print_error(error: Exception, message: str) -> None:
    console(stderr=True).print(f"[red]{type(error).__name__}[/]: {escape(in_shell(message))}")


def _exit_code(error: FreeRouterError) -> int:
    if isinstance(error, AuthenticationFailed):
        return EXIT_NO_KEY
    return EXIT_USAGE if isinstance(error, (BadSetting, BadRequest)) else EXIT_FAILED


def print_json(value: object) -> None:
    click.echo(json.dumps(jsonable(value), indent=2, ensure_ascii=False))
