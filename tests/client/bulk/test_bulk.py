"""`Router.bulk` on simulated worlds: what a job's owner sees."""

from __future__ import annotations

import asyncio
import itertools
import math
import pickle
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from freerouter_core import Bulk, BulkResult, ChatRequest, Router, errors
from freerouter_core.client.bulk.job_file import JobFile
from freerouter_core.client.bulk.job_store import Wish, Worker
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.simulator.models import Phase

FOREVER = (Phase(0.0, 1e12, "500"),)


def echo(body: dict[str, Any]) -> str:
    """An answer that tells its question."""
    return f"re: {body['messages'][-1]['content']}"


def world(**options: Any) -> World:
    return World([SimModel("a/x:free", says=echo), SimModel("b/x:free", says=echo)], **options)


def questions(count: int) -> list[str]:
    return [f"Question {n}" for n in range(count)]


def texts(results: Iterator[BulkResult] | Bulk) -> dict[str, str]:
    return {result.id: result.text for result in results}


def test_every_row_is_answered_once_and_a_second_run_asks_nobody(tmp_path: Path) -> None:
    with world() as w:
        job = w.router().bulk(questions(120), tmp_path / "a.job")
        assert texts(job) == {str(n): f"re: Question {n}" for n in range(120)}
        again = w.router().bulk(questions(120), tmp_path / "a.job")
        assert len(texts(again)) == 120
        assert len(texts(job)) == 120
        assert len(w.requests) == 120
        progress = again.progress()
        assert (progress.done, progress.failed, progress.left) == (120, 0, 0)
        assert progress.finished
        assert str(progress).startswith("120 of 120 rows done")


async def test_a_job_is_iterated_from_an_event_loop_too(tmp_path: Path) -> None:
    with world() as w:
        job = w.router().bulk(questions(30), tmp_path / "a.job", order="given")
        ids = [result.number async for result in job]
        assert ids == list(range(30))
        assert (await job.arun()).done == (await job.aprogress()).done == 30


def test_rows_may_be_any_kind_of_request_with_an_id_or_without(tmp_path: Path) -> None:
    rows: list[Any] = [
        "plain",
        [{"role": "user", "content": "messages"}],
        ChatRequest.of("request"),
        ("named", "tuple"),
        {"id": "row", "prompt": "mapping", "temperature": 0.5},
        {"custom_id": 7, "messages": [{"role": "user", "content": "openai"}]},
        {
            "custom_id": "batch",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "auto", "messages": [{"role": "user", "content": "batch"}]},
        },
    ]
    with world() as w:
        found = texts(w.router().bulk(rows, tmp_path / "a.job"))
        assert found == {
            "0": "re: plain",
            "1": "re: messages",
            "2": "re: request",
            "named": "re: tuple",
            "row": "re: mapping",
            "7": "re: openai",
            "batch": "re: batch",
        }
        assert [s.body.get("temperature") for s in w.requests].count(0.5) == 1


def test_what_is_no_request_spoils_its_own_row_and_no_other(tmp_path: Path) -> None:
    rows: list[Any] = [
        "good",
        17,
        {"neither": "nor"},
        {"custom_id": "x", "url": "/v1/embeddings", "body": {}},
        ("", "an empty id"),
        ChatRequest([{"role": "user", "content": object()}]),
        ["no", "messages"],
        {"id": [1], "prompt": "?"},
    ]
    with world() as w:
        results = {r.number: r for r in w.router().bulk(rows, tmp_path / "a.job")}
        assert results[0].ok
        problems = {n: r.error for n, r in results.items() if not r.ok}
        assert len(problems) == 7
        assert "must be a text, messages or a ChatRequest, not int" in str(problems[1])
        assert "only /v1/chat/completions is served" in str(problems[3])
        assert all(r.error_type == "BadRequest" for r in results.values() if not r.ok)


