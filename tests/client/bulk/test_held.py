"""What a job says that it waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from freerouter_core import ChatRequest
from freerouter_core.catalogue.providers import Limit
from freerouter_core.client.bulk.held import held_words, waits_for
from freerouter_core.routing.steps import Refused
from freerouter_core.routing.waits import wait_of
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
