"""`UNSET`: an option was not given, so the environment and the settings file decide."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


class UnsetNumber(float):
    """`UNSET` where users read the option: it shows and compares as the number that holds when
    nothing else decides. The same number given explicitly is a plain float."""
