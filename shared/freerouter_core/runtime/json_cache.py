"""Small JSON files that several processes share: read and replaced as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..wire.json_values import parse_json

MAX_FILE = 64_000_000
"""Bytes of a file that is read."""
MAX_VALUES = 2_000_000
"""Values of a file that is read."""


def read_json(path: Path) -> Any:
    """The parsed file. None if there is none, or it is not JSON as this package writes it."""
    try:
        with path.open("rb") as file:
            return parse_json(file.read(MAX_FILE), MAX_VALUES)
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: object, *, first: bool = False) -> str | None:
    """Replace the file atomically. Returns the error's name if that failed.

    `first`: nothing is replaced; a file that is there already is a `FileExistsError`. A write that
    fails, on a full disk for example, leaves no other file behind.
    """
    new: Path | None = None
    try:
        text = json.dumps(value)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8"
        ) as file:
            new = Path(file.name)
            file.write(text)
        if first:
            os.link(new, path)
            new.unlink()
        else:
            new.replace(path)
    except (OSError, ValueError, TypeError) as error:
        if new is not None:
            with contextlib.suppress(OSError):
                new.unlink()
        return type(error).__name__
    return None
