"""What every store of a job can do: a file, and Redis."""

from __future__ import annotations

import socketserver
import sqlite3
import subprocess
import sys
import threading
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import errors
from freerouter_core.client.bulk.job_file import JobFile
from freerouter_core.client.bulk.job_store import (
    LEASE,
    Finished,
    Granted,
    JobStore,
    Wish,
    Worker,
    refusal,
)
from freerouter_core.client.bulk.open_job import open_job
from freerouter_core.client.bulk.rows import BulkRequest, Row, read_rows

ALL = Wish(tasks=100, after=0, rows=100)
NOW = 1_000.0


def rows(*requests: BulkRequest) -> list[Row]:
    return list(read_rows(requests, None))


def done(task: int, record: str = '{"answer": {}}') -> Finished:
    return Finished(task=task, state="done", record=record, text="yes", tries=1)


@pytest.fixture
def job(location: str) -> JobStore:
    return open_job(location)


def claim(job: JobStore, worker: Worker, wish: Wish = ALL, now: float = NOW) -> Granted:
    return job.exchange(worker, (), wish, now)


def test_a_task_is_leased_once_and_its_end_is_told_to_everybody(job: JobStore) -> None:
    one, other = Worker.new(), Worker.new()
    job.add(rows("a", ("x", "b"), "c"), "refuse")
    first = claim(job, one, replace(ALL, tasks=2))
    second = claim(job, other)

    assert [c.task for c in first.claimed] == [1, 2]
    assert [c.task for c in second.claimed] == [3]
    ended = job.exchange(one, [done(2), done(1)], ALL, NOW).ended
    assert [(e.turn, e.number, e.id) for e in ended] == [(1, 1, "x"), (2, 0, None)]
    assert [e.number for e in claim(job, other, replace(ALL, after=1)).ended] == [0]
    assert claim(job, other).left
    counts = job.exchange(other, [done(3)], ALL, NOW).counts
    assert (counts.rows, counts.done, counts.failed, counts.unfinished) == (3, 3, 0, 0)
    assert not claim(job, other).left
    job.close()


def test_the_first_end_of_a_task_counts(job: JobStore) -> None:
    one, other = Worker.new(), Worker.new()
    job.add(rows("a"), "refuse")
    claim(job, one)
    job.release(one)
    claim(job, other)
    job.exchange(other, [done(1, '{"answer": {"text": "first"}}')], ALL, NOW)
    late = job.exchange(one, [done(1, '{"answer": {"text": "second"}}')], ALL, NOW)

    assert [e.record for e in late.ended] == ['{"answer": {"text": "first"}}']
    assert late.counts.done == 1
    job.close()


def test_equal_rows_have_one_task(job: JobStore) -> None:
    worker = Worker.new()
    counts = job.add(rows("a", ("x", "a"), "b"), "refuse")
    assert (counts.rows, counts.unfinished) == (3, 2)
    assert len(claim(job, worker).claimed) == 2
    ended = job.exchange(worker, [done(1)], ALL, NOW).ended
    assert [e.number for e in ended] == [0, 1]
    more = [Row(3, "y", rows("a")[0].hash, rows("a")[0].input)]
    assert job.add(more, "refuse").done == 3  # asked before it was in the job
    job.close()


def test_rows_that_are_there_are_not_added_again_and_changed_ones_are_refused(
    job: JobStore,
) -> None:
    job.add(rows("a", ("x", "b")), "refuse")
    assert job.add(rows("a", ("x", "b")), "refuse").rows == 2
    with pytest.raises(errors.BadSetting, match="row x is not what it was"):
        job.add(rows("a", ("x", "c")), "refuse")
    with pytest.raises(errors.BadSetting, match="row 0 is not what it was"):
        job.add(rows("z", ("x", "b")), "refuse")
    with pytest.raises(errors.BadSetting, match="the input has 1 row, and the job 2"):
        job.close_input(1, "refuse")
    assert job.counts().rows == 2
    assert not job.counts().complete
    job.close()


