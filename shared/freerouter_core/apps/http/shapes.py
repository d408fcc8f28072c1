"""`shape_of`: which API's words a path speaks."""

from __future__ import annotations

from typing import Literal

Shape = Literal["openai", "anthropic", "ollama"]
OLLAMA = ("/api/chat", "/api/tags", "/api/version", "/api/embed", "/api/embeddings")


def shape_of(path: str) -> Shape:
    """The API of a path, wherever the paths are mounted."""
    if "/v1/messages" in path:
        return "anthropic"
    return "ollama" if path.endswith(OLLAMA) else "openai"