@pytest.mark.parametrize("requests", ["one text", {"prompt": "x"}, ChatRequest.of("x")])
def test_one_request_is_no_job(tmp_path: Path, requests: Any) -> None:
    with world() as w, pytest.raises(errors.BadSetting, match="bulk takes many requests"):
        list(w.router().bulk(requests, tmp_path / "a.job"))


def test_a_rows_own_validator_cannot_be_kept(tmp_path: Path) -> None:
    row = ChatRequest.of("x").but(validate=print)
    with world() as w, pytest.raises(errors.BadSetting, match="validator cannot be kept"):
        list(w.router().bulk([row], tmp_path / "a.job"))


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": None},
        {"attempts": "5"},
        {"attempts": 1.5},
        {"concurrency": 2.5},
        {"stop_after": 0},
        {"until": "tomorrow"},
        {"until": math.nan},
        {"until": date(2026, 1, 1)},
        {"concurrency": 0},
        {"order": "random"},
        {"changed": "?"},
        {"schema": 3},
        {"schema": {"type": "strin"}},
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: Any) -> None:
    with world() as w, pytest.raises(errors.BadSetting):
        w.router().bulk([], tmp_path / "a.job", **options)


@pytest.mark.parametrize("path", [None, 5, b"a.job", "", ".", "s3://bucket/a.job", "http://h/a"])
def test_a_job_needs_a_file(path: Any) -> None:
    with world() as w, pytest.raises(errors.BadSetting):
        w.router().bulk([], path)


def test_rows_are_an_iterable(tmp_path: Path) -> None:
    async def rows() -> AsyncIterator[str]:
        yield "x"

    given: Any
    for given in (5, rows()):
        with world() as w, pytest.raises(errors.BadSetting, match="iterable of rows"):
            w.router().bulk(given, tmp_path / "a.job")


def looks(job: Bulk) -> list[Callable[[], object]]:
    """What only looks at a job, or goes on with it."""
    calls: list[Callable[[], object]] = [job.progress, job.settings, job.retry_failed, job.load]
    calls += [lambda: list(job), job.run, lambda: list(job.results())]
    return [*calls, lambda: job.put_settings({"a": "b"})]


def test_a_job_that_was_never_begun_is_not_begun_by_a_look(tmp_path: Path) -> None:
    with world() as w:
        job = w.router().bulk(None, tmp_path / "typo.job")
        for look in looks(job):
            with pytest.raises(errors.BadSetting, match=r"there is no job .*typo\.job"):
                look()
    assert not (tmp_path / "typo.job").exists()


def test_a_look_at_a_job_before_its_first_row_begins_it_not(tmp_path: Path) -> None:
    with world() as w:
        job = w.router().bulk(["a", "b"], tmp_path / "new.job")
        progress = job.progress()
        assert (progress.done, progress.read, progress.total) == (0, 0, 2)
        assert list(job.results()) == []
        assert job.settings() == {}
        assert not (tmp_path / "new.job").exists()
        assert job.run().done == 2


def test_a_look_at_a_job_in_redis_makes_no_key(redis_url: str) -> None:
    import redis

    with redis.from_url(redis_url) as client, world() as w:
        client.flushdb()
        address = redis_url.replace("://", "://:secret@")
        for looks_at in (redis_url, address):
            job = w.router().bulk(None, f"{looks_at}#typo")
            for look in looks(job):
                with pytest.raises(
                    errors.BadSetting, match=r"there is no job redis://.*#typo"
                ) as e:
                    look()
                assert "secret" not in str(e.value)
                assert "check its name" in e.value.hint
        new = w.router().bulk(["a"], f"{redis_url}#typo")
        assert new.progress().read == 0
        assert client.keys() == []
        assert new.run().done == 1
        client.flushdb()


def test_a_look_makes_no_job_of_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "out.csv").touch()
    with world() as w, pytest.raises(errors.BadSetting, match="there is no job"):
        list(w.router().bulk(None, tmp_path / "out.csv").results())
    assert not (tmp_path / "out.csv").stat().st_size


