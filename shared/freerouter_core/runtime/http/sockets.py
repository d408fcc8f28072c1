"""`is_out_of_sockets`: whether this machine has no socket left to send a request with."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

_NO_SOCKET = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
"""What an operating system says if it has no socket, file, memory or port left."""


def is_out_of_sockets(error: BaseException) -> bool:
    """Whether a request failed because this machine has nothing left to send it with."""
    cause: BaseException | None = error
    for _ in range(10):
        if isinstance(cause, OSError) and cause.errno in _NO_SOCKET:
            return True
        if isinstance(cause, socket.gaierror):
            return _is_out_of_files()  # a name lookup does not say what it lacked
        inner = getattr(cause, "os_error", None)
        cause = inner or (cause.__cause__ or cause.__context__ if cause is not None else None)
    return False


def _is_out_of_files() -> bool:
    try:
        with Path(os.devnull).open("rb"):
            return False
    except OSError as error:
        return error.errno in _NO_SOCKET
