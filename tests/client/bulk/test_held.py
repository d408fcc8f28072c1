"""What a job says that it waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from freerouter_core import ChatRequest, errors
from freerouter_core.catalogue.providers import Limit
from freerouter_core.client.bulk.held import held_words, reason_of, waits_for
from freerouter_core.client.bulk.job_store import Claimed
from freerouter_core.client.bulk.row_run import RowRun
from freerouter_core.client.bulk.rows import pack
from freerouter_core.routing.steps import Refused
from freerouter_core.routing.waits import told, wait_of
from freerouter_core.simulator import SimAccount, SimModel, World

MINUTE, DAY = Limit(requests=20, per=60.0), Limit(requests=50, per=86_400.0)
AT_ONCE = Limit(concurrent=3)


@pytest.mark.parametrize(
    ("limit", "came", "pace", "words"),
    [
        (MINUTE, False, "even", "the 20 requests a minute of own are taken bit by bit, so that"),
        (MINUTE, True, "even", "the 20 requests a minute of own are kept for interactive requests"),
        (AT_ONCE, False, "asap", "the 3 requests at once of own are taken bit by bit, so that"),
        (DAY, False, "even", 'a day of own are spread evenly (pace="asap" spends more of it now)'),
        (DAY, True, "even", 'own are paced (pace="asap" is faster), or kept for interactive'),
        (DAY, False, "asap", "50 requests a day of own are used, but for a reserve that is yours"),
        (DAY, True, "asap", "the 50 requests a day of own are kept for interactive requests"),
    ],
)
def test_room_is_kept_for_interactive_requests_only_where_there_were_some(
    limit: Limit, came: bool, pace: str, words: str
) -> None:
    """The reasons are the router's own, so that other words of it are noticed."""
    reason = wait_of(Refused(0.0, 9.0, "s", limit=limit, kept=True), "own").reason
    assert words in held_words(reason, came=came, pace="asap" if pace == "asap" else "even")
    used = wait_of(Refused(0.0, 9.0, "s", limit=limit), "own").reason
    assert held_words(used, came=came, pace="even") == used


@pytest.mark.parametrize("asked", [False, True])
def test_a_job_knows_whether_somebody_asked(asked: bool) -> None:
    with World([SimModel("acme/a:free")], [SimAccount("sk-simulated", per_minute=20)]) as w:
        router = w.router()
        router.free_models()
        if asked:
            router.chat(ChatRequest.of("hello"))
        context = router._context
        (account,) = context.resolved.accounts.values()
        reason = wait_of(Refused(0.0, 9.0, "s", limit=MINUTE, kept=True), "own").reason
        words = waits_for(context, reason, account.scope)
    assert words.endswith("kept for interactive requests") is asked, words


@pytest.mark.parametrize("asked", [False, True])
def test_a_row_that_waits_for_its_day_says_so(tmp_path: Path, asked: bool) -> None:
    """It said "room under the limits": not which limit, nor what is faster."""
    accounts = [SimAccount("sk-simulated", per_minute=20, per_day=10)]
    with World([SimModel("acme/a:free")], accounts) as w:
        router = w.router(daily_cap=10)
        if asked:
            router.chat(ChatRequest.of("hello"))
        job = router.bulk([], tmp_path / "a.job")
        for number in range(10):
            claimed = Claimed(1, pack(ChatRequest.of(f"Question {number}")), 0)
            row = RowRun(
                claimed,
                job._context,
                router,
                validate=None,
                attempts=1,
                on_sent=lambda _: None,
                on_wait=lambda: None,
            )
            if w.runtime.call(row.run).finished is None:
                break
    assert "the 10 requests a day of openrouter are" in row.waits_for
    assert ("spread evenly" in row.waits_for) is not asked, row.waits_for


def test_the_reason_of_an_error_is_what_its_wait_was_for() -> None:
    wait = wait_of(Refused(0.0, 9_000.0, "s", before=2, limit=DAY, kept=True), "own")
    error = errors.Exhausted(told(wait, 0.0) + ", which is later", rate_limited=True)
    assert reason_of(error) == wait.reason
    assert reason_of(errors.Exhausted("it waits", rate_limited=True)) == "it waits"
    assert reason_of(errors.Exhausted("it failed")) == ""


def test_the_input_of_a_job_that_goes_on_is_compared_first(tmp_path: Path) -> None:
    rows = [f"Question {n % 3}" for n in range(600)]
    with World([SimModel("acme/a:free")]) as w:
        router = w.router()
        router.bulk(rows, tmp_path / "a.job").load()
        told: list[str] = []

        def read_again() -> Iterator[str]:
            for number, row in enumerate(rows):
                if number == 500:
                    told.append(str(job.progress()))
                yield row

        job = router.bulk(read_again(), tmp_path / "a.job")
        assert job.run().finished
        assert "compared" not in str(job.progress())
    assert "0 of 600 rows done" in told[0]
    assert re.search(r"the input is compared with the job: \d+ rows", told[0])


def test_a_time_that_ends_the_work_is_told(tmp_path: Path) -> None:
    with World([SimModel("acme/a:free")]) as w:
        job = w.router().bulk(["a", "b"], tmp_path / "a.job", until=w.clock.wall() - 1.0)
        progress = job.run()
        assert (progress.done, progress.until) == (0, w.clock.wall() - 1.0)
        assert "stopped, as until=… says" in str(progress)
        assert "stopped, as until=… says" in progress.table().foot
        later = w.router().bulk(["a", "b"], tmp_path / "a.job").run()
        assert later.until is None