def test_a_mapping_that_asks_itself_may_have_a_body(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"id": "a", "prompt": "Label this", "body": {"messages": []}, "temperature": 0.5},
        {"id": "b", "prompt": 5},
        {"id": "c", "body": {"messages": [{"role": "user", "content": "hi"}]}, "method": "GET"},
    ]
    with world() as w:
        job = w.router().bulk(rows, tmp_path / "a.job", order="given")
        first, second, third = job
    assert "Label this" in first.text
    assert list(job.left_out) == ["body"]
    assert second.error == "a row's prompt must be a text, messages or a ChatRequest, not int"
    assert "only POST is served" in (third.error or "")


def test_equal_rows_are_asked_once(tmp_path: Path) -> None:
    with world() as w:
        job = w.router().bulk(["same"] * 50 + ["other"], tmp_path / "a.job")
        assert len(texts(job)) == 51
        assert len(w.requests) == 2


def test_a_reader_that_was_far_behind_is_not_waited_for_once_it_has_caught_up(
    tmp_path: Path,
) -> None:
    """It took five seconds more for each few hundred rows."""
    with world() as w:
        results = w.router().bulk([f"same {n % 3}" for n in range(1_500)], tmp_path / "a.job")
        assert sum(1 for _ in results) == 1_500
        assert w.elapsed < 10.0, "at most one look at what other workers do"


def test_a_generator_is_read_as_far_as_the_work_needs(tmp_path: Path) -> None:
    read = itertools.count()

    def endless() -> Iterator[str]:
        for n in itertools.count():
            next(read)
            yield f"Question {n}"

    with world() as w:
        job = w.router().bulk(endless(), tmp_path / "a.job")
        first = [result.id for result in itertools.islice(job, 20)]
        assert len(set(first)) == 20
        assert next(read) < 5_000
        assert job.progress().total is None
        more = [result.id for result in itertools.islice(job, 400)]  # goes on where it stood
        assert set(first) <= set(more)


def test_an_input_that_raises_ends_the_job_and_keeps_what_was_done(tmp_path: Path) -> None:
    def broken() -> Iterator[str]:
        yield from questions(3)
        raise ZeroDivisionError("of the caller")

    with world() as w:
        job = w.router().bulk(broken(), tmp_path / "a.job")
        with pytest.raises(ZeroDivisionError):
            list(job)
        assert texts(w.router().bulk(questions(5), tmp_path / "a.job")).keys() == set("01234")
        assert len(w.requests) <= 8


def test_changed_input_is_refused_or_merged(tmp_path: Path) -> None:
    with world() as w:
        router = w.router()
        list(router.bulk(["a", "b", "c"], tmp_path / "a.job"))
        with pytest.raises(errors.BadSetting, match="row 1 is not what it was"):
            list(router.bulk(["a", "B", "c"], tmp_path / "a.job"))
        with pytest.raises(errors.BadSetting, match="the input has 2 rows, and the job 3"):
            list(router.bulk(["a", "b"], tmp_path / "a.job"))
        merged = texts(router.bulk(["a", "B", "c", "d"], tmp_path / "a.job", changed="merge"))
        assert merged == {"0": "re: a", "1": "re: B", "2": "re: c", "3": "re: d"}
        assert len(w.requests) == 5


def test_a_refused_input_leaves_the_job_as_it_was(tmp_path: Path) -> None:
    own = [(f"a{n}", f"A {n}") for n in range(600)]
    other = [(f"b{n}", f"B {n}") for n in range(600)]
    with world() as w:
        router = w.router()
        list(router.bulk(own, tmp_path / "a.job"))
        for _ in range(2):
            with pytest.raises(errors.BadSetting, match="row b0 was not in the input"):
                list(router.bulk(other, tmp_path / "a.job"))
        assert len(texts(router.bulk(own, tmp_path / "a.job"))) == 600
        assert len(w.requests) == 600


