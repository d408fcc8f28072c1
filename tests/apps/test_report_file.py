"""Reports of `probe` and `benchmark`: nothing is lost, and a bad path is an error at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from freerouter_core.apps.evaluation.grading import Mark, standings
from freerouter_core.apps.evaluation.probing import Report, Result, Summary, probe_models
from freerouter_core.apps.evaluation.report_file import ReportFile
from freerouter_core.errors import BadSetting
from freerouter_core.simulator import SimAccount, SimModel, World


def any_report(content: object) -> bool:
    return isinstance(content, dict) and "results" in content


def test_an_old_report_is_renamed_unless_it_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{"results": [1]}')
    resumed = ReportFile(path, any_report, resumed=True)
    assert resumed.content == {"results": [1]}
    fresh = ReportFile(path, any_report)
    assert path.exists()  # until there is a result
    fresh.write({"results": []})

    assert json.loads(path.read_text()) == {"results": []}
    assert json.loads((tmp_path / "r.json.before").read_text()) == {"results": [1]}


@pytest.mark.parametrize("text", ['{"my": "important json"}', "no json at all"])
def test_a_file_that_is_not_a_report_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(BadSetting, match="something else"):
        ReportFile(path, any_report)

    assert path.read_text() == text


def test_an_impossible_path_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="no such folder"):
        ReportFile(tmp_path / "mistyped" / "r.json", any_report)
    with pytest.raises(BadSetting, match="is a folder"):
        ReportFile(tmp_path, any_report)

    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link_and_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target.json", tmp_path / "link.json", tmp_path / "pipe"
    target.write_text('{"results": []}')
    link.symlink_to(target)
    os.mkfifo(pipe)
    ReportFile(link, any_report, resumed=True).write({"results": [2]})
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    piped = ReportFile(pipe, any_report)
    piped.write({"results": []})
    piped.finish({"results": [3]})
    received = os.read(reader, 1_000)
    os.close(reader)

    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"results": [2]}
    assert json.loads(received) == {"results": [3]}
    assert pipe.is_fifo()


def test_a_resumed_probe_asks_the_models_that_a_limit_left_out(tmp_path: Path) -> None:
    models = [SimModel(f"m/{n}:free") for n in range(5)]
    with World(models, [SimAccount("sk-a", per_day=2)]) as world:
        router = world.router()
        report = Report(tmp_path / "p.json", resume=False)
        for result in probe_models(router, router.free_models(), "hi", 0.0, 5.0):
            report.add(result)
    resumed = Report(tmp_path / "p.json", resume=True)

    assert sum(result.ok for result in resumed.results) == 2
    assert len(resumed.results) == 3
    assert not resumed.results[-1].asked
    assert len(resumed.asked) == 2
    assert Summary.of(resumed.results).success == 1.0


@pytest.mark.parametrize("row", [{"model": "m"}, {"seconds": "fast"}, 3])
def test_a_damaged_report_is_an_error(tmp_path: Path, row: object) -> None:
    valid = {"model": "m", "provider": "p", "ok": True, "seconds": 1.0}
    (tmp_path / "p.json").write_text(
        json.dumps({"results": [valid | row if isinstance(row, dict) else row, 7]})
    )
    with pytest.raises(BadSetting):
        Report(tmp_path / "p.json", resume=True)


def test_a_newer_result_replaces_an_older_one(tmp_path: Path) -> None:
    report = Report(tmp_path / "p.json", resume=False)
    report.add(Result(model="m", provider="p", ok=False, seconds=0.0, asked=False))
    report.add(Result(model="m", provider="p", ok=True, seconds=1.0))

    assert [result.ok for result in report.results] == [True]


def test_faults_that_come_from_limits_do_not_count_as_marks() -> None:
    def mark(model: str, question: str, points: float, fault: str = "") -> Mark:
        return Mark(
            model=model,
            task="code",
            question=question,
            mark=points,
            seconds=points,
            usd=0.0,
            fault=fault,
        )

    marks = [
        mark("a", "one", 1.0),
        mark("a", "two", 0.0, "account"),
        mark("a", "three", 0.0, "not asked"),
        mark("b", "one", 0.0, "not asked"),
    ]

    assert [(row.model, row.mark) for row in standings(marks)] == [("a", 1.0)]
