"""Environments of their own for what the tests install, made once in `.clients`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLACE = Path(__file__).parents[2] / ".clients"


def installed(folder: str, source: Path, *commands: list[str]) -> Path:
    """A folder with what `source` lists, installed by these commands unless it is there."""
    place, wanted = PLACE / folder, source.read_text("utf-8")
    done = place / "installed"
    if not done.exists() or done.read_text("utf-8") != wanted:
        place.mkdir(parents=True, exist_ok=True)
        (place / source.name).write_text(wanted, "utf-8")
        for command in commands:
            environment = {**os.environ, "XDG_CACHE_HOME": str(PLACE / "cache")}
            subprocess.run(command, cwd=place, env=environment, check=True, timeout=280)
        done.write_text(wanted, "utf-8")
    return place


def python_with(folder: str, requirements: Path) -> Path:
    """The Python of an environment that has these requirements and nothing else."""
    pip = [".venv/bin/pip", "install", "-q", "--disable-pip-version-check", "-r"]
    place = installed(
        folder, requirements, [sys.executable, "-m", "venv", ".venv"], [*pip, requirements.name]
    )
    return place / ".venv/bin/python"