def test_an_input_is_refused_before_anything_of_it_is_added(job: JobStore) -> None:
    """Another input, by mistake: its rows stood in the job, and the true one was refused then."""
    job.add(rows(("a", "one"), ("b", "two")), "refuse")
    with pytest.raises(errors.BadSetting, match="row z was not in the input"):
        job.add(rows(("a", "one"), ("z", "three")), "refuse", before=2)
    with pytest.raises(errors.BadSetting, match="row z was not in the input"):
        job.add(rows(("z", "three")), "refuse", before=2)
    assert job.close_input(2, "refuse").rows == 2
    later = [replace(row, number=2) for row in rows(("c", "four"))]
    with pytest.raises(errors.BadSetting, match="row c was not in the input"):
        job.add(later, "refuse", before=2)
    assert job.add(later, "merge", before=2).rows == 3
    job.close()


def test_known_rows_may_come_in_another_order(job: JobStore) -> None:
    job.add(rows(("a", "one"), ("b", "two")), "refuse")
    assert job.add(rows(("b", "two"), ("a", "one")), "refuse", before=2).rows == 2
    job.close()


@pytest.mark.parametrize("changed", ["refuse", "merge"])
def test_two_rows_with_one_id_are_refused(job: JobStore, changed: Any) -> None:
    """One of them was dropped without a word."""
    with pytest.raises(errors.BadSetting, match="two rows have the id 'a'"):
        job.add(rows(("a", "one"), ("a", "one")), changed)
    job.add(rows(("a", "one")), changed)
    later = [replace(row, number=1) for row in rows(("a", "one"))]
    with pytest.raises(errors.BadSetting, match=r"two rows have the id 'a'|the id of another row"):
        job.add(later, changed)
        job.close_input(2, changed)
    assert job.counts().rows == 1
    job.close()


def test_a_known_row_that_moves_is_refused_where_new_rows_begin() -> None:
    """Two rows with one id, of which the job knew the first: it would be dropped in silence."""
    (row,) = rows(("a", "one"))
    known, moved = (0, row.id, row.hash), replace(row, number=1)
    assert refusal(moved, known, 2, complete=False) is None
    found = refusal(moved, known, 1, complete=False)
    assert found is not None
    assert found.message == "two rows have the id 'a'"
    found = refusal(row, (1, row.id, row.hash), 1, complete=False)
    assert found is not None
    assert refusal(moved, (1, row.id, row.hash), 1, complete=False) is None


def test_merging_asks_what_changed_and_keeps_the_rest(job: JobStore) -> None:
    worker = Worker.new()
    job.add(rows("a", ("x", "b"), ("y", "c")), "refuse")
    claim(job, worker, replace(ALL, tasks=2))
    job.exchange(worker, [done(1), done(2)], Wish(), NOW)
    counts = job.add(rows("a", ("x", "other"), ("y", "changed"), ("z", "b")), "merge")

    assert (counts.rows, counts.done) == (4, 2)  # z asks what x has asked
    inputs = [c.input for c in claim(job, worker).claimed]
    assert len(inputs) == counts.unfinished == 2
    assert '"other"' in inputs[0]
    assert '"changed"' in inputs[1]  # and "c", which nobody asks any more, is not asked
    assert job.close_input(1, "merge").complete
    job.close()


def test_where_fresh_tasks_are_wanted_those_that_failed_come_last(job: JobStore) -> None:
    worker = Worker.new()
    job.add(rows("a", "b", "c", "d"), "refuse")
    claim(job, worker, replace(ALL, tasks=2))
    again = [Finished(task=task, state="open", tries=1, due=NOW + 1) for task in (1, 2)]
    job.exchange(worker, again, replace(ALL, tasks=0), NOW)

    fresh = claim(job, worker, replace(ALL, tasks=3, fresh=True), NOW + 2)
    assert [c.task for c in fresh.claimed] == [3, 4, 1]
    assert [c.task for c in claim(job, worker, replace(ALL, fresh=True), NOW + 2).claimed] == [2]
    job.close()


