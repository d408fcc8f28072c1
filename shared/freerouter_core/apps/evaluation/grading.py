"""Models against one another on the graded tasks; each mark weighs in the ranking from then on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...catalogue.model import Model
from ...client.router import Router
from ...errors import BadSetting
from .questions import QUESTIONS, Question
from .single_model import ask_alone

TOKENS = 2_048
"""What an answer may have: reasoning models think first."""
UNASKED = ("not asked", "account")
"""Faults that say nothing of a model: limits stood before it."""
TASKS = tuple(dict.fromkeys(question.task for question in QUESTIONS))


@dataclass(frozen=True)
class Mark:
    """One answer of one model: 0 to 1; `fault` where there was none, which counts as nothing right, unless it was "not asked"."""

    model: str
    task: str
    question: str
    mark: float
    seconds: float
    usd: float
    fault: str = ""


def benchmark(
    router: Router,
    models: Sequence[Model],
    questions: Sequence[Question],
    spacing: float,
    timeout: float,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Mark]:
    """Every question to every model, a question at a time, `spacing` seconds apart; each mark is told to the ranking. `pause`: what waits."""
    pairs = [
        (q, model) for q in questions for model in models if model.takes("tools") or not q.tools
    ]
    for n, (question, model) in enumerate(pairs, 1):
        began = time.monotonic()
        yield _marked(router, model, question, timeout)
        if n < len(pairs):
            pause(max(0.0, spacing - (time.monotonic() - began)))


def _marked(router: Router, model: Model, question: Question, timeout: float) -> Mark:
    answer, seconds, fault, _ = ask_alone(router, model, question.request(TOKENS), timeout)
    if answer is None:
        return Mark(model.id, question.task, question.name, 0.0, seconds, 0.0, fault or "not asked")
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
        own = [mark for mark in marks if mark.model == model and mark.fault not in UNASKED]
        if not own:
            continue
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


def chosen(router: Router, names: Sequence[str]) -> list[Model]:
    """The models of these names; those usable now where none is named. Raises `BadSetting` for one that no list has, or that costs money
    where that was not allowed."""
    if not names:
        return router.health().usable
    known = {
        model.id: model
        for model in (*router.affordable_models(float("inf")), *router.free_models())
    }
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadSetting(
            f"no list has {unknown[0]!r}", hint="freerouter models shows what there is"
        )
    paid = [name for name in names if not known[name].free]
    if paid and not router.config.allow_paid:
        raise BadSetting(
            f"{paid[0]} costs money",
            hint="Router(allow_paid=True), or --allow-paid, lets it be asked",
        )
    return [known[name] for name in dict.fromkeys(names)]
