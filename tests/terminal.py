"""The command as a process, in a real terminal, and ports for servers beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping

COMMAND = (sys.executable, "-c", "from freerouter_core.apps import main; main()")
"""The `freerouter` command, wherever it was installed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def in_terminal(arguments: list[str], columns: int, variables: Mapping[str, str]) -> str:
    """What `freerouter` prints in a terminal of so many columns. It must end with 0."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    program = [*COMMAND, *arguments]
    told = b""
    with subprocess.Popen(
        program,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **variables},
    ) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(ours, 65_536):
                told += part
    os.close(ours)
    assert process.returncode == 0, told.decode()
    return told.decode().replace("\r\n", "\n")
