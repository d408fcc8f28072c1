"""The prompt of `freerouter chat`: what is typed, and what standard input brings."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Iterator

from ...errors import BadRequest
from .console import console

MAX_INPUT = 20_000_000
"""Bytes of standard input."""
PATIENCE = 2.0
"""Seconds after which somebody at a terminal is told that standard input is still open."""
STDIN = "-"


def read_prompt(typed: str | None, *, taken: bool = False) -> str | None:
    """The prompt: what standard input brings, then what was typed. "-" alone stands for the input.

    `taken`: whether an attachment reads standard input. Returns None if nothing was typed and a
    person sits at the terminal.

    Raises:
        BadRequest: the input is no text, or too long.
    """
    wanted = typed in (None, STDIN)
    if taken:
        return None if wanted else typed
    if wanted:
        if typed is None and sys.stdin.isatty():
            return None
        return read_input()
    if not _brings_something():
        return typed
    return "\n\n".join(filter(None, (read_input().rstrip("\n"), typed)))


def read_input() -> str:
    """The text of standard input."""
    try:
        with _told_if_slow():
            # As bytes: some locales let any byte pass as a letter.
            text = sys.stdin.buffer.read(MAX_INPUT + 1).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest(
            "standard input is no text", hint="to send a picture or a file: -a -"
        ) from None
    if len(text) > MAX_INPUT:
        raise BadRequest(
            f"standard input has more than {MAX_INPUT:,} bytes", hint="send less at once"
        )
    return text


def _brings_something() -> bool:
    """Whether standard input is a pipe, a file or a socket. /dev/null and a terminal are none."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):  # closed, or not a file of the system
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


@contextlib.contextmanager
def _told_if_slow() -> Iterator[None]:
    err = console(stderr=True)
    if not err.is_terminal:
        yield
        return
    words = "[dim]reading standard input; Ctrl-D ends it, < /dev/null goes without[/]"
    timer = threading.Timer(PATIENCE, err.print, [words])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
