"""`unknown_path` and `wrong_method`: what to do after a request that no path takes."""

from __future__ import annotations

import re

from .shapes import OLLAMA_SERVED, shape_of

LONGEST = 100
"""Characters of a path that are repeated."""
_OPENAIS = "chat/completions|completions|responses|embeddings|models|moderations|rerank"
_ROWS = (
    (r"/v1/v1(/|$)",
     "/v1 stands there twice: the client adds it itself, so its base URL is {host}"),
    (r"/messages/batches|/v1/(batches|files|uploads)",
     "batches and files are not served: `freerouter bulk` does a job of many rows"),
    (r"/v1/(images|audio|videos|realtime)(/|$)", "models for text only are served"),
    (r"/v1/(assistants|threads|conversations|vector_stores|containers|evals|fine_tuning)(/|$)",
     "nothing like it is kept here: /v1/responses has conversations"),
    (r"/openai/|/deployments/",
     "Azure's paths are not served: use the client of OpenAI itself, with the base URL {host}/v1"),
    (r"^/v1(beta|alpha)|:(stream)?generateContent",
     "Gemini's API is not served: use a client of OpenAI, with the base URL {host}/v1"),
    (rf"/(chat/completions|responses|messages|embeddings|models)/({_OPENAIS}|v1/messages|messages)$",
     "the base URL has a path of its own too many: it ends in /v1, or for Anthropic before it"),
    (rf"^/({_OPENAIS})(/|$)", "the base URL must end in /v1: {host}/v1"),
    (r"^/messages(/|$)", "Anthropic's path is /v1/messages: the base URL is {host}"),
)  # fmt: skip
_HINTS = tuple((re.compile(pattern), hint) for pattern, hint in _ROWS)
"""(pattern of a path, what to do); the first match counts."""
_ADDRESSES = (
    "the base URL is {host}/v1 for clients of OpenAI, {host}/api/v1 for those of OpenRouter, "
    "and {host} for those of Anthropic and Ollama"
)


def unknown_path(path: str, host: str) -> str:
    """What is wrong with a path that is not served. `host`: the address of the service."""
    told = f"nothing is served at {_shown(path)}"
    hint = next((hint for pattern, hint in _HINTS if pattern.search(path)), None)
    if hint is None and shape_of(path) == "ollama":
        hint = f"of Ollama's API there are {', '.join(OLLAMA_SERVED)}"
    return f"{told}: {(hint or _ADDRESSES).replace('{host}', host)}"


def wrong_method(method: str, path: str, allowed: str) -> str:
    """What is wrong with a method. `allowed`: those that the path takes."""
    return f"{_shown(path)} takes {allowed or 'another method'}, not {method[:LONGEST]}"


def _shown(path: str) -> str:
    return path if len(path) <= LONGEST else f"{path[:LONGEST]}…"
