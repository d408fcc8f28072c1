"""Lines of OpenAI's Batch format: which rows are one, and what each asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BadRequest

_ASKS = ("prompt", "messages")
"""A row with one of these asks something itself: its "body" may be that of a letter."""
_IN_A_BODY = ("messages", "input", "prompt")
"""A request has one of these, whatever it asks."""
_CHAT = "/v1/chat/completions"


def is_batch_line(row: Mapping[str, Any]) -> bool:
    """Whether a row's "body" is its request. One key alone does not tell: a line has `custom_id`
    and `method` or `url` beside it. Without those, the body must be a request, and the row none."""
    if "body" not in row:
        return False
    body, asks = row["body"], any(name in row for name in _ASKS)
    if "custom_id" in row and ("method" in row or "url" in row):
        return isinstance(body, Mapping) or not asks
    return isinstance(body, Mapping) and not asks and any(name in body for name in _IN_A_BODY)


def check_served(line: Mapping[str, Any]) -> None:
    """Check that a line asks what a job can ask. Raises `BadRequest`."""
    method, url = line.get("method") or "POST", str(line.get("url") or _CHAT)
    if str(method).upper() != "POST":
        raise BadRequest(
            f"a line of a batch has the method {str(method)[:20]!r}; only POST is served",
            hint="write POST, or leave the method out",
        )
    if not url.partition("?")[0].rstrip("/").endswith("/chat/completions"):
        hint = "`freerouter embed` keeps vectors" if url.endswith("/embeddings") else None
        raise BadRequest(f"a batch asks {url[:200]}; only {_CHAT} is served", hint=hint)