def test_a_task_that_failed_is_due_later_and_comes_before_new_ones(job: JobStore) -> None:
    worker = Worker.new()
    job.add(rows(*"abc"), "refuse")
    claim(job, worker, replace(ALL, tasks=1))
    trail = '[{"model":"m"}]'
    again = Finished(task=1, state="open", tries=1, due=NOW + 5, trail=trail, error="busy")
    granted = job.exchange(worker, [again], replace(ALL, tasks=1), NOW)

    assert [c.task for c in granted.claimed] == [2]
    assert granted.due == NOW + 5
    later = claim(job, worker, replace(ALL, tasks=1), NOW + 6)
    assert [(c.task, c.tries, c.trail) for c in later.claimed] == [(1, 1, trail)]
    job.close()


def test_failed_rows_are_kept_and_can_be_tried_again(job: JobStore) -> None:
    worker = Worker.new()
    job.add(rows("a", {"neither": 1}), "refuse")
    claim(job, worker)
    failed = Finished(task=1, state="failed", record='{"error": "no", "error_type": "E"}')
    granted = job.exchange(worker, [failed], ALL, NOW)
    assert [e.number for e in granted.ended] == [1, 0]
    assert "a row needs one of prompt" in granted.ended[0].record
    assert granted.counts.failed == 2
    assert job.retry_failed() == 1  # what is no request stays failed
    granted = claim(job, worker)
    assert [c.task for c in granted.claimed] == [1]
    assert (granted.counts.failed, granted.counts.unfinished) == (1, 1)
    assert [e.number for e in job.exchange(worker, [done(1)], ALL, NOW).ended] == [1, 0]
    job.close()


def test_leases_end_with_their_process_or_some_time_after_it_was_heard_of(job: JobStore) -> None:
    mine = Worker.new()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    near, far = replace(Worker.new(), pid=child.pid), replace(Worker.new(), host="elsewhere")
    job.add(rows(*"abcd"), "refuse")
    for worker in (near, far):
        job.renew(worker, NOW)
        claim(job, worker, replace(ALL, tasks=1))
    job.renew(mine, NOW)
    assert [c.task for c in claim(job, mine, replace(ALL, tasks=1)).claimed] == [3]

    child.communicate(b"\n")
    job.renew(mine, NOW)
    assert [c.task for c in claim(job, mine, replace(ALL, tasks=1)).claimed] == [1]

    job.renew(mine, NOW + LEASE + 1)
    assert [c.task for c in claim(job, mine).claimed] == [2, 4]
    job.close()


def test_parts_share_a_job_and_each_sees_its_own_rows(job: JobStore) -> None:
    worker = Worker.new()
    job.add(rows(*(f"row {n}" for n in range(1_200))), "refuse")
    part = replace(ALL, tasks=10, part=(1, 3))
    granted = claim(job, worker, part)
    tasks = [c.task for c in granted.claimed]
    assert tasks == list(range(1, 31, 3))
    assert granted.left
    granted = job.exchange(worker, [done(task) for task in tasks], part, NOW)
    assert [e.number for e in granted.ended] == list(range(0, 28, 3))
    assert not claim(job, worker, replace(part, tasks=0, part=(0, 3))).ended
    job.close()


def test_rows_come_in_the_order_of_the_input_up_to_the_first_that_is_missing(
    job: JobStore,
) -> None:
    worker, given = Worker.new(), Wish(after=-1, rows=10, given=True)
    job.add(rows(*"abcd"), "refuse")
    claim(job, worker)
    ended = job.exchange(worker, [done(4), done(2), done(1)], given, NOW).ended
    assert [e.number for e in ended] == [0, 1]
    granted = job.exchange(worker, [done(3)], replace(given, after=1), NOW)
    assert [e.number for e in granted.ended] == [2, 3]
    job.close()


def steps_of_an_end(path: Path, count: int) -> int:
    """How many steps SQLite takes to end a task and to show its row, in a job of so many rows."""
    job, worker, steps = JobFile(path), Worker.new(), 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    job.add(rows(*(f"question {n}" for n in range(count))), "refuse")
    job.exchange(worker, (), Wish(tasks=1), NOW)
    job._connection().set_progress_handler(step, 1)
    assert len(job.exchange(worker, [done(1)], Wish(after=0, rows=10), NOW).ended) == 1
    job.close()
    return steps


