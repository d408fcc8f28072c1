"""The simulation of the whole (`benchmarks/proof`) breaks no law, and finds what breaks one."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

PROOF = Path(__file__).parent.parent / "benchmarks" / "proof"


def prove(*arguments: str) -> tuple[int, str]:
    """(exit status, what was printed)."""
    done = subprocess.run(
        [sys.executable, str(PROOF), *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(120)
def test_runs_break_no_law_and_repeat_exactly() -> None:
    status, text = prove("--seeds", "0", "8")
    assert status == 0, text
    found = re.search(r"; hash (\w+);", text)
    assert found, text
    again = re.search(r"; hash (\w+);", prove("--seeds", "0", "8")[1])
    assert again
    assert again[1] == found[1]


def test_every_planted_fault_has_a_place() -> None:
    """A name in the core that a fault takes the place of may change. This says so at once."""
    plants = runpy.run_path(str(PROOF / "planted.py"))["PLANTS"]
    assert len({plant.law for plant in plants.values()}) >= 8


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_planted_faults_are_found() -> None:
    status, text = prove("--planted")
    assert status == 0, text
    assert "NOT FOUND" not in text
