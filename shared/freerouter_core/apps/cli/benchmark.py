"""`freerouter benchmark`: models against one another on a small set of graded tasks; what comes of it weighs in the ranking."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from ...client.router import Router
from ...reports import Table
from ..evaluation.grading import TASKS, Mark, Standing, benchmark, chosen, standings
from ..evaluation.questions import QUESTIONS
from ..evaluation.report_file import ReportFile
from ..evaluation.single_model import spacing_of
from .console import EXIT_FAILED, INTERRUPTED, console, guarded, json_option, print_json


@click.command("benchmark")
@click.argument("models", nargs=-1)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.Choice(TASKS),
    help="Only these tasks; may be repeated.",
)
@click.option(
    "--allow-paid", is_flag=True, help="Ask models that cost money, too, where they are named."
)
@click.option(
    "--spacing",
    type=click.FloatRange(0),
    help="Seconds between requests; by the limits, where not given.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds an answer.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write every mark to this file, as JSON.",
)
@json_option
@guarded
def command(
    models: tuple[str, ...],
    tasks: tuple[str, ...],
    allow_paid: bool,
    spacing: float | None,
    timeout: float,
    report: Path | None,
    as_json: bool,
) -> None:
    """Grade MODELS (the free ones usable now, where none is named) on a small set of tasks. The marks weigh in the ranking."""
    router, out = Router(allow_paid=allow_paid), console(stderr=True)
    asked = chosen(router, models)
    questions = [question for question in QUESTIONS if not tasks or question.task in tasks]
    pause = spacing_of(router) if spacing is None else spacing
    many = len(asked) * len(questions)
    out.print(
        f"{len(asked)} models, {len(questions)} questions, about {many * max(pause, 1.0) / 60:.0f} min; each is a request of your limits"
    )
    file = (
        None
        if report is None
        else ReportFile(report, lambda held: isinstance(held, dict) and "marks" in held)
    )
    marks: list[Mark] = []
    interrupted = False
    try:
        for mark in benchmark(router, asked, questions, pause, timeout):
            marks.append(mark)
            if file is not None:
                file.write(_told(marks))
            word = f"[red]{escape(mark.fault)}[/]" if mark.fault else f"{mark.mark:.0%}"
            out.print(
                f"  {len(marks)}/{many} {escape(mark.model)}, {escape(mark.question)}: {word}"
            )
    except KeyboardInterrupt:
        interrupted = True
    if file is not None:
        file.end(_told(marks))
    if as_json:
        print_json(_told(marks))
    else:
        console().print(_table(standings(marks)))
    if interrupted:
        raise SystemExit(INTERRUPTED)
    if marks and all(mark.fault for mark in marks):
        raise SystemExit(EXIT_FAILED)


def _told(marks: list[Mark]) -> dict[str, Any]:
    return {
        "standings": [asdict(row) for row in standings(marks)],
        "marks": [asdict(mark) for mark in marks],
    }


def _table(rows: list[Standing]) -> Table:
    tasks = [task for task in TASKS if any(task in row.tasks for row in rows)]
    cells = [
        (
            row.model,
            f"{row.mark:.0%}",
            *(f"{row.tasks[task]:.0%}" if task in row.tasks else "" for task in tasks),
            f"{row.seconds:.1f}",
            f"{row.usd:.4f}",
        )
        for row in rows
    ]
    columns = ("model", "right", *tasks, "seconds", "USD")
    return Table(columns, cells, columns[1:], spare=("USD", *reversed(tasks), "seconds"))
