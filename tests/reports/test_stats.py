"""What a router counts: stats, performance and catalogue fetches."""

from __future__ import annotations

import pytest

from freerouter_core.errors import Exhausted
from freerouter_core.simulator import SimModel, World


def test_stats_count_requests_faults_and_errors() -> None:
    with World(
        [SimModel("a/x:free", script=["502", "403-harness"]), SimModel("b/x:free", tools=False)]
    ) as world:
        router = world.router(model="a/x:free")
        router.chat("x")
        with pytest.raises(Exhausted):
            world.router(model="a/x:free", fallback_models=(), timeout=2).chat("x")
        stats = router.stats()

    assert (stats.listed, stats.free, stats.capabilities["tools"]) == (2, 2, 1)
    assert (stats.answered, stats.gave_up, stats.attempts) == (1, 1, 3)
    assert stats.fallback_rate == 1.0
    assert stats.faults == {"busy": 1, "gone": 1}
    assert stats.errors == {"Exhausted": 1}
    assert stats.error_rates == {"a/x:free": 1.0, "b/x:free": 0.0}
    assert "1 answer " in str(stats)


def test_performance_has_percentiles_and_kinds_of_fault() -> None:
    with World([SimModel("a/x:free", script=["502"], first_token=1.0, jitter=0.0)]) as world:
        router = world.router()
        for _ in range(4):
            list(router.stream("x"))
        row = router.performance("a/x:free").rows[0]

    assert (row.answers, row.failures, row.faults) == (4, 1, {"busy": 1})
    assert row.first_token_p50 == pytest.approx(1.0, rel=0.13)
    assert row.p95 is not None
    assert row.speed is not None


def test_performance_counts_answers_and_failures_by_model() -> None:
    with World([SimModel("a/m:free", script=["502", None, None]), SimModel("b/m:free")]) as world:
        router = world.router(model="a/m:free")
        for _ in range(3):
            router.chat("hello")
        report = router.performance()
        by_name = {row.model: row for row in report.rows}

        assert (by_name["a/m:free"].failures, report.total.answers, report.total.failures) == (
            1,
            3,
            1,
        )
        assert by_name["a/m:free"].success == pytest.approx(
            by_name["a/m:free"].answers / (by_name["a/m:free"].answers + 1)
        )
        assert report.total.seconds is not None
        assert report.total.seconds > 0
        assert [row.model for row in router.performance("b/m:free").rows] in ([], ["b/m:free"])
        assert "answers" in str(report)


def test_cache_stats_count_fetches_that_were_avoided() -> None:
    with World([SimModel("a/m:free")]) as world:
        router = world.router()
        for _ in range(4):
            router.chat("x")

        of_answers = dict.fromkeys(
            ("hits", "joined", "misses", "stored", "dropped", "requests_saved", "tokens_saved",
             "entries", "bytes"), 0
        )  # fmt: skip
        assert router.cache_stats() == {"fetched": 1, "avoided": 3} | of_answers
