"""Commands that send no chat request: models, discover, recommend, explain, stats."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import get_args

import click
from rich.markup import escape

from ...catalogue.model import Mode, Model
from ...client.router import Router
from ...errors import AuthenticationFailed, CatalogueUnavailable
from ...reports import Candidacy, Models, Table
from ...reports.bars import text_bar
from ...reports.candidacy import account_waits
from ..as_json import candidacy_as_json
from .console import console, json_option, print_json, without_tracebacks
from .shell_words import in_shell

CAPABILITIES = ("tools", "vision", "audio", "structured", "reasoning")


mode_option = click.option(
    "--mode",
    type=click.Choice(get_args(Mode)),
    default="chat",
    show_default=True,
    help="What models are asked for: answers, vectors, or an order of texts.",
)


@click.command()
@mode_option
@click.option(
    "--free/--paid", default=True, help="Free models (the default), or models that cost money."
)
@click.option("--tools", is_flag=True, help="Only models that can call tools.")
@click.option(
    "--has",
    multiple=True,
    type=click.Choice(CAPABILITIES),
    help="Only models with this capability; may be repeated.",
)
@click.option(
    "--min-context", type=click.IntRange(0), default=0, help="Smallest context window, in tokens."
)
@click.option(
    "--all",
    "show_all",
    is_flag=True,
    help="Also show the free models that cannot be used, and why.",
)
@json_option
@without_tracebacks
def models(
    *,
    mode: Mode,
    free: bool,
    tools: bool,
    has: tuple[str, ...],
    min_context: int,
    show_all: bool,
    as_json: bool,
) -> None:
    """List models: context, capabilities, health."""
    required = {*has, "tools"} if tools else set(has)
    if mode != "chat":
        _print_text_models(mode, min_context, free=free, as_json=as_json)
    elif free:
        _print_free_models(required, min_context, show_all=show_all, as_json=as_json)
    else:
        _print_paid_models(required, min_context, as_json=as_json)


def _print_text_models(mode: Mode, min_context: int, *, free: bool, as_json: bool) -> None:
    models = [
        model
        for model in Router(show_free_only=free).models(mode)
        if model.free is free and model.context >= min_context
    ]
    if as_json:
        print_json(models)
    else:
        console().print(Models(models))


def _print_paid_models(required: Collection[str], min_context: int, *, as_json: bool) -> None:
    paid = [
        model
        for model in Router().affordable_models(float("inf"))
        if not model.free and _fits(model, required, min_context)
    ]
    if as_json:
        print_json(paid)
    else:
        console().print(Models(paid))


def _print_free_models(
    required: Collection[str], min_context: int, *, show_all: bool, as_json: bool
) -> None:
    router = Router()
    try:
        report = router.health()
    except AuthenticationFailed as error:
        _print_list(router, error, required, min_context, as_json=as_json)
        return
    rows = [
        row
        for row in sorted(report.rows, key=_best_first)
        if (show_all or row.reason is None) and _fits(row.model, required, min_context)
    ]
    if as_json:
        print_json([candidacy_as_json(row) for row in rows])
        return
    selected = dataclasses.replace(report, rows=tuple(rows))
    foot = "; ".join(filter(None, (str(report), account_waits(rows))))
    console().print(dataclasses.replace(selected.table(), foot=foot))


def _print_list(
    router: Router,
    error: AuthenticationFailed,
    required: Collection[str],
    min_context: int,
    *,
    as_json: bool,
) -> None:
    """Without a key the models are listed. What they do now is not known."""
    listed = Models(model for model in router.free_models() if _fits(model, required, min_context))
    if as_json:
        print_json(listed)
    else:
        console().print(listed)
    err = console(stderr=True)
    err.print(f"[yellow]{escape(in_shell(error.message))}[/], so nothing is known of their health")
    err.print(escape(in_shell(error.hint)))


def _best_first(row: Candidacy) -> tuple[bool, int, str]:
    return row.reason is not None, -row.model.context, row.model.id


def _fits(model: Model, required: Collection[str], min_context: int) -> bool:
    capabilities = {"vision" if name == "image" else name for name in model.capabilities}
    return capabilities.issuperset(required) and model.context >= min_context


@click.command()
@json_option
@without_tracebacks
def discover(*, as_json: bool) -> None:
    """Fetch the catalogues now, and show what has changed."""
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
        name: {
            "listed": sum(model.provider == name for model in catalogue),
            "free": sum(model.provider == name for model in free),
        }
        for name in sorted({model.provider for model in catalogue})
    }
    if as_json:
        print_json({"providers": counts, "new": new, "gone": gone, "cache": router.cache_stats()})
        return
    rows = [(name, str(count["listed"]), str(count["free"])) for name, count in counts.items()]
    out = console()
    out.print(Table(("provider", "listed", "free"), rows, ("listed", "free")))
    for change, ids in (("new", new if before else []), ("gone", gone)):
        for name in ids:
            out.print(f"{change}: {escape(name)}")


@click.command()
@click.argument("text")
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=5, show_default=True, help="Number of models."
)
@click.option(
    "--has",
    multiple=True,
    type=click.Choice(CAPABILITIES),
    help="A capability that the models should have; may be repeated.",
)
@json_option
@without_tracebacks
def recommend(*, text: str, limit: int, has: tuple[str, ...], as_json: bool) -> None:
    """Recommend models for TEXT, a task in plain words.

    Each has a score from 0 to 100, and its parts.
    """
    rows = Router().recommend(text, limit, capabilities=has)
    if as_json:
        print_json(rows)
    else:
        console().print(rows)


@click.command()
@click.argument("text", default="")
@click.option("-m", "--model", default="auto", help='A model id, or "auto".')
@mode_option
@click.option("--pin", help="With --mode embedding: the record of an index.")
@json_option
@without_tracebacks
def explain(*, text: str, model: str, mode: Mode, pin: str | None, as_json: bool) -> None:
    """Show which models would be asked TEXT, in order.

    The other models follow, each with a reason. No request is sent.
    """
    explanation = Router(model=model).explain(text, mode=mode, pin=pin)
    if as_json:
        print_json([candidacy_as_json(row) for row in explanation.rows])
    else:
        console().print(explanation)


@click.command()
@click.option(
    "--hours",
    type=click.FloatRange(0, min_open=True),
    default=24.0,
    show_default=True,
    help="Hours of performance to include.",
)
@json_option
@without_tracebacks
def stats(*, hours: float, as_json: bool) -> None:
    """Show performance, used limits and capabilities."""
    router = Router()
    totals, performance, quota = router.stats(), router.performance(hours=hours), router.quota()
    if as_json:
        print_json({"stats": totals, "performance": performance, "quota": quota})
        return
    out = console()
    out.print(performance)
    out.print("\n[bold]limits[/]")
    for line in quota.lines:
        colour = {"good": "green", "wait": "yellow"}.get(line.tone, "red")
        out.print(f"[{colour}]{text_bar(line.share)}[/] {escape(str(line))}")
    for words in quota.waiting() or ([] if quota.lines else [str(quota)]):
        out.print(f"[yellow]{escape(words)}[/]")
    capabilities = ", ".join(f"{name} {count}" for name, count in totals.capabilities.items())
    out.print(
        f"\n[bold]free models[/] {totals.free} of {totals.listed} listed: {escape(capabilities)}"
    )
