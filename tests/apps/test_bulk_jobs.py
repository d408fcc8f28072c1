"""Jobs of `freerouter bulk`: what a command changes, what may be overwritten, what is advised."""

from __future__ import annotations

import os
import shlex
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from freerouter_core import BulkResult
from freerouter_core.apps.cli.bulk_job import opened
from freerouter_core.apps.cli.bulk_reading import InputReading, reading
from freerouter_core.apps.cli.bulk_run import BulkRun
from freerouter_core.simulator import SimModel, World

from ..runtime.conftest import redis_url as redis_url
from .bulk_shell import bulk, read_lines, read_table, said, write_lines
from .shell import Screen, Shell, shell

NOW = ("--until", "2020-01-01")
"""Stop before anything is asked."""


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV_MODE", "true")


def lines_of(path: str) -> list[str]:
    return sorted(Path(path).read_text("utf-8").splitlines())


# -- what a refused command changes --------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["b.jsonl", "-o", "out.jsonl"],
        ["a.jsonl", "-o", "out.jsonl", "-p", "{prompt}!"],
        ["a.jsonl", "-o", "out.jsonl", "-p", "{promt}"],
        ["a.jsonl", "-o", "out.jsonl", "-s", "Be brief"],
        ["b.jsonl", "-o", "other.jsonl", "--job", "out.jsonl.job"],
    ],
)
def test_a_refused_command_changes_nothing(arguments: list[str]) -> None:
    write_lines("a.jsonl", [{"prompt": f"A {n}"} for n in range(3)])
    write_lines("b.jsonl", [{"prompt": f"B {n}"} for n in range(3)])
    assert bulk("a.jsonl", "-o", "out.jsonl", "-q").exit_code == 0
    Path("other.jsonl").write_text("mine")
    settings, written = opened("out.jsonl.job").settings(), Path("out.jsonl").read_bytes()

    refused = bulk(*arguments, "-q")
    assert refused.exit_code == 2
    assert "--merge asks what changed" in said(refused)
    assert opened("out.jsonl.job").settings() == settings
    assert Path("out.jsonl").read_bytes() == written
    assert Path("other.jsonl").read_text() == "mine"
    assert bulk("resume", "out.jsonl", "-q").exit_code == 0


def test_a_refused_input_leaves_the_answers_and_the_options() -> None:
    write_lines("a.jsonl", [{"prompt": f"A {n}"} for n in range(3)])
    assert bulk("a.jsonl", "-o", "out.jsonl", "-q", "--pace", "asap").exit_code == 0
    written = lines_of("out.jsonl")
    write_lines("a.jsonl", [{"prompt": "A 0"}, {"prompt": "another"}, {"prompt": "A 2"}])
    for command in (["a.jsonl", "-o", "out.jsonl"], ["resume", "out.jsonl"]):
        assert bulk(*command, "-q", "--pace", "even").exit_code == 2
        assert lines_of("out.jsonl") == written
        assert opened("out.jsonl.job").settings()["pace"] == "asap"


def test_a_job_takes_another_output_and_an_input_that_is_merged() -> None:
    write_lines("a.jsonl", [{"prompt": "A 0"}])
    write_lines("b.jsonl", [{"prompt": "A 0"}, {"prompt": "B 1", "answer": "gold"}])
    assert bulk("a.jsonl", "-o", "a.csv", "--job", "my.job", "-q").exit_code == 0
    assert bulk("b.jsonl", "-o", "b.csv", "--job", "my.job", "-q", "--merge").exit_code == 0
    Path("b.csv").unlink()
    assert bulk("resume", "my.job", "-q").exit_code == 0
    assert {row["prompt"]: row["answer"] for row in read_table("b.csv")} == {
        "A 0": "",
        "B 1": "gold",
    }
    assert all(row["answer_2"] for row in read_table("b.csv"))


# -- what is kept for those who go on -------------------------------------------------------------

OPTIONS = ("pace", "concurrency", "attempts", "stop_after")