def test_a_row_that_is_cancelled_before_it_begins_is_waited_for_by_nobody(tmp_path: Path) -> None:
    """Its task ends without its first step. The job waited for it without an end."""
    with world() as w:
        job = w.router().bulk(questions(5), tmp_path / "a.job")
        job.load()
        work = job._new_work()

        async def cancelled() -> int:
            granted = work._store.exchange(work._worker, (), Wish(tasks=5), w.clock.wall())
            work._ready.extend(granted.claimed)
            work._start()
            assert work._runs
            work.stop()
            work._cancel_waiting()
            await asyncio.sleep(0.01)
            return len(work._runs)

        assert w.runtime.call(cancelled) == 0


def test_rows_that_nobody_can_be_asked_do_not_pause_the_job(tmp_path: Path) -> None:
    rows = [f"{n} {'word ' * 200_000}" for n in range(12)]
    with world() as w:
        job = w.router().bulk([*rows, "fine"], tmp_path / "a.job", attempts=1, stop_after=3)
        began = w.elapsed
        assert sum(result.ok for result in job) == 1
        assert w.elapsed - began < 60.0


def test_the_rows_of_a_worker_that_dies_are_freed_at_once(tmp_path: Path) -> None:
    with world() as w, subprocess.Popen(["sleep", "600"]) as other:
        job = w.router().bulk(questions(20), tmp_path / "a.job")
        job.load()
        store, dead = JobFile(tmp_path / "a.job"), replace(Worker.new(), pid=other.pid)
        store.renew(dead, w.clock.wall())
        assert len(store.exchange(dead, (), Wish(tasks=5), w.clock.wall()).claimed) == 5
        results = iter(job)
        first = list(itertools.islice(results, 15))
        other.kill()
        other.wait()
        rest = list(results)
        store.close()

        assert len({result.id for result in [*first, *rest]}) == 20
        assert w.elapsed < 60.0


def test_a_row_that_keeps_failing_is_kept_as_failed_with_its_trail(tmp_path: Path) -> None:
    def rejects(answer: Any) -> None:
        if "bad" in answer.text:
            raise ValueError("no label")

    with world() as w:
        job = w.router().bulk(
            ["good", "bad", "fine"], tmp_path / "a.job", validate=rejects, attempts=2
        )
        results = {r.number: r for r in job}
        assert [results[n].ok for n in range(3)] == [True, False, True]
        failed = results[1]
        assert failed.tries == 2
        assert failed.error_type == "Exhausted"
        assert "no label" in str(failed.error)
        assert len(failed.attempts) >= 4
        assert failed.answer is None
        assert job.progress().failed == 1
        asked = len(w.requests)
        again = w.router().bulk(None, tmp_path / "a.job")
        assert [r.number for r in again if not r.ok] == [1]
        assert len(w.requests) == asked
        assert job.retry_failed() == 1
        assert len(texts(w.router().bulk(None, tmp_path / "a.job"))) == 3
        assert len(w.requests) > asked


def test_what_no_model_would_take_fails_at_once(tmp_path: Path) -> None:
    with world() as w:
        row = ChatRequest.of("x").but(parameters={"n": 4})
        results = list(w.router().bulk([row, "fine"], tmp_path / "a.job"))
        assert {r.number: r.error_type for r in results} == {0: "BadRequest", 1: ""}
        assert {r.tries for r in results} == {1}


def test_a_job_stops_after_so_many_failures_in_a_row(tmp_path: Path) -> None:
    with World([SimModel("a/x:free", phases=FOREVER)]) as w:
        job = w.router().bulk(questions(100), tmp_path / "a.job", stop_after=4, attempts=1)
        with pytest.raises(errors.JobFailed, match="4 tries failed in a row"):
            list(job)
        assert job.progress().failed <= 20


