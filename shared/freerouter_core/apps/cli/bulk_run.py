"""`BulkRun`: works on a job in a terminal. Shows progress, writes answers, ends on signals."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import chain, islice
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ...client.bulk import Bulk, BulkResult
from ...errors import BadSetting, FreeRouterError
from ...reports.bulk import BulkProgress, duration, speed
from ..bulk_files.file_format import Writer
from .console import EXIT_FAILED, EXIT_INTERRUPTED, console, print_failure
from .shell_words import in_bulk, in_shell

EVERY = 1.0
"""Seconds between looks at the progress."""
REASON = 300
"""Characters of a reason that are shown."""
REASONS = 200
"""Different reasons of failures that are counted."""
EVERY_LINE = 30.0
"""Seconds between lines of progress where there is no terminal."""


AS_IT_IS = ("BadRequest", "ContextTooLong", "Refused")
"""Errors of rows that another try does not mend."""


class _Reasons:
    """Why rows failed, and how many."""

    def __init__(self) -> None:
        self.rows = 0
        self._counts: Counter[str] = Counter()

    def add(self, reason: str) -> None:
        self.rows += 1
        if reason in self._counts or len(self._counts) < REASONS:
            self._counts[reason] += 1

    def most(self) -> str:
        """The most frequent reason, in words that go on."""
        reason, rows = self._counts.most_common(1)[0]
        of_them = "" if rows == self.rows else f"; {rows:,} of them"
        return f"{of_them} because: {shown_reason(reason)}"


class BulkRun:
    """Works on `job`, and writes its answers.

    Args:
        job: the job.
        writer: opens the output anew.
        name: what the shell calls the job.
        quiet: whether no progress is shown.
    """

    def __init__(
        self,
        job: Bulk,
        writer: Callable[[], AbstractContextManager[Writer]],
        name: str,
        *,
        quiet: bool,
    ) -> None:
        self._job, self._writer, self._name = job, writer, escape(name)
        self._quiet = quiet
        self._console = console(stderr=True)
        self._signals = 0
        self._failed = _Reasons()
        """Of rows that were asked."""
        self._refused = _Reasons()
        """Of rows that were asked, and get no other answer as they are."""
        self._never = _Reasons()
        """Of rows that cannot be asked."""

    def run(self) -> int:
        """Work until the job is done or a signal comes. Returns the exit code. Raises `BadSetting`
        if the job is refused."""
        try:
            with self._stops_on_signals(), self._shown():
                self._write()
        except (BadSetting, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            self._say_how_to_go_on()
            return EXIT_INTERRUPTED
        except (FreeRouterError, OSError) as error:
            code = print_failure(error)
            self._say_how_to_go_on()
            return code
        return self._told()

    def _write(self) -> None:
        results = iter(self._job)
        # Before the output is made anew: a job that is refused leaves it as it was.
        first = list(islice(results, 1))
        with self._writer() as writer:
            for result in chain(first, results):
                writer.write(in_words(result))
                if result.error is not None:
                    self._reasons(result).add(result.error)

    def _reasons(self, result: BulkResult) -> _Reasons:
        if not result.tries:
            return self._never
        return self._refused if result.error_type in AS_IT_IS else self._failed

    def _told(self) -> int:
        """Say how it ended. Returns the exit code."""
        progress = self._job.progress()
        self._console.print(escape(in_shell(str(progress))))
        for field, reason in self._job.left_out.items():
            self._advise(escape(f"the field {field} of rows is left out: {reason}"))
        if not progress.finished:
            self._say_how_to_go_on()
            return EXIT_INTERRUPTED
        if self._failed.rows:
            self._console.print(escape(f"{self._failed.rows:,} failed{self._failed.most()}"))
            self._advise(f"try again with: freerouter bulk retry --failed {self._name}")
        if self._refused.rows:
            self._console.print(
                escape(f"{self._refused.rows:,} failed as they are{self._refused.most()}")
            )
            self._advise("mend the input, and give the whole command with --merge")
            self._advise(f"or try them as they are: freerouter bulk retry --failed {self._name}")
        if self._never.rows:
            self._console.print(
                escape(f"{self._never.rows:,} can never be asked{self._never.most()}")
            )
            self._advise("mend the input, or --prompt, and give the whole command with --merge")
        return EXIT_FAILED if progress.failed else 0

    def _say_how_to_go_on(self) -> None:
        self._advise(f"go on with: freerouter bulk resume {self._name}")

    def _advise(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)  # a command is copied as one line

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
                self._console.print(escape(in_shell(str(progress))))
                continue
            bar.update(
                task,
                total=progress.total,
                completed=progress.done + progress.failed,
                description=escape(in_shell(_description(progress))),
            )


def in_words(result: BulkResult) -> BulkResult:
    """A result whose error is in the shell's words."""
    return result if result.error is None else replace(result, error=in_bulk(result.error))


def shown_reason(reason: str) -> str:
    """Why a row failed, in one line of the shell's words."""
    text = " ".join("".join(c if c.isprintable() else " " for c in in_bulk(reason)).split())
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
    return ", ".join([*parts, *progress.notes])
