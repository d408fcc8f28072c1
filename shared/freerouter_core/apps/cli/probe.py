"""`freerouter probe`: ask every free model once, spaced so that limits are spared, and say who answers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...catalogue.model import Model
from ...client.router import Router
from ...reports import Table, format_seconds
from ...wire.request import ChatRequest
from ..evaluation.report_file import ReportFile
from ..evaluation.single_model import ask_alone, spacing_of
from .console import (
    EXIT_FAILED,
    INTERRUPTED,
    console,
    guarded,
    json_option,
    print_json,
)

PROMPT = "Reply with the single word: pong"
TOKENS = 512
"""What an answer may have: reasoning models think first."""


@dataclass(frozen=True)
class Result:
    """What became of one model: `seconds` to the answer; `fault` and `reason` where there was none. `asked` False: it was not asked, for the
    account or the model itself waits."""

    model: str
    provider: str
    ok: bool
    seconds: float
    tokens: int = 0
    text: str = ""
    fault: str = ""
    reason: str = ""
    at: float = 0.0
    asked: bool = True


def probe(
    router: Router, models: Sequence[Model], prompt: str, spacing: float, timeout: float
) -> Iterator[Result]:
    """Ask each model alone, in turn, until an account's limit is spent. What it teaches is kept, as from any request."""
    for n, model in enumerate(models):
        began = time.monotonic()
        result = probe_one(router, model, prompt, timeout)
        yield result
        if result.fault == "account":
            return
        if result.asked and n + 1 < len(models):
            time.sleep(max(0.0, spacing - (time.monotonic() - began)))


def probe_one(router: Router, model: Model, prompt: str, timeout: float) -> Result:
    request, now = ChatRequest.of(prompt).but(parameters={"max_tokens": TOKENS}), time.time()
    answer, seconds, fault, reason = ask_alone(router, model, request, timeout)
    if answer is None:
        asked = fault not in ("", "account")
        return Result(
            model.id,
            model.provider,
            False,
            seconds,
            fault=fault,
            reason=reason,
            at=now,
            asked=asked,
        )
    tokens = (answer.usage or {}).get("completion_tokens")
    said = tokens if isinstance(tokens, int) else 0
    return Result(model.id, model.provider, True, seconds, said, answer.text[:200], at=now)


@dataclass(frozen=True)
class Summary:
    """The results together: `success` a share of 1, `seconds` the mean of those that answered."""

    asked: int
    answered: int
    success: float | None
    seconds: float | None
    fastest: tuple[Result, ...]
    failed: tuple[Result, ...]

    @classmethod
    def of(cls, results: Sequence[Result]) -> Summary:
        asked = [result for result in results if result.asked]
        good = sorted((result for result in asked if result.ok), key=lambda result: result.seconds)
        bad = tuple(result for result in results if not result.ok)
        mean = statistics.fmean(result.seconds for result in good) if good else None
        share = len(good) / len(asked) if asked else None
        return cls(len(asked), len(good), share, mean, tuple(good[:5]), bad)


class Report:
    """The results so far, in a file, so that nothing is lost and a probe can be resumed."""

    def __init__(self, path: Path, resume: bool) -> None:
        self.file = ReportFile(path, _is_report, resumed=resume)
        held = self.file.held["results"] if resume and self.file.held else []
        self.results = _Results.validate_python(held)

    @property
    def known(self) -> set[str]:
        """The models of which it is known how they do."""
        return {result.model for result in self.results if result.asked}

    def add(self, result: Result) -> None:
        self.results = [other for other in self.results if other.model != result.model] + [result]
        self.file.write(self.data())

    def data(self) -> dict[str, Any]:
        summary = Summary.of(self.results)
        told = {name: getattr(summary, name) for name in COUNTED}
        return {"summary": told, "results": [asdict(result) for result in self.results]}


_Results: TypeAdapter[list[Result]] = TypeAdapter(list[Result])
COUNTED = ("asked", "answered", "success", "seconds")


def _is_report(held: Any) -> bool:
    try:
        _Results.validate_python(held["results"])
    except (TypeError, KeyError, ValueError):
        return False
    return True


@click.command("probe")
@click.option("--prompt", default=PROMPT, show_default=True)
@click.option(
    "--spacing",
    type=click.FloatRange(0),
    help="Seconds between requests; by the limits, where not given.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=45.0,
    show_default=True,
    help="Seconds a model.",
)
@click.option("--limit", type=click.IntRange(1), help="So many models at most.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("freerouter-probe.json"),
    show_default=True,
)
@click.option("--resume", is_flag=True, help="Go on with what the report does not hold yet.")
@json_option
@guarded
def command(
    prompt: str,
    spacing: float | None,
    timeout: float,
    limit: int | None,
    report: Path,
    resume: bool,
    as_json: bool,
) -> None:
    """Ask every free model once and say who answers. Results go to the report as they come; Ctrl-C loses nothing."""
    router, out = Router(), console(stderr=True)
    kept = Report(report, resume)
    models = [model for model in router.free_models() if model.id not in kept.known][:limit]
    names = {model.id for model in models}
    pause = spacing_of(router) if spacing is None else spacing
    out.print(
        f"{len(models)} models, one request each, about {len(models) * max(pause, 1.0) / 60:.1f} min; report: {escape(str(report))}"
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    interrupted = False
    with Progress(*columns, console=out, transient=True) as progress:
        bar = progress.add_task("probing", total=len(models))
        try:
            for result in probe(router, models, prompt, pause, timeout):
                kept.add(result)
                failed = (
                    f"[red]{escape(result.fault)}[/]" if result.asked else "[yellow]not asked[/]"
                )
                mark = "[green]answered[/]" if result.ok else failed
                progress.console.print(f"  {escape(result.model)}: {mark}, {result.seconds:.1f} s")
                progress.advance(bar)
        except KeyboardInterrupt:
            interrupted = True
    kept.file.end(kept.data())
    if as_json:
        print_json(kept.data())
    else:
        _print(Summary.of(kept.results))
    left = len(models) - sum(result.asked for result in kept.results if result.model in names)
    if left:
        waits = router.quota().waits
        why = "".join(
            f"; {name} waits {seconds:.0f} s: {cause}" for name, (cause, seconds) in waits.items()
        )
        out.print(
            f"[yellow]{left} not asked{escape(why)}; freerouter probe --resume --report {escape(str(report))} goes on[/]"
        )
    if interrupted:
        raise SystemExit(INTERRUPTED)
    if not any(result.ok for result in kept.results):
        raise SystemExit(EXIT_FAILED)


def _print(summary: Summary) -> None:
    out = console()
    share = "-" if summary.success is None else f"{summary.success:.0%}"
    out.print(
        f"{summary.answered} of {summary.asked} answered ({share}), {format_seconds(summary.seconds)} on average"
    )
    if summary.fastest:
        fastest = [(result.model, f"{result.seconds:.1f}") for result in summary.fastest]
        out.print(Table(("fastest", "seconds"), fastest, ("seconds",)))
    if summary.failed:
        failed = [(result.model, result.fault, result.reason) for result in summary.failed]
        out.print(Table(("failed", "fault", "reason"), failed))