def test_options_are_kept_until_others_are_given() -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    given = ("--pace", "asap", "--concurrency", "3", "--attempts", "2", "--stop-after", "9")
    assert bulk("in.jsonl", "-o", "out.jsonl", *given, *NOW, "-q").exit_code == 130
    assert bulk("resume", "out.jsonl", "--attempts", "4", *NOW, "-q").exit_code == 130
    settings = opened("out.jsonl.job").settings()
    assert [settings[name] for name in OPTIONS] == ["asap", "3", "4", "9"]
    assert bulk("in.jsonl", "-o", "out.jsonl", "-q").exit_code == 0
    settings = opened("out.jsonl.job").settings()
    assert [settings[name] for name in OPTIONS] == ["", "", "", ""]


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell whose only model fails always."""
    monkeypatch.delenv("DEV_MODE")
    model = SimModel("acme/a:free", script=["500"] * 10_000)
    with shell(World([model]), tmp_path, monkeypatch) as running:
        yield running


def ask(running: Shell, *arguments: str) -> Screen:
    return running.run("bulk", *arguments, "-q", stdin=b"", columns=400)


def test_a_resumed_job_tries_as_often_as_it_was_begun_to(failing: Shell) -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    assert ask(failing, "in.jsonl", "-o", "out.jsonl", "--attempts", "2", *NOW).code == 130
    done = ask(failing, "resume", "out.jsonl")
    assert done.code == 1
    assert "try again with: freerouter bulk retry --failed" in done.err
    (result,) = opened("out.jsonl.job").results()
    assert result.tries == 2
    again = ask(failing, "retry", "--failed", "out.jsonl", "--attempts", "1")
    assert "1 failed row will be tried again" in again.err
    (result,) = opened("out.jsonl.job").results()
    assert result.tries == 1


def test_an_error_that_ends_a_job_says_how_to_go_on(failing: Shell) -> None:
    write_lines("in.jsonl", [{"prompt": f"{n}"} for n in range(9)])
    stops = ("--attempts", "1", "--stop-after", "2", "-q")
    command = ("bulk", "in.jsonl", "-o", "out.jsonl", *stops)
    done = failing.run(*command, columns=40, terminal="xterm")
    assert done.code == 1
    first, *_, last = done.err.splitlines()
    assert "JobFailed" in first
    assert last == "go on with: freerouter bulk resume <home>/out.jsonl"  # in one line


def test_a_time_that_ends_a_run_is_named() -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    stopped = bulk("in.jsonl", "-o", "out.jsonl", "--until", "2020-01-01T14:05:00")
    assert stopped.exit_code == 130
    assert "stopped, as --until says (Wed 01 Jan 14:05)" in said(stopped)
    assert "go on with" in said(stopped)
    done = bulk("resume", "out.jsonl", "--until", "2999-01-01")
    assert done.exit_code == 0
    assert "--until" not in said(done)


def test_a_job_that_keeps_less_is_resumed() -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    assert bulk("in.jsonl", "-o", "out.jsonl", *NOW, "-q").exit_code == 130
    with closing(sqlite3.connect("out.jsonl.job")) as db, db:
        later = ("input_format", "own_columns", *OPTIONS)
        db.executemany("DELETE FROM job WHERE name = ?", [(name,) for name in later])
    assert bulk("export", "out.jsonl", "--format", "csv").stdout.strip() == "answer,model,error"
    assert bulk("resume", "out.jsonl", "-q").exit_code == 0


def test_a_job_in_redis_is_resumed(redis_url: str) -> None:
    job = f"{redis_url}#labels"
    write_lines("in.jsonl", [{"prompt": "x"}])
    stopped = bulk("in.jsonl", "-o", "out.jsonl", "--job", job, *NOW, "-q")
    assert stopped.exit_code == 130, stopped.stderr
    assert f"freerouter bulk resume {shlex.quote(job)}" in said(stopped)
    assert bulk("resume", job, "-q").exit_code == 0
    assert read_lines("out.jsonl")[0]["error"] is None


@pytest.mark.parametrize("command", ["status", "resume", "export", "retry --failed"])
def test_looking_at_no_job_in_redis_makes_none(command: str, redis_url: str) -> None:
    import redis

    with redis.from_url(redis_url) as client:
        client.flushdb()
        done = bulk(*command.split(), f"{redis_url}#typo")
        assert done.exit_code == 2
        assert f"there is no job {redis_url}#typo" in said(done)
        assert "freerouter bulk IN -o OUT --job JOB begins it" in said(done)
        assert client.keys() == []


def test_a_server_that_cannot_be_reached_is_told_without_its_password() -> None:
    done = bulk("status", "redis://bob:secret@127.0.0.1:1/0#labels")
    assert done.exit_code == 1
    assert "the Redis server at 127.0.0.1:1 cannot be reached" in said(done)
    assert "start it, or correct the address" in said(done)
    assert "secret" not in done.output


# -- which job is meant --------------------------------------------------------------------------


def test_a_job_elsewhere_is_named_where_it_is() -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    stopped = bulk("in.jsonl", "-o", "out.jsonl", "--job", "my job", *NOW, "-q")
    path = Path("my job").absolute()
    assert f"go on with: freerouter bulk resume '{path}'" in said(stopped)
    beside = bulk("in.jsonl", "-o", "out.jsonl", *NOW, "-q")
    assert f"resume {Path('out.jsonl').absolute()}" in said(beside)
    Path("out.jsonl.job").unlink()
    refused = bulk("resume", "out.jsonl")
    assert refused.exit_code == 2
    assert "out.jsonl is not a job" in said(refused)
    assert bulk("resume", str(path), "-q").exit_code == 0


@pytest.mark.parametrize("command", ["status", "resume", "export", "retry --failed"])
@pytest.mark.parametrize("content", ["", "text,answer\n"])
def test_looking_at_what_is_no_job_writes_nothing(command: str, content: str) -> None:
    Path("out.csv").write_text(content)
    done = bulk(*command.split(), "out.csv")
    assert done.exit_code == 2
    assert "out.csv is not a job" in said(done)
    assert Path("out.csv").read_text() == content
    assert [path.name for path in Path().iterdir() if path.is_file()] == ["out.csv"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("in.jsonl -o x.job --job x.job", "the output would overwrite the job"),
        ("in.jsonl -o out.jsonl --job in.jsonl", "the job would overwrite the input"),
        ("in.jsonl -o ./sub/../in.jsonl", "the output would overwrite the input"),
        ("in.jsonl -o linked.jsonl", "the output would overwrite the input"),
        ("in.jsonl -o s.json --schema s.json", "the output would overwrite the schema"),
        ("export done.jsonl -o in.jsonl", "the export would overwrite the input"),
        ("export done.jsonl -o done.jsonl.job", "the export would overwrite the job"),
    ],
)
def test_no_file_of_a_job_is_overwritten_by_another(arguments: str, told: str) -> None:
    Path("sub").mkdir()
    write_lines("in.jsonl", [{"prompt": "x"}])
    Path("linked.jsonl").hardlink_to("in.jsonl")
    Path("s.json").write_text("{}")
    bulk("in.jsonl", "-o", "done.jsonl", "-q")
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    refused = bulk(*arguments.split())
    assert refused.exit_code == 2
    assert told in said(refused)
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


def test_a_dash_is_standard_output_and_no_file() -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    refused = bulk("in.jsonl", "-o", "-", "--job", "a.job", "-q")
    assert refused.exit_code == 2
    assert "the output must be a file" in said(refused)
    assert bulk("in.jsonl", "-o", "out.jsonl", "-q").exit_code == 0
    exported = bulk("export", "out.jsonl", "-o", "-")
    assert exported.stdout == Path("out.jsonl").read_text("utf-8")
    assert not Path("-").exists()


@pytest.mark.parametrize("output", ["/dev/stdout", "/dev/stderr", "pipe.jsonl"])
def test_an_output_that_is_no_file_is_refused_and_leaves_no_job(output: str) -> None:
    os.mkfifo("pipe.jsonl")
    write_lines("in.jsonl", [{"prompt": "x"}])
    refused = bulk("in.jsonl", "-o", output, "-q")
    assert refused.exit_code == 2
    assert "the output must be a file" in said(refused)
    assert "`freerouter bulk export` writes to standard output" in said(refused)
    assert not Path(f"{output}.job").exists()


def test_answers_may_go_nowhere_and_stay_in_the_job() -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    assert bulk("in.jsonl", "-o", "/dev/null", "--job", "a.job", "-q").exit_code == 0
    assert "You said" in bulk("export", "a.job").stdout
    assert bulk("export", "a.job", "-o", "/dev/stdout").stdout == bulk("export", "a.job").stdout


@pytest.mark.parametrize("output", ["out.xlsx", "out.txt", "labels.v2"])
def test_an_ending_of_no_known_format_is_refused(output: str) -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    refused = bulk("in.jsonl", "-o", output, "-q")
    assert refused.exit_code == 2
    assert f"{Path(output).suffix} cannot be written" in said(refused)
    assert ".csv, .json, .jsonl, .ndjson, .parquet, .tsv" in said(refused)
    assert "what it and the input are: --format jsonl|batch|csv|parquet" in said(refused)
    assert [path.name for path in Path().iterdir()] == ["in.jsonl"]

    assert bulk("in.jsonl", "-o", output, "--format", "jsonl", "-q").exit_code == 0
    assert read_lines(output)[0]["error"] is None
    assert bulk("resume", output, "-q").exit_code == 0
    exported = bulk("export", output, "-o", "other.xlsx")
    assert "other.xlsx has no known ending" in said(exported)
    assert bulk("export", output, "-o", "other.xlsx", "--format", "csv").exit_code == 0
    assert bulk("in.jsonl", "-o", "out", "-q").exit_code == 0
    assert read_lines("out")[0]["error"] is None


# -- what is advised -----------------------------------------------------------------------------


def test_rows_that_can_never_be_asked_are_not_tried_again() -> None:
    Path("in.csv").write_text("id,text\n1,a\n2\n3\n4,b,c\n")
    done = bulk("in.csv", "-o", "out.csv", "-p", "{text}", "-q")
    again = bulk("retry", "--failed", "out.csv", "-q")
    for ended in (done, again):
        assert ended.exit_code == 1
        assert "3 can never be asked; 2 of them because: the row has no field" in said(ended)
        assert "mend the input" in said(ended)
        assert "bulk retry" not in said(ended)
    assert "there is no row to try again: those that failed can never be asked" in said(again)

    Path("in.csv").write_text("id,text\n1,a\n2,x\n3,y\n4,b\n")
    mended = bulk("in.csv", "-o", "out.csv", "-p", "{text}", "-q", "--merge")
    assert mended.exit_code == 0, mended.stderr
    assert "there is no row to try again" in said(bulk("retry", "--failed", "out.csv", "-q"))


def test_a_row_that_is_refused_as_it_is_is_mended_and_not_only_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEV_MODE")
    write_lines("in.jsonl", [{"prompt": "word " * 50_000}, {"prompt": "hello"}])
    with shell(World([SimModel("acme/a:free", context=4_096)]), tmp_path, monkeypatch) as running:
        done = ask(running, "in.jsonl", "-o", "out.jsonl")
        assert done.code == 1
        assert "1 failed as they are because: the prompt fits no free model" in done.err
        assert "mend the input, and give the whole command with --merge" in done.err
        write_lines("in.jsonl", [{"prompt": "word"}, {"prompt": "hello"}])
        assert ask(running, "in.jsonl", "-o", "out.jsonl", "--merge").code == 0


def test_the_output_has_the_words_of_the_shell(failing: Shell) -> None:
    write_lines("in.jsonl", [{"prompt": "x"}])
    assert ask(failing, "in.jsonl", "-o", "out.jsonl", "--attempts", "1").code == 1
    written = read_lines("out.jsonl")[0]["error"]
    assert "`freerouter bulk retry --failed` tries it again" in written
    assert "retry --failed` tries it again" in bulk("export", "out.jsonl").stdout


# -- signals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_output_is_opened_stops_the_work(tmp_path: Path, number: int) -> None:
    """It was lost: the command said that it stops, and asked every row."""

    @contextmanager
    def opened() -> Iterator[Written]:
        signal.raise_signal(number)
        yield Written()

    with World([SimModel("acme/a:free", first_token=0.05)], clock="real") as world:
        rows = [f"Question {n}" for n in range(50)]
        job = world.router().bulk(rows, tmp_path / "a.job", concurrency=1)
        assert BulkRun(job, opened, "a.job", quiet=True).run() == 130
        assert len(world.requests) < 50


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kept", [False, True])
def test_a_signal_while_the_input_is_read_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], number: int, kept: bool
) -> None:
    """The command ended without a word."""
    write_lines("in.jsonl", [{"prompt": "x"}])
    handler = signal.getsignal(number)
    one = InputReading(Path("in.jsonl"), "out.jsonl", lambda: kept, quiet=True)
    with pytest.raises(SystemExit) as ended, reading(one):
        signal.raise_signal(number)
    assert ended.value.code == 130
    assert signal.getsignal(number) is handler
    told = capsys.readouterr().err
    assert ("go on with: freerouter bulk resume out.jsonl" in told) is kept
    assert ("the same command begins it again" in told) is not kept


def test_an_input_that_takes_its_time_is_said_to_be_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("in.jsonl").write_text("x" * 3_400)
    for quiet in (False, True):
        one = InputReading(Path("in.jsonl"), "job", bool, quiet=quiet, patience=0.0)
        with reading(one):
            if not quiet:
                one.wait_until_told()
        told = capsys.readouterr().err
        assert ("reading in.jsonl (3.4 kB), before anything is asked" in told) is not quiet


class Written:
    """An output that keeps nothing."""

    def write(self, result: BulkResult) -> None:
        return None
