"""The id of the request that is being served, and the headers that tell it."""

from __future__ import annotations

from contextvars import ContextVar

REQUEST_ID = "x-request-id"
ANTHROPIC_ID = "request-id"
"""Anthropic's name for the same header."""
request_id: ContextVar[str] = ContextVar("freerouter_request_id", default="")
"""The id of the request that is being served."""
