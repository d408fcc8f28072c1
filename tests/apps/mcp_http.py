"""Runs `freerouter mcp --http` for the length of a test."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

COMMAND = ["-c", "from freerouter_core.apps import main; main()", "mcp"]


@contextmanager
def mcp_over_http(variables: Mapping[str, str], *options: str) -> Iterator[str]:
    """The address of the server, without `/mcp`."""
    command = [sys.executable, "-u", *COMMAND, "--http", "--port", "0", *options]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = re.search(r"(http://\S+)/mcp", process.stdout.readline())
            assert told is not None
            yield told[1]
        finally:
            process.terminate()
