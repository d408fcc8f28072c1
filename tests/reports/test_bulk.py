"""How a job's progress is told in words."""

from __future__ import annotations

import pytest

from freerouter_core.reports.bulk import BulkProgress, duration, speed


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (3_590.0, "1 h 0 min"),
        (12_000.0, "3 h 20 min"),
        (86_399.0, "1 d 0 h"),
        (187_000.0, "2 d 4 h"),
    ],
)
def test_a_duration_is_rounded_once(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"),
    [(1_200.0, "1,200.0 a minute"), (0.5, "30.0 an hour"), (0.01, "14.4 a day")],
)
def test_a_slow_job_has_a_speed_too(rate: float, words: str) -> None:
    assert speed(rate) == words
    assert words in str(BulkProgress(done=1, failed=0, read=2, rate=rate))