class Broken(httpx.AsyncBaseTransport):
    """A world whose transport raises, always or when a model is asked."""

    def __init__(self, world: World, *, lists: bool, error: Exception) -> None:
        self._lists, self._error, self._inner = lists, error, world.transport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._lists and request.method == "GET":
            return await self._inner.handle_async_request(request)
        raise self._error


def test_a_transport_that_breaks_costs_tries_and_a_lost_network_does_not(tmp_path: Path) -> None:
    with world() as w:
        broken = Broken(w, lists=True, error=RuntimeError("a bug"))
        job = w.router(http_client=broken).bulk(["x"], tmp_path / "a.job", attempts=2)
        (result,) = job
        assert (result.ok, result.tries) == (False, 2)
        lost = Broken(w, lists=True, error=httpx.ConnectError("down"))
        router = w.router(http_client=lost)
        job = router.bulk(["x"], tmp_path / "b.job", attempts=2, until=w.clock.wall() + 3_600.0)
        assert job.run().left == 1


@pytest.mark.slow
@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("error", [httpx.ConnectError("down"), RuntimeError("a bug")])
def test_a_job_that_reaches_nobody_for_a_day_stops_and_says_why(
    tmp_path: Path, lists: bool, error: Exception
) -> None:
    with world() as w:
        router = w.router(http_client=Broken(w, lists=lists, error=error))
        job = router.bulk(questions(120), tmp_path / "a.job")
        with pytest.raises(errors.JobFailed, match=r"tries failed in a row; the last: .*"):
            job.run()
        assert 1.0 <= w.elapsed / 86_400.0 < 1.5
        again = w.router().bulk(None, tmp_path / "a.job")
        after, tries = again.run(), [result.tries for result in again.results()]
        counts = lists and isinstance(error, RuntimeError)  # no network was lost
        assert (after.left, after.failed) == (0, 0), "the tries are spread over all rows"
        assert (max(tries) > 1) == counts


def test_a_time_of_failures_costs_few_rows_their_tries(tmp_path: Path) -> None:
    phases = (Phase(0.0, 7_200.0, "refused"), Phase(7_200.0, 14_400.0, "500"))
    with World([SimModel("a/x:free", phases=phases)]) as w:
        job = w.router().bulk(questions(100), tmp_path / "a.job")
        assert job.run().failed <= 3
        assert w.elapsed < 5 * 3_600.0


def test_a_wrong_key_ends_the_job_and_fails_no_row(tmp_path: Path) -> None:
    with world(accounts=[SimAccount("right")]) as w:
        wrong = w.router(api_key="wrong", providers=None, base_url="https://x.invalid/api/v1")
        with pytest.raises(errors.AuthenticationFailed):
            list(wrong.bulk(questions(5), tmp_path / "a.job"))
        assert len(texts(w.router().bulk(None, tmp_path / "a.job"))) == 5


def test_a_days_limit_is_waited_for_and_costs_no_try(tmp_path: Path) -> None:
    with world(accounts=[SimAccount("k", per_minute=20, per_day=50)]) as w:
        results = list(w.router(daily_cap=50).bulk(questions(120), tmp_path / "a.job"))
        assert {(r.ok, r.tries) for r in results} == {(True, 1)}
        assert 1.0 < w.elapsed / 86_400.0 < 3.0
        assert {s.fate for s in w.requests} == {"answer"}


def test_a_timeout_that_was_chosen_does_not_end_the_wait_for_limits(tmp_path: Path) -> None:
    with world(accounts=[SimAccount("k", per_minute=20)]) as w:
        results = list(w.router(timeout=10.0).bulk(questions(30), tmp_path / "a.job"))
        assert {(r.ok, r.tries) for r in results} == {(True, 1)}


