"""The page at `/`, and the data that it shows."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ..as_json import JsonObject
from ..metrics import CATALOGUE_WAIT
from .watchers import Watchers


def add_routes(paths: APIRouter, get_watchers: Callable[[], Watchers]) -> None:
    @paths.get("/", response_class=HTMLResponse)
    async def show_page() -> HTMLResponse:
        get_watchers()  # from now on the page has requests to show
        text, policy = page()
        headers = {
            "content-security-policy": policy,
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
        }
        return HTMLResponse(text, headers=headers)

    @paths.get("/api/v1/overview")
    async def overview() -> JsonObject:
        return await get_watchers().overview.snapshot(wait=CATALOGUE_WAIT)


@cache
def page() -> tuple[str, str]:
    """The page and its content security policy: it runs its own script and loads nothing else."""
    text = (Path(__file__).parent / "page.html").read_text("utf-8")
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = hashlib.sha256((script[1] if script else "").encode()).digest()
    rules = (
        "default-src 'none'",
        f"script-src 'sha256-{base64.b64encode(digest).decode()}'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return text, "; ".join(rules)
