"""`freerouter bulk`: files in, files out, resumed after anything."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import BulkResult, errors
from freerouter_core.apps.bulk_files.file_format import BadRow
from freerouter_core.apps.bulk_files.formats import format_of
from freerouter_core.apps.bulk_files.table_rows import Prompting, fill
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer

from ..conftest import Serve
from ..terminal import COMMAND
from .bulk_shell import bulk, read_lines, write_lines


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV_MODE", "true")


def batch(count: int) -> list[Any]:
    return [
        {
            "custom_id": f"r{n}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "auto", "messages": [{"role": "user", "content": f"Question {n}"}]},
        }
        for n in range(count)
    ]


def test_a_batch_of_openai_is_answered_in_its_own_format() -> None:
    write_lines("in.jsonl", [*batch(5), {"custom_id": "bad", "url": "/v1/x", "body": {}}])
    done = bulk("in.jsonl", "-o", "out.jsonl")

    assert done.exit_code == 1  # a row failed
    assert "5 of 6 rows done, 1 failed" in done.stderr
    assert "1 can never be asked because: a batch asks /v1/x" in " ".join(done.stderr.split())
    lines = {line["custom_id"]: line for line in read_lines("out.jsonl")}
    assert len(lines) == 6
    body = lines["r3"]["response"]["body"]
    assert "Question 3" in body["choices"][0]["message"]["content"]
    assert lines["bad"]["response"] is None
    assert lines["bad"]["error"]["code"] == "BadRequest"


def test_plain_lines_get_an_answer_beside_their_own_fields() -> None:
    write_lines("in.jsonl", [{"id": "a", "text": "hello", "n": 1}, {"text": None}, ["no"], "say"])
    done = bulk("in.jsonl", "-o", "out.jsonl", "-p", "Label {{x}}: {text}", "--in-order", "-q")

    assert done.exit_code == 1
    first, second, third, fourth = read_lines("out.jsonl")
    assert (first["id"], first["n"], first["error"]) == ("a", 1, None)
    assert "Label {x}: hello" in first["answer"]
    assert second["error"] is None
    assert third == {
        "answer": None,
        "model": None,
        "error": "line 3 is neither an object nor a text",
    }
    assert "the row has no field 'text'" in fourth["error"]


def test_rows_that_all_fail_say_why_and_what_to_do() -> None:
    write_lines("in.jsonl", [{"text": "hello"}, {"text": "bye"}])
    done = bulk("in.jsonl", "-o", "out.jsonl")

    assert done.exit_code == 1
    words = " ".join(done.stderr.split())
    assert "2 can never be asked because: the row has neither a prompt nor messages" in words
    assert '--prompt "Label: {text}"' in words

    changed = bulk("in.jsonl", "-o", "out.jsonl", "-p", "Label: {text}")
    assert changed.exit_code != 0
    assert "--merge asks what changed" in " ".join(changed.stderr.split())
    assert bulk("in.jsonl", "-o", "out.jsonl", "-p", "Label: {text}", "--merge").exit_code == 0


def test_csv_keeps_its_columns_and_takes_a_system_message() -> None:
    Path("in.csv").write_text('text,n\n"a, b",1\n"two\nlines",2\nx,3,4\n', "utf-8")
    done = bulk("in.csv", "-o", "out.csv", "-p", "{text}", "-s", "Row {n}", "--id", "n")

    assert done.exit_code == 1
    with Path("out.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["n"]: row for row in csv.DictReader(file)}
    assert "You said: a, b" in rows["1"]["answer"]
    assert rows["2"]["text"] == "two\nlines"
    assert "line 5 has more columns than the header" in Path("out.csv").read_text("utf-8")


def test_parquet_in_and_out() -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"text": ["one", "two", "three"], "n": [1, 2, 3]})
    pyarrow.parquet.write_table(table, "in.parquet")
    done = bulk("in.parquet", "-o", "out.parquet", "-p", "Say {text}")

    assert done.exit_code == 0, done.stderr
    rows = pyarrow.parquet.read_table("out.parquet").to_pylist()
    assert sorted(row["n"] for row in rows) == [1, 2, 3]
    assert all(f"Say {row['text']}" in row["answer"] for row in rows)
    with pytest.raises(errors.BadSetting, match=r"in\.csv is no Parquet"):
        Path("in.csv").write_text("text\n")
        list(format_of(Path("in.csv"), "parquet").rows(Path("in.csv")))
    refused = bulk("in.csv", "-o", "o.parquet", "--format", "parquet", "-p", "Say {text}")
    assert "in.csv is no Parquet file" in refused.stderr


def test_the_pace_of_a_days_quota_may_be_chosen() -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    done = bulk("in.jsonl", "-o", "out.jsonl", "--pace", "asap", "-q")
    assert done.exit_code == 0, done.stderr
    wrong = bulk("in.jsonl", "-o", "out.jsonl", "--pace", "slow")
    assert wrong.exit_code == 2
    assert "'even', 'asap'" in wrong.stderr


def test_a_schema_gives_objects() -> None:
    Path("schema.json").write_text(
        json.dumps({"type": "object", "properties": {"label": {"type": "string"}}})
    )
    write_lines("in.jsonl", [{"text": "good"}])
    done = bulk("in.jsonl", "-o", "out.jsonl", "-p", "{text}", "--schema", "schema.json")

    assert done.exit_code == 0, done.stderr
    assert isinstance(read_lines("out.jsonl")[0]["answer"]["label"], str)
    assert bulk("export", "out.jsonl", "-o", "again.jsonl").exit_code == 0
    assert read_lines("again.jsonl") == read_lines("out.jsonl")


def test_the_same_command_again_asks_nobody_and_writes_the_same() -> None:
    write_lines("in.jsonl", batch(20))
    bulk("in.jsonl", "-o", "out.jsonl", "-q")
    before = {line["custom_id"]: line["response"]["request_id"] for line in read_lines("out.jsonl")}
    Path("out.jsonl").unlink()
    again = bulk("in.jsonl", "-o", "out.jsonl", "-q")
    resumed = bulk("resume", "out.jsonl", "-q")

    assert (again.exit_code, resumed.exit_code) == (0, 0)
    after = {line["custom_id"]: line["response"]["request_id"] for line in read_lines("out.jsonl")}
    assert after == before
    exported = bulk("export", "out.jsonl.job")
    ids = [json.loads(line)["custom_id"] for line in exported.stdout.splitlines()]
    assert ids == [f"r{n}" for n in range(20)]
    assert bulk("export", "out.jsonl", "-o", "all.csv").exit_code == 0
    assert len(Path("all.csv").read_text("utf-8").splitlines()) == 21


def test_status_tells_how_a_job_stands() -> None:
    write_lines("in.jsonl", batch(3))
    bulk("in.jsonl", "-o", "out.jsonl", "-q")
    told = json.loads(bulk("status", "out.jsonl", "--json").stdout)
    assert (told["done"], told["left"], told["finished"]) == (3, 0, True)
    assert "100%" in bulk("status", "out.jsonl").stdout


def test_changed_input_is_refused_or_merged() -> None:
    write_lines("in.jsonl", batch(3))
    bulk("in.jsonl", "-o", "out.jsonl", "-q")
    changed = batch(4)
    changed[1]["body"]["messages"][0]["content"] = "Another"
    write_lines("in.jsonl", changed)
    refused = bulk("in.jsonl", "-o", "out.jsonl", "-q")
    assert refused.exit_code == 2
    assert "row r1 (line 2 of in.jsonl) is not what it was" in refused.stderr
    assert bulk("in.jsonl", "-o", "out.jsonl", "-q", "--merge").exit_code == 0
    assert len(read_lines("out.jsonl")) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["in.jsonl", "-o", "in.jsonl"], "would overwrite the input"),
        (["in.txt", "-o", "out.txt"], "no known ending"),
        (["in.jsonl", "-o", "o.jsonl", "--schema", "in.txt"], "is no JSON"),
        (["in.jsonl", "-o", "o.jsonl", "-p", "{text}", "--schema", "bad.json"], "$.type is one of"),
        (["in.jsonl", "-o", "o.jsonl", "--schema", "none.json"], "'none.json' does not exist"),
        (["empty.csv", "-o", "o.csv"], "has no header"),
        (["resume", "nothing.job"], "there is no job nothing.job"),
        (["in.jsonl", "-o", "o.jsonl", "--job", "in.txt"], "in.txt is not a job"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: list[str], said: str) -> None:
    write_lines("in.jsonl", batch(1))
    Path("in.txt").write_text("no database, no JSON " * 100)
    Path("empty.csv").write_text("")
    Path("bad.json").write_text('{"type": "strin"}')
    done = bulk(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert Path("in.txt").read_text().startswith("no database")


def test_a_prompt_is_filled_with_fields() -> None:
    assert fill("{{a}} {a} {b c}", {"a": 1, "b c": None}) == "{a} 1 "
    with pytest.raises(errors.BadRequest, match="no field 'x'"):
        fill("{x}", {"a": 1})
    row = Prompting(model="m:free", system="S").request({"prompt": "p", "temperature": 1, "z": 2})
    assert isinstance(row, dict)
    assert row["body"]["model"] == "m:free"
    assert row["body"]["temperature"] == 1
    assert "z" not in row["body"]
    lacking = Prompting().request({"other": 1})
    assert isinstance(lacking, dict)
    assert "--prompt" in lacking["problem"].hint


def test_lines_that_cannot_be_read_are_rows_with_problems() -> None:
    Path("in.jsonl").write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\n\n{bad\nx"x"')
    rows = list(format_of(Path("in.jsonl")).rows(Path("in.jsonl")))
    assert rows[0] == {"prompt": "a"}
    assert "line 3 is no JSON" in str(rows[1])
    assert isinstance(rows[2], BadRow)
    assert format_of(Path("in.jsonl")).look(Path("in.jsonl"), Prompting().kept).rows == 3
    assert BulkResult("a", 0, answer=Answer("x")).text == "x"


# -- the whole, in real time ---------------------------------------------------------------------


class Answers:
    """Answers, and lets a test wait until so many were given."""

    def __init__(self) -> None:
        self._given, self._news = 0, threading.Condition()

    def __call__(self, body: dict[str, Any]) -> str:
        with self._news:
            self._given += 1
            self._news.notify_all()
        return "an answer"

    def wait_for(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self._given >= count, timeout=60.0)


def world(answers: Answers) -> World[Any]:
    models = [SimModel(f"a/{n}:free", first_token=0.1, speed=1e4, says=answers) for n in range(2)]
    return World(models, clock="real")


def command(url: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    settings = folder / "freerouter.toml"
    settings.write_text(f'[providers.own]\nbase_url = "{url}"\nkeys = ["OWN_API_KEY"]\n')
    environment = os.environ | {
        "FREEROUTER_TRUST": "1",
        "FREEROUTER_PROVIDERS": "own",
        "OWN_API_KEY": "sk-or-v1-system-0123456789",
        "FREEROUTER_STATE": f"sqlite:///{folder}/state.db",
    }
    environment.pop("DEV_MODE")
    return subprocess.Popen(
        [*COMMAND, "bulk", *arguments],
        env=environment,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )


FREE = ("--concurrency", "8", "-q")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_300_rows_with_kill_9_and_resume_from_the_shell(serve: Serve, tmp_path: Path) -> None:
    w = world(answers := Answers())
    url = serve(w)
    write_lines("in.jsonl", batch(300))
    lives = 0
    for given in (40, 120, 200):
        arguments = ("in.jsonl", "-o", "out.jsonl") if not lives else ("resume", "out.jsonl")
        with command(url, tmp_path, *arguments, *FREE) as process:
            answers.wait_for(given)
            process.kill()
        lives += 1
    process = command(url, tmp_path, "resume", "out.jsonl", *FREE)
    _, said = process.communicate(timeout=120)

    assert process.returncode == 0, said
    ids = [line["custom_id"] for line in read_lines("out.jsonl")]
    assert sorted(ids) == sorted(f"r{n}" for n in range(300))
    asked = Counter(seen.body["messages"][-1]["content"] for seen in w.requests)
    assert len(asked) == 300
    assert sum(asked.values()) - 300 <= lives * (8 + 32)  # in flight, or not committed yet


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_what_is_in_flight_finish_and_says_how_to_go_on(
    serve: Serve, tmp_path: Path, number: int
) -> None:
    w = world(answers := Answers())
    url = serve(w)
    write_lines("in.jsonl", batch(300))
    process = command(url, tmp_path, "in.jsonl", "-o", "out.jsonl", *FREE)
    answers.wait_for(20)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "go on with: freerouter bulk resume" in said
    assert len(read_lines("out.jsonl")) == len(w.requests) < 300


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_large_input_is_read_says_how_to_go_on(
    serve: Serve, tmp_path: Path, number: int
) -> None:
    w = world(Answers())
    url = serve(w)
    line = json.dumps({"prompt": "x", "further": "y" * 100}) + "\n"
    Path("in.jsonl").write_text(line * 1_500_000)
    with command(url, tmp_path, "in.jsonl", "-o", "out.jsonl", "--concurrency", "1") as process:
        assert process.stderr is not None
        assert "reading in.jsonl (" in process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()

    assert process.returncode == 130
    assert "nothing was asked: the same command begins it again" in rest
    assert "Traceback" not in rest
    assert not Path("out.jsonl.job").exists()
    assert not w.requests


@pytest.mark.slow
def test_a_second_signal_ends_at_once_and_says_how_to_go_on(serve: Serve, tmp_path: Path) -> None:
    asked = threading.Event()

    def says(body: dict[str, Any]) -> str:
        asked.set()
        return "an answer"

    slow = SimModel("a/0:free", first_token=600.0, says=says)
    url = serve(World([slow], clock="real"))
    write_lines("in.jsonl", batch(3))
    with command(url, tmp_path, "in.jsonl", "-o", "out.jsonl", *FREE) as process:
        assert asked.wait(60.0)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert any("once more ends at once" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert process.returncode == 130
    assert "go on with: freerouter bulk resume" in rest
    assert "Traceback" not in rest
