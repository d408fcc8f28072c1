"""Run the command in a real terminal, and find free ports."""

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
"""The `freerouter` command, without its script."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def in_terminal(arguments: list[str], columns: int, variables: Mapping[str, str]) -> str:
    """What `freerouter` prints in a terminal of `columns` columns. It must exit with 0."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    program = [*COMMAND, *arguments]
    output = b""
    with subprocess.Popen(
        program,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", **variables},
    ) as process:
        os.close(terminal)
        with contextlib.suppress(OSError):  # Linux: the other end is closed
            while chunk := os.read(controller, 65_536):
                output += chunk
    os.close(controller)
    assert process.returncode == 0, output.decode()
    return output.decode().replace("\r\n", "\n")
