"""`freerouter config`: the settings in effect."""

from __future__ import annotations

import re
from pathlib import Path

import click
from rich.markup import escape

from ...reports import Table
from ...settings.environment import Settings
from .console import console, json_option, print_json, without_tracebacks

_VALUES = re.compile(r"(?<==)[^&#]*")


@click.command()
@json_option
@without_tracebacks
def config(*, as_json: bool) -> None:
    """Show the settings in effect and where each comes from. Keys are never shown."""
    settings = Settings.load()
    rows = _rows(settings)
    if as_json:
        print_json({"settings": rows, "providers": list(settings.providers)})
        return
    cells = [(str(row["name"]), _cell(row["value"]), _place(str(row["origin"]))) for row in rows]
    out = console()
    out.print(Table(("setting", "value", "from"), cells, spare=("from",)))
    if settings.providers:
        out.print(f"providers of your own: {escape(', '.join(settings.providers))}")


def _rows(settings: Settings) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if name == "openrouter_api_key":
            value = "set" if settings.environment.get(name) else "not set"
        rows.append(
            {"name": name.upper(), "value": mask_url(value), "origin": settings.origin(name)}
        )
    rows += [
        {"name": f"router.{name}", "value": value, "origin": settings.file}
        for name, value in settings.policy.items()
    ]
    return rows


def mask_url(value: object) -> object:
    """A URL without its user info and without the values of its query: both may be passwords."""
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    rest = _VALUES.sub("…", rest) if "?" in rest else rest
    return f"{scheme}://…@{rest.rpartition('@')[2]}" if "@" in rest else f"{scheme}://{rest}"


def _place(origin: str) -> str:
    """Where a setting comes from. A file of the working directory is told by its name."""
    path = Path(origin)
    return path.name if path.parent == Path.cwd() else origin


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
