"""What the tests that need more than Python share: a running service, as a user starts it. Nothing here is skipped: what is missing fails."""

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
    found = shutil.which(name)
    assert found, f"tests marked `system` need {name}"
    return found


@contextmanager
def service(
    url: str, folder: Path, *options: str, key: str = "sk-or-v1-system-0123456789"
) -> Iterator[str]:
    """`freerouter serve` as a process of its own over the OpenRouter at `url`; gives its address."""
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
            found = re.search(r"http://127.0.0.1:\d+", process.stdout.readline())
            assert found is not None
            yield found.group()
        finally:
            process.terminate()
            process.wait(30)
