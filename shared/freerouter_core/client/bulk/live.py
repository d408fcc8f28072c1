"""`shown_live`: a job's progress in a notebook, while it is worked on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...reports.bulk import BulkProgress

EVERY = 1.0
"""Seconds between two looks."""


@contextmanager
def shown_live(look: Callable[[], BulkProgress]) -> Iterator[None]:
    """Meanwhile show what `look` returns, in one place that is renewed. Elsewhere than in a
    notebook nothing is shown."""
    display = _notebook_display()
    if display is None:
        yield
        return
    handle, ended = display(look(), display_id=True), threading.Event()

    def renew() -> None:
        while not ended.wait(EVERY):
            handle.update(look())

    thread = threading.Thread(target=renew, name="freerouter-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        handle.update(look())


def _notebook_display() -> Callable[..., Any] | None:
    """IPython's `display` in a notebook; None elsewhere. Nothing is imported for it."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if ipython is None or getattr(shell, "kernel", None) is None:
        return None
    display: Callable[..., Any] = ipython.display.display
    return display
