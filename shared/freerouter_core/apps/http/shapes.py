"""`shape_of`: which API's words a path speaks."""

from __future__ import annotations

from typing import Literal

Shape = Literal["openai", "anthropic"]


def shape_of(path: str) -> Shape:
    """The API of a path, wherever the paths are mounted."""
    return "anthropic" if "/v1/messages" in path else "openai"
