"""`shape_of`: which API's words a path speaks."""

from __future__ import annotations

from typing import Literal

Shape = Literal["openai", "anthropic", "ollama"]
OLLAMA_POSTS = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show")
OLLAMA_SERVED = (*OLLAMA_POSTS, "/api/tags", "/api/ps", "/api/version")
OLLAMA_OTHERS = ("/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete")
"""What manages models on a machine. There are none here."""


def shape_of(path: str) -> Shape:
    """The API of a path, wherever the paths are mounted."""
    if "/v1/messages" in path:
        return "anthropic"
    if path.endswith((*OLLAMA_SERVED, *OLLAMA_OTHERS)):
        return "ollama"
    # Ollama's API has no version in its paths, and all others have.
    return "ollama" if path.startswith("/api/") and "/v1/" not in f"{path}/" else "openai"
