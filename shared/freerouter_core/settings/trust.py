"""Files of a working directory that the user trusts. They are remembered by a hash of their
content, so a changed file is not trusted any more.

`FREEROUTER_TRUST=1` in the environment trusts every file. It is meant for containers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import BadSetting

VARIABLE = "FREEROUTER_TRUST"
MAX_FILE = 1_000_000
"""Bytes of a settings file."""


def is_trusted(content: bytes) -> bool:
    """Whether a file with this content is believed as much as the environment is."""
    if os.environ.get(VARIABLE, "").strip().lower() in ("1", "true", "yes", "on"):
        return True
    return _digest(content) in _remembered()


def trust(contents: Iterable[bytes]) -> None:
    """Remember files. Raises `BadSetting` if they cannot be."""
    _write(_remembered() | {_digest(content) for content in contents})


def distrust(contents: Iterable[bytes]) -> None:
    """Forget files. Raises `BadSetting` if they cannot be."""
    _write(_remembered() - {_digest(content) for content in contents})


def read_bounded(path: Path) -> bytes:
    """The content of a settings file. Raises `OSError`, also if it is too large to be one: a found
    file may be a link to one without an end."""
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise OSError(f"it has more than {MAX_FILE:,} bytes")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _path() -> Path:
    from platformdirs import user_config_path

    return user_config_path("freerouter") / "trusted"


def _remembered() -> set[str]:
    try:
        return set(_path().read_text("ascii").split())
    except (OSError, ValueError):
        return set()


def _write(digests: set[str]) -> None:
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{digest}\n" for digest in sorted(digests)), "ascii")
    except OSError as error:
        raise BadSetting(
            f"{path} cannot be written: {error.strerror}",
            hint=f"or set {VARIABLE}=1 in the environment",
        ) from None
