"""Small JSON files that several processes share: read and replaced as a whole."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """The parsed file. None if there is none, or it is not JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: object) -> str | None:
    """Replace the file atomically. Returns the error's name if that failed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8"
        ) as file:
            json.dump(value, file)
        os.replace(file.name, path)  # noqa: PTH105  # the name is a string
    except OSError as error:
        return type(error).__name__
    return None
