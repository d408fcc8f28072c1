"""What the environment and the settings file set, and the providers that are known."""

from ..checks import UNSET, Unset
from .environment import Settings
from .known_providers import known_providers

__all__ = ["UNSET", "Settings", "Unset", "known_providers"]
