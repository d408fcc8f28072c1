"""What people use around a model. Each is an optional extra, imported when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """The `freerouter` command."""
    try:
        from .cli import cli
    except ImportError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.stderr.write(
            "the freerouter command needs two more packages: pip install 'freerouter-llm[cli]'\n"
        )
        raise SystemExit(2) from None
    cli()
