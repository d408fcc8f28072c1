"""What people use around a model. Each is an optional extra, imported when it is called."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """The `freerouter` command."""
    try:
        from .cli.main import cli
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except ImportError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.stderr.write(
            "the freerouter command needs two more packages: pip install 'freerouter-llm[cli]'\n"
        )
        raise SystemExit(2) from None
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal without the letter shows a mark in its place
    cli()
