"""Grade models on the questions. Each mark weighs in the ranking from then on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...catalogue.model import Model
from ...client.router import Router
from ...errors import BadSetting
from .questions import QUESTIONS, Question
from .single_model import ask_model

MAX_TOKENS = 2_048
"""Length limit of an answer. Reasoning models need room to think."""
NOT_ASKED = "not asked"
"""The fault of a question that was never sent."""
LIMIT_FAULTS = (NOT_ASKED, "account")
"""Faults that come from limits. They say nothing about the model."""
TASKS = tuple(dict.fromkeys(question.task for question in QUESTIONS))


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One answer of one model: a mark from 0 to 1, the time it took and its cost.

    `fault`: why there is no answer. That counts as 0, unless a limit was the reason.
    """

    model: str
    task: str
    question: str
    mark: float
    seconds: float
    usd: float
    fault: str = ""


def grade_models(
    router: Router,
    models: Sequence[Model],
    questions: Sequence[Question],
    *,
    spacing: float,
    timeout: float,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Mark]:
    """Ask every model every question, and add each mark to the router's ranking.

    `spacing`: seconds from one request to the next. `pause` waits so many seconds.
    """
    pairs = pairs_of(models, questions)
    for n, (question, model) in enumerate(pairs, 1):
        began = time.monotonic()
        yield _grade(router, model, question, timeout)
        if n < len(pairs):
            pause(max(0.0, spacing - (time.monotonic() - began)))


def pairs_of(
    models: Sequence[Model], questions: Sequence[Question]
) -> list[tuple[Question, Model]]:
    """Which model is asked which question, in order."""
    return [
        (question, model)
        for question in questions
        for model in models
        if model.takes("tools") or not question.tools
    ]


def _grade(router: Router, model: Model, question: Question, timeout: float) -> Mark:
    reply = ask_model(router, model, question.request(MAX_TOKENS), timeout)
    mark, usd, fault = 0.0, 0.0, ""
    if reply.answer is None:
        fault = reply.fault or NOT_ASKED
    else:
        mark, usd = question.grade(reply.answer), reply.answer.cost or 0.0
        router.grade(model.id, 10.0 * mark)
    return Mark(
        model=model.id,
        task=question.task,
        question=question.name,
        mark=mark,
        seconds=reply.seconds,
        usd=usd,
        fault=fault,
    )


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A model's marks together.

    `mark` and `tasks` (by task) are means from 0 to 1. `seconds` is the mean per answer, `usd` the
    total. `failed` counts questions without an answer.
    """

    model: str
    mark: float
    tasks: dict[str, float]
    seconds: float
    usd: float
    failed: int

    @classmethod
    def of(cls, model: str, marks: Sequence[Mark]) -> Standing:
        tasks = dict.fromkeys(mark.task for mark in marks)
        return cls(
            model=model,
            mark=_mean([mark.mark for mark in marks]),
            tasks={task: _mean([m.mark for m in marks if m.task == task]) for task in tasks},
            seconds=round(statistics.fmean(mark.seconds for mark in marks), 2),
            usd=sum(mark.usd for mark in marks),
            failed=sum(bool(mark.fault) for mark in marks),
        )


def _mean(marks: Sequence[float]) -> float:
    return round(statistics.fmean(marks), 3)


def standings(marks: Sequence[Mark]) -> list[Standing]:
    """The models, best first. Marks with a fault from limits do not count."""
    by_model: dict[str, list[Mark]] = {}
    for mark in marks:
        if mark.fault not in LIMIT_FAULTS:
            by_model.setdefault(mark.model, []).append(mark)
    rows = [Standing.of(model, own) for model, own in by_model.items()]
    return sorted(rows, key=lambda row: (-row.mark, row.seconds))


def select_models(router: Router, names: Sequence[str]) -> list[Model]:
    """The models with these names. Without names: those usable now.

    Raises:
        BadSetting: no catalogue lists a name, or a model costs money and that is not allowed.
    """
    if not names:
        return router.health().usable
    catalogue = (*router.affordable_models(float("inf")), *router.free_models())
    by_id = {model.id: model for model in catalogue}
    for name in names:
        if name not in by_id:
            raise BadSetting(
                f"no catalogue lists {name!r}", hint="run `freerouter models` for the names"
            )
    for name in names:
        if not by_id[name].free and not router.config.allow_paid:
            raise BadSetting(
                f"{name} costs money", hint="pass --allow-paid (in Python: Router(allow_paid=True))"
            )
    return [by_id[name] for name in dict.fromkeys(names)]
