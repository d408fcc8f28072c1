"""Modules that moved after version 0.1 can still be imported by their old paths."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

MOVED = {
    "apps.overview": ("apps.http.overview", "Overview"),
    "clock": ("runtime.loop.clock", "VirtualClock"),
    "router": ("client.router", "Router"),
    "session": ("client.router", "Session"),
    "simulator.actors": ("simulator.models", "SimModel"),
    "simulator.population": ("simulator.presets", "calm_models"),
    "streams": ("client.streams", "Stream"),
    "tables": ("reports", "Table"),
    "trail": ("events", "RequestTrace"),
}
"""By old path: the new one, and a name of the module."""


@pytest.mark.parametrize(("old", "new", "name"), [(o, n, x) for o, (n, x) in MOVED.items()])
def test_an_old_path_imports_the_new_module(old: str, new: str, name: str) -> None:
    module = importlib.import_module(f"freerouter_core.{old}")

    assert module is importlib.import_module(f"freerouter_core.{new}")
    assert hasattr(module, name)


def test_old_paths_are_imported_in_a_process_that_knows_no_new_ones() -> None:
    lines = [f"from freerouter_core.{old} import {name}" for old, (_, name) in MOVED.items()]
    code = "; ".join([*lines, "print('imported')"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "imported"


def test_every_moved_module_is_tested() -> None:
    import freerouter_core

    assert set(freerouter_core._MOVED) == set(MOVED)


def test_the_old_names_of_traces_are_the_same_classes() -> None:
    from freerouter_core import events

    assert events.Trail is events.RequestTrace
    assert events.Tried is events.AttemptTrace


@pytest.mark.parametrize("name", ["nothing", "router.nothing", "apps.nothing"])
def test_an_unknown_module_is_not_found(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        importlib.import_module(f"freerouter_core.{name}")
