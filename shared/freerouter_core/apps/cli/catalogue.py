"""Commands that tell and send nothing: models, discover, recommend, explain, stats, config."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import click
from rich.markup import escape

from ...client.router import Router
from ...errors import CatalogueUnavailable
from ...reports import Models, Table
from ..as_json import standing
from .console import console, guarded, json_option, print_json

CAPABILITIES = ("tools", "vision", "audio", "structured", "reasoning")


@click.command()
@click.option(
    "--free/--paid", default=True, help="Free models (the default), or those that cost money."
)
@click.option("--tools", is_flag=True, help="Only those with tools.")
@click.option(
    "--has",
    multiple=True,
    type=click.Choice(CAPABILITIES),
    help="Only those with this; may be repeated.",
)
@click.option("--min-context", type=click.IntRange(0), default=0, help="Tokens.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also the free models that are no candidates, and why.",
)
@json_option
@guarded
def models(
    free: bool, tools: bool, has: tuple[str, ...], min_context: int, everything: bool, as_json: bool
) -> None:
    """List the free models: context, capabilities, health."""
    wanted = {*has, *(("tools",) if tools else ())}
    if not free:
        found = [
            m
            for m in Router().affordable_models(float("inf"))
            if not m.free and _fits(m, wanted, min_context)
        ]
        if as_json:
            print_json(found)
            return
        console().print(Models(found))
        return
    report = Router().health()
    rows = [
        row
        for row in sorted(
            report.rows, key=lambda r: (r.reason is not None, -r.model.context, r.model.id)
        )
        if (everything or row.reason is None) and _fits(row.model, wanted, min_context)
    ]
    if as_json:
        print_json([standing(row) for row in rows])
        return
    shown = dataclasses.replace(report, rows=tuple(rows))
    console().print(dataclasses.replace(shown.table(), foot=str(report)))
    if report.simulated:
        console(stderr=True).print("[yellow]simulated: DEV_MODE is set[/]")


def _fits(model: Any, wanted: set[str], min_context: int) -> bool:
    held = {"vision" if word == "image" else word for word in model.capabilities}
    return wanted <= held and model.context >= min_context


@click.command()
@json_option
@guarded
def discover(as_json: bool) -> None:
    """Fetch the lists of all your providers now, and say what is new."""
    router = Router()
    try:
        before = {model.id for model in router.free_models()}
    except CatalogueUnavailable:
        before = set()
    catalogue = router.refresh()
    free = [model for model in catalogue if model.free and model.chat]
    new = sorted(model.id for model in free if model.id not in before)
    gone = sorted(before - {model.id for model in free})
    counts = {
        name: (sum(m.provider == name for m in catalogue), sum(m.provider == name for m in free))
        for name in sorted({model.provider for model in catalogue})
    }
    if as_json:
        told = {name: {"listed": listed, "free": many} for name, (listed, many) in counts.items()}
        print_json({"providers": told, "new": new, "gone": gone, "cache": router.cache_stats()})
        return
    rows = [(name, str(listed), str(many)) for name, (listed, many) in counts.items()]
    out = console()
    out.print(Table(("provider", "listed", "free"), rows, ("listed", "free")))
    for word, ids in (("new", new if before else []), ("gone", gone)):
        for name in ids:
            out.print(f"{word}: {escape(name)}")


@click.command()
@click.argument("text")
@click.option("-n", "--limit", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--has",
    multiple=True,
    type=click.Choice(CAPABILITIES),
    help="What they should have; may be repeated.",
)
@json_option
@guarded
def recommend(text: str, limit: int, has: tuple[str, ...], as_json: bool) -> None:
    """Which models suit TEXT, a request in plain words: a score of 0 to 100 and its parts."""
    rows = Router().recommend(text, limit, capabilities=has)
    if as_json:
        print_json(rows)
        return
    console().print(rows)


@click.command()
@click.argument("text", default="")
@click.option("-m", "--model", default="auto", help='A model id, or "auto".')
@json_option
@guarded
def explain(text: str, model: str, as_json: bool) -> None:
    """Who would be asked TEXT, in which order, and why each other would not. Sends nothing."""
    found = Router(model=model).explain(text)
    if as_json:
        print_json([standing(row) for row in found.rows])
        return
    console().print(found)


@click.command()
@click.option("--hours", type=click.FloatRange(0, min_open=True), default=24.0, show_default=True)
@json_option
@guarded
def stats(hours: float, as_json: bool) -> None:
    """How models have done, what is spent of each limit, and what capabilities there are."""
    router = Router()
    counted, performance, quota = router.stats(), router.performance(hours=hours), router.quota()
    if as_json:
        print_json({"stats": counted, "performance": performance, "quota": quota})
        return
    out = console()
    out.print(performance)
    out.print(f"\n[bold]limits[/]\n{escape(str(quota))}")
    words = ", ".join(f"{word} {n}" for word, n in counted.capabilities.items())
    out.print(f"\n[bold]free models[/] {counted.free} of {counted.listed} listed: {escape(words)}")


def _masked(value: Any) -> Any:
    """A URL without what stands before its host, and without the values of its query: either may be a password."""
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    rest = re.sub(r"(?<==)[^&#]*", "…", rest) if "?" in rest else rest
    return f"{scheme}://…@{rest.rpartition('@')[2]}" if "@" in rest else f"{scheme}://{rest}"


@click.command()
@json_option
@guarded
def config(as_json: bool) -> None:
    """The settings in effect and where each comes from. Keys are never shown."""
    from ...settings.environment import Settings

    settings = Settings.load()
    rows = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        hidden = name == "openrouter_api_key"
        shown = ("set" if value else "not set") if hidden else _masked(value)
        rows.append({"name": name.upper(), "value": shown, "origin": settings.origin(name)})
    rows += [
        {"name": f"router.{name}", "value": value, "origin": settings.file}
        for name, value in settings.policy.items()
    ]
    if as_json:
        print_json({"settings": rows, "providers": list(settings.providers)})
        return
    shown = [(row["name"], _value_words(row["value"]), str(row["origin"])) for row in rows]
    out = console()
    out.print(Table(("setting", "value", "from"), shown, spare=("from",)))
    if settings.providers:
        out.print(f"providers of your own: {escape(', '.join(settings.providers))}")


def _value_words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
