"""Tests that need more than Python, and the service they use. A missing program is a failure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..terminal import COMMAND

TOKEN = "the-door-is-open"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(300))  # services start and stop


def program(name: str) -> str:
    path = shutil.which(name)
    assert path, f"tests marked `system` need {name}"
    return path


@contextmanager
def service(
    url: str, folder: Path, *options: str, key: str = "sk-or-v1-system-0123456789"
) -> Iterator[str]:
    """Run `freerouter serve` as a process over the OpenRouter at `url`. Gives its address."""
    environment = os.environ | {
        "OPENROUTER_BASE_URL": url,
        "OPENROUTER_API_KEY": key,
        "FREEROUTER_STATE": f"sqlite:///{folder}/state.db",
        "PYTHONUNBUFFERED": "1",
    }
    command = [*COMMAND, "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=environment, cwd=folder
    ) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://127.0.0.1:\d+", process.stdout.readline())
            assert address is not None
            yield address.group()
        finally:
            process.terminate()
            process.wait(30)
