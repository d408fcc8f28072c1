"""`freerouter probe`: ask every free model once, and show which ones answer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...catalogue.counts import count_words
from ...catalogue.durations import duration_words
from ...client.router import Router
from ...reports import Table, format_seconds
from ..evaluation.probing import Report, Result, Summary, probe_models
from ..evaluation.single_model import spacing_of
from .console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    console,
    json_option,
    print_json,
    without_tracebacks,
)

PROMPT = "Reply with the single word: pong"


@click.command()
@click.option("--prompt", default=PROMPT, show_default=True, help="What every model is asked.")
@click.option(
    "--spacing",
    type=click.FloatRange(0),
    help="Seconds between requests. Default: what the limits allow.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=45.0,
    show_default=True,
    help="Seconds per model.",
)
@click.option("--limit", type=click.IntRange(1), help="Largest number of models to ask.")
@click.option(
    "--report",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("freerouter-probe.json"),
    show_default=True,
    help="The file for the results, as JSON.",
)
@click.option("--resume", is_flag=True, help="Continue the report: ask only models that it lacks.")
@json_option
@without_tracebacks
def probe(
    *,
    prompt: str,
    spacing: float | None,
    timeout: float,
    limit: int | None,
    path: Path,
    resume: bool,
    as_json: bool,
) -> None:
    """Ask every free model once, and show which ones answer.

    Results are written to the report as they arrive, so Ctrl-C loses none.
    """
    router, err = Router(), console(stderr=True)
    report = Report(path, resume)
    asked = report.asked
    models = [model for model in router.free_models() if model.id not in asked][:limit]
    spacing = spacing_of(router) if spacing is None else spacing
    err.print(
        f"{count_words(len(models), 'model')}, one request each, "
        f"about {duration_words(len(models) * max(spacing, 1.0))}; report: {escape(str(path))}"
    )
    results = probe_models(router, models, prompt, spacing, timeout)
    interrupted = _collect(err, report, results, total=len(models))
    report.finish()
    if as_json:
        print_json(report.as_json())
    else:
        _print_summary(Summary.of(report.results))
    rest = {model.id for model in models} - report.asked
    if rest:
        _print_rest(err, router, len(rest), path)
    if interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    if not any(result.ok for result in report.results):
        raise SystemExit(EXIT_FAILED)


def _collect(err: Console, report: Report, results: Iterable[Result], *, total: int) -> bool:
    """Add the results to the report, and show progress. Returns whether Ctrl-C ended it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("probing", total=total)
        try:
            for result in results:
                report.add(result)
                progress.console.print(_line(result))
                progress.advance(bar)
        except KeyboardInterrupt:
            return True
    return False


def _line(result: Result) -> str:
    outcome = f"[red]{escape(result.fault)}[/]" if result.asked else "[yellow]not asked[/]"
    if result.ok:
        outcome = "[green]answered[/]"
    return f"  {escape(result.model)}: {outcome}, {result.seconds:.1f} s"


def _print_summary(summary: Summary) -> None:
    out = console()
    share = "-" if summary.success is None else f"{summary.success:.0%}"
    out.print(
        f"{summary.answered} of {summary.asked} answered ({share}), "
        f"{format_seconds(summary.seconds)} on average"
    )
    if summary.fastest:
        fastest = [(result.model, f"{result.seconds:.1f}") for result in summary.fastest]
        out.print(Table(("fastest", "seconds"), fastest, ("seconds",)))
    if summary.failed:
        failed = [(result.model, result.fault, result.reason) for result in summary.failed]
        out.print(Table(("failed", "fault", "reason"), failed))


def _print_rest(err: Console, router: Router, count: int, path: Path) -> None:
    """Say how many models were not asked, why, and how to go on."""
    waits = "".join(
        f"; {name} waits {duration_words(seconds)}: {cause}"
        for name, (cause, seconds) in router.quota().waits.items()
    )
    resume = f"freerouter probe --resume --report {path}"
    err.print(f"[yellow]{count} not asked{escape(waits)}; to go on: {escape(resume)}[/]")
