"""`InputReading`: tells that an input is read before the job begins, and ends on signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.markup import escape

from .console import EXIT_INTERRUPTED, console

PATIENCE = 1.0
"""Seconds after which it is told that an input is read: most are read by then."""
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


class InputReading:
    """The reading of a command's input before anything is asked.

    Args:
        path: the input.
        name: what the shell calls the job.
        kept: tells whether there is such a job to go on with.
        quiet: whether nothing is told unless a signal comes.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        kept: Callable[[], bool],
        *,
        quiet: bool,
        patience: float = PATIENCE,
    ) -> None:
        self._path, self._name, self._kept = path, name, kept
        self._over = False
        self._timer = threading.Timer(patience, self._tell)
        self._timer.daemon = True
        if not quiet:
            self._timer.start()

    def over(self) -> None:
        """It is read: who works on the job now tells how it goes."""
        self._over = True
        self._timer.cancel()

    def wait_until_told(self) -> None:
        """Wait until it was told, or will not be."""
        self._timer.join()

    def interrupted(self) -> None:
        """Say what a signal has ended, and how to go on."""
        self.over()
        how = (
            f"go on with: freerouter bulk resume {escape(self._name)}"
            if self._kept()
            else "nothing was asked: the same command begins it again"
        )
        console(stderr=True).print(how, soft_wrap=True)

    def _tell(self) -> None:
        size = shown_size(self._path.stat().st_size) if self._path.exists() else "nothing"
        if not self._over:
            console(stderr=True).print(
                escape(f"reading {self._path.name} ({size}), before anything is asked")
            )


@contextmanager
def reading(one: InputReading) -> Iterator[InputReading]:
    """Until it is over, a signal ends the command in good order."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield one
    except KeyboardInterrupt:
        one.interrupted()
        raise SystemExit(EXIT_INTERRUPTED) from None
    finally:
        one.over()
        for number, handler in before.items():
            signal.signal(number, handler)


def shown_size(size: int) -> str:
    """Such as "3.4 MB"."""
    number, unit = float(size), 0
    while number >= 1_000.0 and unit < len(_UNITS) - 1:
        number, unit = number / 1_000.0, unit + 1
    return f"{number:.3g} {_UNITS[unit]}"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
