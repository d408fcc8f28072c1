"""What the environment and the settings file say."""

from .environment import UNSET, Settings, Unset

__all__ = ["UNSET", "Settings", "Unset"]