def test_the_end_of_a_task_costs_the_same_in_a_large_job(tmp_path: Path) -> None:
    few = steps_of_an_end(tmp_path / "few.job", 10)
    assert steps_of_an_end(tmp_path / "many.job", 1_000) <= 1.2 * few


def test_settings_are_kept(location: str) -> None:
    job = open_job(location)
    job.open()
    job.put({"input": "in.jsonl"})
    job.close()
    again = open_job(location)
    assert again.open()["input"] == "in.jsonl"
    again.close()


# -- what only a file can be ---------------------------------------------------------------------


def test_what_is_no_job_is_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.db"
    text.write_text("not a database, but something of the user's" * 100)
    with pytest.raises(errors.BadSetting, match="text is not a job"):
        open_job(str(text)).counts()
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    with pytest.raises(errors.BadSetting, match=r"other\.db is another database"):
        open_job(str(other)).counts()
    assert text.read_text().startswith("not a database")


def test_a_job_of_another_format_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "new.job"
    job = open_job(str(path))
    job.add(rows("a"), "refuse")
    job.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(errors.BadSetting, match="has format 99"):
        open_job(str(path)).counts()


def test_the_view_is_for_other_tools(tmp_path: Path) -> None:
    worker, job = Worker.new(), open_job(str(tmp_path / "a.job"))
    job.add(rows(("x", "a"), "b"), "refuse")
    claim(job, worker)
    job.exchange(worker, [done(1)], ALL, NOW)
    job.close()
    with sqlite3.connect(tmp_path / "a.job") as db:
        seen = db.execute("SELECT id, state, text FROM results").fetchall()
    db.close()
    assert seen == [("x", "done", "yes"), (1, "open", None)]


def test_a_path_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(errors.JobFailed, match="folder: unable to open") as caught:
        open_job(str(tmp_path / "folder")).counts()
    assert "must be writable" in caught.value.hint
    assert not list((tmp_path / "folder").iterdir())


def test_a_job_in_redis_needs_a_name_and_a_server(redis_url: str) -> None:
    with pytest.raises(errors.BadSetting, match="needs a name"):
        open_job(redis_url)


class Closed(socketserver.StreamRequestHandler):
    """Answers as a web server does."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def told(url: str) -> str:
    """What is said of a server that cannot be used, without its secrets."""
    with pytest.raises(errors.FreeRouterError) as caught:
        open_job(f"{url}#labels").counts()
    words = str(caught.value)
    assert "secret" not in words
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    return words


def test_a_server_that_is_none_is_told_in_words() -> None:
    words = told("redis://bob:secret@127.0.0.1:1/0")
    assert "the Redis server at 127.0.0.1:1 cannot be reached" in words
    assert "correct the address" in words
    assert "cannot be reached" in told("unix:///nowhere/redis.sock?password=secret")
    assert "makes no sense" in told("redis://:secret@127.0.0.1:port/0")
    assert "makes no sense" in told("redis://127.0.0.1:1/0?key=secret")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert f"what answers at 127.0.0.1:{port} is no Redis server" in told(
            f"redis://:secret@127.0.0.1:{port}/0"
        )
        server.shutdown()


@pytest.mark.system
def test_what_a_server_refuses_is_told_in_words(redis_server: str) -> None:
    import redis

    address = redis_server.removesuffix("/0").removeprefix("redis://")
    assert "refused the user or the password" in told(f"redis://bob:secret@{address}/0")
    assert "no database of that number" in told(f"redis://{address}/999")
    job = open_job(f"{redis_server}#labels")
    with redis.from_url(redis_server) as client:
        client.flushdb()
        client.acl_setuser("eve", enabled=True, passwords=["+secret"], keys="*")
        assert "permits this user less" in told(f"redis://eve:secret@{address}/0")
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(errors.JobFailed, match="no memory left"):
                job.add(rows("a"), "refuse")
        finally:
            client.config_set("maxmemory", 0)
            client.acl_deluser("eve")
