"""`tell_warnings`: what the package logs, in sentences for somebody at a shell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from rich.markup import escape

from ...catalogue.counts import count_words
from ...catalogue.durations import duration_words, span_words
from ...events import log
from .console import console
from .shell_words import in_shell

_SENTENCES: dict[str, Callable[[Mapping[str, object]], str]] = {
    "FetchFailed": lambda event: (
        f"the models of {event['provider']} could not be listed: {event['reason']}"
    ),
    "StoreLost": lambda event: (
        f"what other processes know cannot be read ({event['reason']}); "
        f"tried again after {duration_words(float(str(event['seconds'])))}"
    ),
    "QuotaLow": lambda event: (
        f"{event['used']:g} of {count_words(int(str(event['limit'])), 'request')} "
        f"{span_words(float(str(event['per'])))} are used"
    ),
    "Charged": lambda event: (
        f"{event['model']} charged {event['cost']} USD, and is not asked again"
    ),
}
_PREFIX = "freerouter_"
_BLOCKED = 2.0
"""Seconds that the loop is blocked before somebody at a shell is told. At the first request it is
blocked for less: certificates are read, and the first list of models."""


_held: list[str] | None = None
"""Lines that wait while an answer is being written. None: none need to."""


def hold_lines() -> None:
    """Let warnings wait: the cursor stands in a line of an answer."""
    global _held
    _held = [] if _held is None else _held


def print_held_lines() -> None:
    """Print the warnings that waited, and let none wait any more."""
    global _held
    held, _held = _held, None
    for line in held or ():
        console(stderr=True).print(line)


def tell_warnings() -> None:
    """Print warnings of the package on standard error, each as one line."""
    if not any(isinstance(handler, _Lines) for handler in log.handlers):
        log.addHandler(_Lines(logging.WARNING))


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, f"{_PREFIX}event", "")
        if event == "LoopBlocked" and getattr(record, f"{_PREFIX}seconds", 0.0) < _BLOCKED:
            return
        words = _SENTENCES.get(event)
        fields = {
            name.removeprefix(_PREFIX): value
            for name, value in vars(record).items()
            if name.startswith(_PREFIX)
        }
        text = in_shell(words(fields) if words else record.getMessage())
        line = f"[yellow]{escape(text)}[/]"
        if (held := _held) is None:
            console(stderr=True).print(line)
        else:
            held.append(line)
