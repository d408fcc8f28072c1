"""What a row that failed says, and whether its advice can be followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freerouter_core import errors
from freerouter_core.apps.cli.shell_words import in_bulk
from freerouter_core.client.bulk.row_problem import row_problem
from freerouter_core.simulator import SimModel, World


def short(answer: Any) -> None:
    raise ValueError("too short")


def failed(folder: Path, row: Any, *models: SimModel, **options: Any) -> str:
    with World(list(models)) as w:
        (result,) = w.router().bulk([row], folder / "a.job", attempts=2, **options)
    assert result.error is not None
    return result.error


def test_a_prompt_that_is_too_long_for_every_model(tmp_path: Path) -> None:
    models = (SimModel("acme/a:free", context=4_096), SimModel("other/b:free", context=8_192))
    said = failed(tmp_path, "word " * 50_000, *models)
    assert "shorten the row's prompt, or add a provider" in said
    assert "name a model" not in said  # it fits none


def test_an_answer_that_no_model_gave(tmp_path: Path) -> None:
    said = failed(tmp_path, "x", SimModel("acme/a:free"), validate=short)
    assert "too short" in said
    assert "say in the prompt what it must be, or ask for less" in said
    assert "returns in" not in said  # it was true when the row failed


def test_a_model_that_fails(tmp_path: Path) -> None:
    said = failed(tmp_path, "x", SimModel("acme/a:free", script=["500"] * 999))
    assert said.endswith("(job.retry_failed() tries it again)")
    assert in_bulk(said).endswith("(`freerouter bulk retry --failed` tries it again)")
    assert "prompt" not in said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.DeadlineExceeded("late"), "OPENROUTER_TIMEOUT, or lower max_tokens in its row"),
        (errors.Exhausted("e", hint="wait a little, or add a provider"), "(`freerouter bulk"),
        (
            errors.Exhausted("e", hint="check K; see u; the earliest candidate returns at 5"),
            "see u",
        ),
        (errors.BadRequest("no", hint="pass messages as dicts"), '(such as {"role": "user"'),
        (errors.BadRequest("n must be 1"), "n must be 1"),
        (errors.Refused("no"), "change the prompt"),
        (errors.NoCandidates("no"), "--model auto, or more providers"),
    ],
)
def test_no_advice_names_what_the_command_does_not_have(
    error: errors.FreeRouterError, words: str
) -> None:
    said = in_bulk(row_problem(error))
    assert words in said
    for absent in ("--timeout", "--max-tokens", "job.", "=…", "no model was asked", "returns"):
        assert absent not in said
