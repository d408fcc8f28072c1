"""Standard output at the end of a command: readers that have gone, and full disks."""

from __future__ import annotations

import contextlib
import errno
import os
import sys


def flush_output() -> None:
    """Write what is left. Without this Python reports a failure after the command has ended.

    A reader that has gone, as after `| head`, is no failure. A full disk is one.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        discard_output()
        if isinstance(error, OSError) and error.errno != errno.EPIPE:
            sys.stderr.write(f"freerouter: the output could not be written: {error.strerror}\n")
            raise SystemExit(1) from None


def discard_output() -> None:
    """Send what is still to be written to nowhere: nobody can take it any more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