def test_schemas_give_objects(tmp_path: Path) -> None:
    class Label(BaseModel):
        sentiment: str

    schema = Label.model_json_schema()
    with World([SimModel("a/x:free")]) as w:
        models = list(w.router().bulk(questions(3), tmp_path / "a.job", schema=Label))
        plain = list(w.router().bulk(questions(3), tmp_path / "b.job", schema=schema))
        assert all(isinstance(r.value, Label) for r in models)
        assert all(isinstance(r.value["sentiment"], str) for r in plain)
        assert all(r.value == r.text for r in w.router().bulk(["x"], tmp_path / "c.job"))


class Label(BaseModel):
    label: str


class Scored(Label):
    score: float


class Guessed(Label):
    score: float = 0.5


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Label, Scored),
        (Label, Guessed),  # an old answer would fit
        (None, Label),
        (Label, None),
        (Label.model_json_schema(), Scored.model_json_schema()),
        (Label.model_json_schema(), Scored),
    ],
)
def test_another_schema_is_refused_before_anything_is_shown(
    tmp_path: Path, before: Any, after: Any
) -> None:
    """Old answers were read with the new class, and pydantic's error was raised."""
    with World([SimModel("a/x:free")]) as w:
        list(w.router().bulk(questions(3), tmp_path / "a.job", schema=before))
        asked, shown = len(w.requests), []
        with pytest.raises(errors.BadSetting, match="row 0 is not what it was"):
            for result in w.router().bulk(questions(3), tmp_path / "a.job", schema=after):
                shown.append(result)  # noqa: PERF402  # what came before the error counts
        assert not shown
        assert len(w.requests) == asked
        merged = w.router().bulk(questions(3), tmp_path / "a.job", schema=after, changed="merge")
        assert len(list(merged)) == 3


def test_a_look_with_another_schema_is_refused(tmp_path: Path) -> None:
    with World([SimModel("a/x:free")]) as w:
        list(w.router().bulk(questions(3), tmp_path / "a.job", schema=Label))
        look = w.router().bulk(None, tmp_path / "a.job", schema=Scored)
        for results in (look.results(), iter(look)):
            with pytest.raises(errors.BadSetting, match="row 0 does not fit this schema"):
                list(results)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "begun"])
def test_a_row_far_down_that_changed_is_refused_before_anything_is_shown(
    tmp_path: Path, whole: bool
) -> None:
    with world() as w:
        first = iter(w.router().bulk(questions(900), tmp_path / "a.job"))
        next(first)
        if whole:
            list(first)
        changed = questions(900)
        changed[600] = "another"
        again = iter(w.router().bulk(changed, tmp_path / "a.job"))
        with pytest.raises(errors.BadSetting, match="row 600 is not what it was"):
            next(again)


def test_concurrency_bounds_what_is_in_flight(tmp_path: Path) -> None:
    with world(accounts=[SimAccount("k", per_minute=None, at_once=6)]) as w:
        router = w.router(hedge="off")
        job = router.bulk(questions(60), tmp_path / "a.job", concurrency=3)
        assert len(texts(job)) == 60
        assert {s.fate for s in w.requests} == {"answer"}


def test_a_job_stops_at_a_time_and_goes_on_later(tmp_path: Path) -> None:
    with world(accounts=[SimAccount("k", per_minute=20)]) as w:
        until = datetime.fromtimestamp(w.clock.now() + 150.0).astimezone()
        router = w.router(hedge="off")  # so that each row is one request
        # Background ones would be spread over the day.
        first = router.bulk(questions(100), tmp_path / "a.job", until=until, lane="interactive")
        done = len(list(first))
        assert 40 <= done <= 60
        assert w.elapsed < 160.0
        assert first.progress().left == 100 - done
        assert len(texts(router.bulk(questions(100), tmp_path / "a.job"))) == 100
        assert len(w.requests) == 100


def test_stop_lets_what_is_in_flight_finish(tmp_path: Path) -> None:
    with world(accounts=[SimAccount("k", per_minute=20)]) as w:
        job = w.router().bulk(questions(100), tmp_path / "a.job")
        seen = []
        for result in job:
            seen.append(result.id)
            job.stop()
        assert len(seen) == len(w.requests) <= 40
        assert len(texts(w.router().bulk(None, tmp_path / "a.job"))) == 100
        assert len(w.requests) == 100


