"""`/docs`: the paths of the service, as a page without scripts.

FastAPI's own page loads a script from another host, which would read whatever is typed into it.
"""

from __future__ import annotations

from html import escape

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>FreeRouter: paths</title>
<style>body {{ font: 1rem/1.5 system-ui; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }}
td {{ padding: .2rem 1rem .2rem 0; vertical-align: top }} code {{ font-size: .95em }}</style>
<h1>Paths of this service</h1>
<table>{rows}</table>
<p>The whole description is at <a href="openapi.json">openapi.json</a>.
"""


def add_docs(application: FastAPI) -> None:
    """Add the page to an application that has none."""

    @application.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    async def show_docs() -> HTMLResponse:
        rows = [
            f"<tr><td>{escape(method.upper())}<td><code>{escape(path)}</code>"
            f"<td>{escape(str(operation.get('summary', '')))}"
            for path, operations in application.openapi()["paths"].items()
            for method, operation in operations.items()
        ]
        page = _PAGE.format(rows="\n".join(rows))
        return HTMLResponse(page, headers={"content-security-policy": _POLICY})
