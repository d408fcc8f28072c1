"""The command, the HTTP service, the MCP server, metrics and traces. Each is an optional extra."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from .output import flush_output


def main() -> None:
    """The `freerouter` command."""
    try:
        _run()
    finally:
        flush_output()


def _run() -> None:
    try:
        from .cli.log_lines import tell_warnings
        from .cli.main import cli
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except ImportError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.stderr.write(
            "the freerouter command needs click and rich: pip install 'freerouter-llm[cli]'\n"
        )
        raise SystemExit(2) from None
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the calling process
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Print "?" instead of failing if the terminal's encoding lacks a character.
            stream.reconfigure(errors="replace")
    tell_warnings()
    cli()
