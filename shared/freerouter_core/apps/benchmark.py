"""`freerouter benchmark`: models against one another on a small set of graded tasks; what comes of it weighs in the ranking."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.markup import escape

from ..catalogue.model import Model
from ..errors import BadSetting
from ..router import Router
from ..runtime.disk import write_json
from .graded import QUESTIONS, Question
from .probe import ask_alone, spacing_of
from .terminal import console, guarded, json_option, print_json, table

TOKENS = 2_048
"""What an answer may have: reasoning models think first."""
TASKS = tuple(dict.fromkeys(question.task for question in QUESTIONS))


@dataclass(frozen=True)
class Mark:
    """One answer of one model: 0 to 1; `fault` where there was none, which counts as nothing right."""

    model: str
    task: str
    question: str
    mark: float
    seconds: float
    usd: float
    fault: str = ""


def benchmark(
    router: Router, models: Sequence[Model], questions: Sequence[Question], spacing: float, timeout: float
) -> Iterator[Mark]:
    """Every question to every model, a question at a time; each mark is told to the ranking."""
    for question in questions:
        for model in models:
            if question.tools and not model.takes("tools"):
                continue
            began = time.monotonic()
            yield _marked(router, model, question, timeout)
            time.sleep(max(0.0, spacing - (time.monotonic() - began)))


def _marked(router: Router, model: Model, question: Question, timeout: float) -> Mark:
    answer, seconds, fault, _ = ask_alone(router, model, question.request(TOKENS), timeout)
    if answer is None:
        return Mark(model.id, question.task, question.name, 0.0, seconds, 0.0, fault)
    mark = question.mark(answer)
    router.grade(model.id, 10.0 * mark)
    return Mark(model.id, question.task, question.name, mark, seconds, answer.cost or 0.0)


@dataclass(frozen=True)
class Standing:
    """A model's marks: the mean of all (0 to 1), by task, seconds on average, USD in all, and how many it failed to answer."""

    model: str
    mark: float
    tasks: dict[str, float]
    seconds: float
    usd: float
    failed: int


def standings(marks: Sequence[Mark]) -> list[Standing]:
    """The models, best first."""
    rows = []
    for model in dict.fromkeys(mark.model for mark in marks):
        own = [mark for mark in marks if mark.model == model]
        tasks = {
            task: round(statistics.fmean(m.mark for m in own if m.task == task), 3)
            for task in dict.fromkeys(m.task for m in own)
        }
        rows.append(
            Standing(
                model,
                round(statistics.fmean(m.mark for m in own), 3),
                tasks,
                round(statistics.fmean(m.seconds for m in own), 2),
                sum(m.usd for m in own),
                sum(bool(m.fault) for m in own),
            )
        )
    return sorted(rows, key=lambda row: (-row.mark, row.seconds))


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
    chosen = _chosen(router, models)
    questions = [question for question in QUESTIONS if not tasks or question.task in tasks]
    pause = spacing_of(router) if spacing is None else spacing
    many = len(chosen) * len(questions)
    out.print(
        f"{len(chosen)} models, {len(questions)} questions, about {many * max(pause, 1.0) / 60:.0f} min; each is a request of your limits"
    )
    marks: list[Mark] = []
    interrupted = False
    try:
        for mark in benchmark(router, chosen, questions, pause, timeout):
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


def _chosen(router: Router, names: Sequence[str]) -> list[Model]:
    if not names:
        return router.health().usable
    known = {model.id: model for model in (*router.affordable_models(float("inf")), *router.free_models())}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadSetting(f"no list has {unknown[0]!r}", hint="freerouter models shows what there is")
    paid = [name for name in names if not known[name].free]
    if paid and not router.allow_paid:
        raise BadSetting(f"{paid[0]} costs money", hint="--allow-paid lets it be asked")
    return [known[name] for name in names]
