"""A job's progress in a notebook: one place on the page, renewed while the job works."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from freerouter_core.client.bulk import live
from freerouter_core.reports.bulk import BulkProgress
from freerouter_core.simulator import SimModel, World


class Page:
    """What a notebook shows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, kernel: bool) -> None:
        self.shown: list[Any] = []
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


def test_a_notebook_shows_one_progress_that_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY", 0.001)
    page = Page(monkeypatch, kernel=True)
    with World([SimModel("a/x:free")]) as world:
        job = world.router().bulk([f"Question {n}" for n in range(100)], tmp_path / "a.job")
        assert job.run().done == 100
    (shown,) = page.shown
    assert all(isinstance(one, BulkProgress) for one in shown)
    assert (shown[0].done, shown[-1].done) == (0, 100)
    assert len(shown) > 2


def test_a_terminal_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(monkeypatch, kernel=False)
    with World([SimModel("a/x:free")]) as world:
        assert world.router().bulk(["x"], tmp_path / "a.job").run().done == 1
    assert not page.shown
