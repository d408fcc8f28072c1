"""`freerouter benchmark`: grade models on a small set of questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape

from ...catalogue.durations import duration_words
from ...client.router import Router
from ...reports import Table
from ..as_json import JsonObject
from ..evaluation.grading import (
    TASKS,
    Mark,
    Standing,
    grade_models,
    select_models,
    standings,
)
from ..evaluation.questions import QUESTIONS
from ..evaluation.report_file import ReportFile
from ..evaluation.single_model import spacing_of
from .console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    console,
    json_option,
    print_json,
    without_tracebacks,
)


@click.command()
@click.argument("names", metavar="[MODELS]...", nargs=-1)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.Choice(TASKS),
    help="Only this kind of question; may be repeated.",
)
@click.option("--allow-paid", is_flag=True, help="Also ask named models that cost money.")
@click.option(
    "--spacing",
    type=click.FloatRange(0),
    help="Seconds between requests. Default: what the limits allow.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds per answer.",
)
@click.option(
    "--report",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write every mark to this file, as JSON.",
)
@json_option
@without_tracebacks
def benchmark(
    *,
    names: tuple[str, ...],
    tasks: tuple[str, ...],
    allow_paid: bool,
    spacing: float | None,
    timeout: float,
    path: Path | None,
    as_json: bool,
) -> None:
    """Grade MODELS on a small set of questions.

    Without MODELS, the free models that are usable now are graded. The marks weigh in the ranking.
    """
    router, err = Router(allow_paid=allow_paid), console(stderr=True)
    models = select_models(router, names)
    questions = [question for question in QUESTIONS if not tasks or question.task in tasks]
    spacing = spacing_of(router) if spacing is None else spacing
    total = len(models) * len(questions)
    err.print(
        f"models: {len(models)}, questions: {len(questions)}, "
        f"about {duration_words(total * max(spacing, 1.0))}; each is a request within your limits"
    )
    file = None if path is None else ReportFile(path, _is_report)
    marks: list[Mark] = []
    interrupted = False
    try:
        for mark in grade_models(router, models, questions, spacing=spacing, timeout=timeout):
            marks.append(mark)
            if file is not None:
                file.write(_as_json(marks))
            err.print(f"  {len(marks)}/{total} {_line(mark)}")
    except KeyboardInterrupt:
        interrupted = True
    if file is not None:
        file.finish(_as_json(marks))
    if as_json:
        print_json(_as_json(marks))
    else:
        console().print(_table(standings(marks)))
    if interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    if marks and all(mark.fault for mark in marks):
        raise SystemExit(EXIT_FAILED)


def _line(mark: Mark) -> str:
    result = f"[red]{escape(mark.fault)}[/]" if mark.fault else f"{mark.mark:.0%}"
    return f"{escape(mark.model)}, {escape(mark.question)}: {result}"


def _is_report(content: object) -> bool:
    return isinstance(content, dict) and "marks" in content


def _as_json(marks: Sequence[Mark]) -> JsonObject:
    return {
        "standings": [asdict(row) for row in standings(marks)],
        "marks": [asdict(mark) for mark in marks],
    }


def _table(rows: Sequence[Standing]) -> Table:
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
