"""What the environment and the settings file say."""

from ..checks import UNSET, Unset
from .environment import Settings

__all__ = ["UNSET", "Settings", "Unset"]
