"""`freerouter benchmark`: models against one another on a small set of graded tasks; what comes of it weighs in the ranking."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape

from ..errors import BadSetting
from ..router import Router
from ..runtime.disk import write_json
from .alone import spacing_of
from .graded import QUESTIONS
from .marks import TASKS, Mark, benchmark, chosen, standings
from .terminal import console, guarded, json_option, print_json, table


@click.command("benchmark")
@click.argument("models", nargs=-1)
@click.option(
    "--task", "tasks", multiple=True, type=click.Choice(TASKS), help="Only these tasks; may be repeated."
)
@click.option("--allow-paid", is_flag=True, help="Ask models that cost money, too, where they are named.")
@click.option(
    "--spacing", type=click.FloatRange(0), help="Seconds between requests; by the limits, where not given."
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
    marks: list[Mark] = []
    interrupted = False
    try:
        for mark in benchmark(router, asked, questions, pause, timeout):
            marks.append(mark)
            word = f"[red]{escape(mark.fault)}[/]" if mark.fault else f"{mark.mark:.0%}"
            out.print(f"  {len(marks)}/{many} {escape(mark.model)}, {escape(mark.question)}: {word}")
    except KeyboardInterrupt:
        interrupted = True
    rows = standings(marks)
    told = {"standings": [asdict(row) for row in rows], "marks": [asdict(mark) for mark in marks]}
    if report is not None and (problem := write_json(report, told)) is not None:
        raise BadSetting(f"{report} could not be written: {problem}", hint="name another file with --report")
    if as_json:
        print_json(told)
    else:
        made = table("model", "right", *TASKS, "seconds", "USD", right=("right", *TASKS, "seconds", "USD"))
        for row in rows:
            cells = [f"{row.tasks[task]:.0%}" if task in row.tasks else "" for task in TASKS]
            made.add_row(escape(row.model), f"{row.mark:.0%}", *cells, f"{row.seconds:.1f}", f"{row.usd:.4f}")
        console().print(made)
    if interrupted:
        raise SystemExit(130)
