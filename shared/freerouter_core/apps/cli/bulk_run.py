"""`BulkRun`: works on a job in a terminal. Shows progress, writes answers, ends on signals."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ...client.bulk import Bulk
from ...reports.bulk import BulkProgress, duration, speed
from ..bulk_files.file_format import Format
from .console import EXIT_FAILED, EXIT_INTERRUPTED, console
from .shell_words import in_shell

EVERY = 1.0
"""Seconds between looks at the progress."""
REASON = 300
"""Characters of a reason that are shown."""
REASONS = 200
"""Different reasons of failures that are counted."""
EVERY_LINE = 30.0
"""Seconds between lines of progress where there is no terminal."""


class BulkRun:
    """Works on `job`, and writes its answers to `output` in the format of its input."""

    def __init__(self, job: Bulk, form: Format, output: Path, *, quiet: bool) -> None:
        self._job, self._form, self._output = job, form, output
        self._quiet = quiet
        self._console = console(stderr=True)
        self._signals = 0

    def run(self) -> int:
        """Work until the job is done or a signal comes. Returns the exit code."""
        reasons: Counter[str] = Counter()
        with (
            self._form.writer(self._output) as writer,
            self._stops_on_signals(),
            self._shown(),
        ):
            for result in self._job:
                writer.write(result)
                if result.error is not None and len(reasons) < REASONS:
                    reasons[result.error] += 1
        progress = self._job.progress()
        self._console.print(escape(str(progress)))
        name = escape(str(self._output))
        if not progress.finished:
            self._console.print(f"go on with: freerouter bulk resume {name}")
            return EXIT_INTERRUPTED
        for reason, rows in reasons.most_common(1):
            self._console.print(f"{rows:,} failed because: {escape(shown_reason(reason))}")
        if progress.failed:
            self._console.print(f"try them again with: freerouter bulk retry --failed {name}")
            return EXIT_FAILED
        return 0

    # -- signals ------------------------------------------------------------------------------

    @contextmanager
    def _stops_on_signals(self) -> Iterator[None]:
        """The first signal lets what is in flight finish; the second ends at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [signal.SIGINT, signal.SIGTERM]
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1:
            raise KeyboardInterrupt
        # On a thread: the main one may stand anywhere.
        threading.Thread(target=self._job.stop, daemon=True).start()
        self._console.print("stopping: what is in flight finishes; once more ends at once")

    # -- progress -----------------------------------------------------------------------------

    @contextmanager
    def _shown(self) -> Iterator[None]:
        if self._quiet:
            yield
            return
        ended = threading.Event()
        terminal = self._console.is_terminal
        bar = _bar(self._console) if terminal else None
        thread = threading.Thread(target=self._watch, args=(ended, bar), daemon=True)
        with bar if bar is not None else nullcontext():
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join(5.0)

    def _watch(self, ended: threading.Event, bar: Progress | None) -> None:
        task = None if bar is None else bar.add_task("", total=None)
        while not ended.wait(EVERY if bar is not None else EVERY_LINE):
            progress = self._job.progress()
            if bar is None or task is None:
                self._console.print(escape(str(progress)))
                continue
            bar.update(
                task,
                total=progress.total,
                completed=progress.done + progress.failed,
                description=escape(_description(progress)),
            )


def shown_reason(reason: str) -> str:
    """Why a row failed, in one line of the shell's words."""
    text = " ".join("".join(c if c.isprintable() else " " for c in in_shell(reason)).split())
    return text if len(text) <= REASON else text[: REASON - 1] + "…"


def _bar(console: Console) -> Progress:
    return Progress(
        BarColumn(24),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
    )


def _description(progress: BulkProgress) -> str:
    parts = []
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.rate is not None:
        parts.append(speed(progress.rate))
    if progress.waits is not None:
        parts.append(f"waits {duration(progress.waits)} for {progress.waits_for}")
    if progress.seconds is not None and progress.ends_at is not None:
        parts.append(f"done in {duration(progress.seconds)} ({progress.ends_at:%a %H:%M})")
    return ", ".join(parts)
