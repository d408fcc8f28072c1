"""`Countdown`: shows in a terminal what a request waits for, and for how long still."""

from __future__ import annotations

import threading
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ...catalogue.durations import duration_words
from ...events import Waiting


class Countdown:
    """One line on standard error that counts down while a request waits, and then goes away.

    Elsewhere than in a terminal each wait is told once. `tell` is called on another thread.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._wait: Waiting | None = None
        self._live: Live | None = None
        self._over = False

    def tell(self, event: Waiting) -> None:
        """A request begins to wait."""
        with self._lock:
            if self._over:
                return
            self._wait = event
            if not self._console.is_terminal:
                self._console.print(self._line(event.seconds))
            elif self._live is None:
                self._live = Live(
                    get_renderable=self._now,
                    console=self._console,
                    refresh_per_second=4,
                    transient=True,
                )
                self._live.start()

    def end(self) -> None:
        """The wait is over. What comes late is not told."""
        with self._lock:
            self._over = True
            live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _now(self) -> Text:
        wait = self._wait
        return self._line(0.0 if wait is None else max(0.0, wait.until - time.time()))

    def _line(self, seconds: float) -> Text:
        wait = self._wait
        reason = wait.reason if wait is not None else ""
        before = f", {wait.before:,} before you" if wait is not None and wait.before else ""
        return Text(f"waiting {duration_words(seconds)}{before}: {reason}", style="dim")
