"""The benchmark: its questions, the standings of models, and what marks do to the ranking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from freerouter_core.apps.cli.benchmark import benchmark
from freerouter_core.apps.evaluation.grading import grade_models, standings
from freerouter_core.apps.evaluation.questions import QUESTIONS, Question
from freerouter_core.errors import BadSetting
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.tool_calls import ToolCall

from ..conftest import Serve

RIGHT = {
    "trains": "205",
    "bat and ball": "It costs 0.05",
    "siblings": "so 1",
    "product": "4,042",
    "output": "10",
    "function": "def is_even(n):\n    return n % 2 == 0",
    "regex": r"^\d{4}-\d{2}-\d{2}$",
    "extract": '{"name": "Alder lamp", "year": 1962, "price": 1250}',
    "median": "The median is 6.",
    "to English": "Butterfly",
    "to French": "bonne nuit",
    "haiku": "a\nb\nc",
}
"""A right answer to each question that needs no tool."""


def clever(request: dict[str, Any]) -> str | None:
    prompt = request["messages"][-1]["content"]
    return next((RIGHT[q.name] for q in QUESTIONS if q.prompt == prompt and q.name in RIGHT), None)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)
def test_every_question_gives_a_right_answer_1_and_a_wrong_one_0(question: Question) -> None:
    call = ToolCall("1", "get_weather", '{"city": "Lisbon"}')
    right = Answer(RIGHT[question.name]) if question.name in RIGHT else Answer(tool_calls=(call,))

    assert question.grade(right) == 1.0
    assert question.grade(Answer("I would rather not say")) == 0.0
    assert question.grade(Answer("")) == 0.0


def test_the_better_model_comes_first_and_rises_in_the_ranking() -> None:
    models = [
        SimModel("acme/dull:free", says=lambda request: "no idea"),
        SimModel("acme/clever:free", says=clever),
    ]
    with World(models) as world:
        router = world.router(prefer="quality")
        marks = list(
            grade_models(router, router.free_models(), QUESTIONS, spacing=0.0, timeout=30.0)
        )
        rows = standings(marks)
        first = router.explain("x").candidates[0].id
        with pytest.raises(BadSetting):
            router.grade("acme/clever:free", 11)

    assert [row.model for row in rows] == ["acme/clever:free", "acme/dull:free"]
    assert rows[0].mark > 0.9
    assert rows[1].tasks["reasoning"] == 0.0
    assert first == "acme/clever:free"


def test_the_command_writes_a_report_and_refuses_a_paid_model(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(
        [
            SimModel("acme/clever:free", first_token=0.0, speed=1e6, says=clever),
            SimModel("acme/paid", prompt_price="0.001", completion_price="0.001"),
        ],
        clock="real",
    )
    monkeypatch.setenv("OPENROUTER_BASE_URL", serve(world))
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-test-12345")
    report = tmp_path / "marks.json"
    result = CliRunner().invoke(
        benchmark, ["--task", "data", "--spacing", "0", "--report", str(report)]
    )
    refused = CliRunner().invoke(benchmark, ["acme/paid"])

    assert result.exit_code == 0, result.output
    assert "100%" in result.output
    assert len(json.loads(report.read_text())["marks"]) == 2
    assert refused.exit_code == 2
    assert "--allow-paid" in refused.output
    assert "acme/paid" not in world.asked
