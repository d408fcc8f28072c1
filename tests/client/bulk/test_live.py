"""A job's progress in a notebook: one place on the page, renewed while the job works."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from freerouter_core import Exchange
from freerouter_core.client.bulk import live
from freerouter_core.reports.bulk import BulkProgress
from freerouter_core.simulator import SimModel, World


class Page:
    """What a notebook shows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, kernel: bool) -> None:
        self.shown: list[Any] = []
        self.renewed = threading.Event()
        ipython: Any = ModuleType("IPython")
        ipython.get_ipython = lambda: SimpleNamespace(kernel=object() if kernel else None)
        ipython.display = SimpleNamespace(display=self.display)
        monkeypatch.setitem(sys.modules, "IPython", ipython)

    def display(self, value: object, *, display_id: bool) -> Page:
        assert display_id
        self.shown.append([value])
        return self

    def update(self, value: object) -> None:
        self.shown[-1].append(value)
        self.renewed.set()


def test_a_notebook_shows_one_progress_that_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY", 0.05)
    page = Page(monkeypatch, kernel=True)
    while_at_work: list[bool] = []

    def judge(exchange: Exchange) -> None:
        with world.clock.stopped():
            while_at_work.append(page.renewed.wait(10))

    with World([SimModel("a/x:free")]) as world:
        job = world.router(guards=[judge]).bulk([f"Question {n}" for n in range(3)], tmp_path / "a")
        assert job.run().done == 3
    (shown,) = page.shown
    assert all(isinstance(one, BulkProgress) for one in shown)
    assert (shown[0].done, shown[-1].done) == (0, 3)
    assert while_at_work == [True] * 3


def test_a_terminal_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(monkeypatch, kernel=False)
    with World([SimModel("a/x:free")]) as world:
        assert world.router().bulk(["x"], tmp_path / "a.job").run().done == 1
    assert not page.shown
