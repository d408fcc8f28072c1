"""Small JSON files that several processes keep: read whole or not at all, replaced whole."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """What the file holds; None: nothing that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: Any) -> str | None:
    """Replace the file at once, so that others see the old one or the new. In words why it could not be, if it could not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8"
        ) as file:
            json.dump(value, file)
        os.replace(file.name, path)  # noqa: PTH105  # atomic
    except OSError as error:
        return type(error).__name__
    return None