def test_a_stop_before_the_work_begins_is_remembered_for_it(tmp_path: Path) -> None:
    """It was lost, and every row was asked."""
    with world() as w:
        job = w.router().bulk(questions(30), tmp_path / "a.job")
        job.stop()
        assert not list(job)
        assert not w.requests
        assert len(list(job)) == 30  # a stop is of one iteration
        job.stop()
        assert len(list(job)) == 30  # what is there is given
        assert len(w.requests) == 30


@pytest.mark.parametrize("changed", ["refuse", "merge"])
def test_a_job_that_is_stopped_gives_what_is_there(tmp_path: Path, changed: Any) -> None:
    with world(accounts=[SimAccount("k", per_minute=20)]) as w:
        first = w.router().bulk(questions(40), tmp_path / "a.job")
        for _ in first:
            first.stop()
        again = w.router().bulk(questions(40), tmp_path / "a.job", changed=changed)
        again.stop()
        asked = len(w.requests)
        assert len(list(again)) == asked < 40
        assert len(w.requests) == asked


def test_closing_what_has_ended_stops_nothing_later(tmp_path: Path) -> None:
    with world() as w:
        with w.router().bulk(questions(5), tmp_path / "a.job") as job:
            assert len(list(itertools.islice(job, 1))) == 1
        job.close()
        assert len(list(job)) == 5


def test_leaving_the_loop_gives_back_what_was_not_asked(tmp_path: Path) -> None:
    with (
        world(accounts=[SimAccount("k", per_minute=20)]) as w,
        w.router().bulk(questions(40), tmp_path / "a.job") as job,
    ):
        for _ in job:
            break
        assert len(texts(job)) == 40
        assert len(w.requests) <= 60


async def test_cancelling_a_caller_stops_the_work(tmp_path: Path) -> None:
    with world(accounts=[SimAccount("k", per_minute=20)]) as w:
        job = w.router().bulk(questions(100), tmp_path / "a.job")

        async def read() -> None:
            async for _ in job:
                task.cancel()

        task = asyncio.ensure_future(read())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(w.requests) < 100
        assert len(texts(w.router().bulk(None, tmp_path / "a.job"))) == 100


def test_stored_results_are_read_without_asking(tmp_path: Path) -> None:
    with world() as w:
        job = w.router().bulk(questions(600), tmp_path / "a.job")
        job.run()
        asked = len(w.requests)
        assert [r.number for r in job.results()] == list(range(600))
        assert {r.number for r in job.results(given=False)} == set(range(600))
        assert len(w.requests) == asked


def test_two_that_share_a_job_ask_each_row_once(location: str) -> None:
    with world(accounts=[SimAccount("k", per_minute=20)]) as w:
        router = w.router()

        async def both() -> tuple[list[str], list[str]]:
            jobs = [router.bulk(questions(60), location) for _ in range(2)]
            one, other = await asyncio.gather(*(_ids(job) for job in jobs))
            return one, other

        one, other = asyncio.run(both())
        assert sorted(one) == sorted(other) == sorted(str(n) for n in range(60))
        assert len(w.requests) == 60


async def _ids(job: Bulk) -> list[str]:
    return [result.id async for result in job]


def test_a_job_travels_to_other_processes_without_its_input(tmp_path: Path) -> None:
    with world() as w:
        router = w.router(api_key="sk-simulated")
        job = router.bulk(questions(10), tmp_path / "a.job")
        assert job.load().rows == 10
        assert not w.requests
        copy = pickle.loads(pickle.dumps(job))
        assert copy.progress().left == 10
        assert repr(copy) == repr(job)
        del router


def test_a_router_knows_its_jobs() -> None:
    assert Router.bulk.__doc__ is not None
