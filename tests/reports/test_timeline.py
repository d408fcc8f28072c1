"""A router's timeline: a table and a picture of attempts, times and limits."""

from __future__ import annotations

from contextlib import suppress

import pytest
from matplotlib import pyplot

from freerouter_core import Router
from freerouter_core.errors import BadSetting, FreeRouterError
from freerouter_core.reports import Cell, Timeline
from freerouter_core.simulator import Phase, SimAccount, SimModel, World


def asked(router: Router, world: World, times: int) -> None:
    for _ in range(times):
        with suppress(FreeRouterError):
            router.chat("hello")
        router.flush()
        world.clock.advance(600)


def day() -> tuple[World, Router]:
    models = [
        SimModel("acme/down:free", phases=[Phase(3_000, 1e9, "502")], first_token=0.1),
        SimModel("acme/good:free", first_token=0.5),
    ]
    world = World(models, [SimAccount(per_minute=20, per_day=50)])
    return world, world.router(strategy="round_robin", max_wait=0)


def test_a_watch_shows_attempts_over_time() -> None:
    world, router = day()
    with world, router.watch() as watch:
        asked(router, world, 12)
    rows = {row[0]: row for row in watch.table().rows}
    line = rows["acme/down:free"][1]

    assert isinstance(line, Cell)
    assert line.tone == "wait"
    assert "█" in line.text[:12]
    assert "x" in line.text[10:]
    assert rows["acme/good:free"][2:] == ("10", "10", "")
    assert rows["acme/down:free"][4] == "busy 4"
    assert str(watch).startswith("12 requests in 1 h 50 min: 12 answered, ")


def test_a_watch_draws_attempts_seconds_and_limits() -> None:
    world, router = day()
    with world, router.watch() as watch:
        asked(router, world, 12)
        attempts, seconds, limits = watch.plot()

    assert [tick.get_text() for tick in attempts.get_yticklabels()] == list(watch.timeline().models)
    assert limits.get_xlabel() == "minutes since 08:00 UTC"
    assert seconds.get_yscale() == "log"
    legend = limits.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {
        "20 requests a minute",
        "50 requests a day",
    }
    left = [look.lines for look in watch.timeline().looks][-1]
    assert min(100 * (1 - line.share) for line in left) == pytest.approx(
        100 * (1 - len(world.requests) / 50)
    )
    pyplot.close("all")


def test_requests_that_failed_or_were_not_limited_are_drawn_too() -> None:
    with World([SimModel("acme/down:free", phases=[Phase(0, 1e9, "502")])]) as world:
        router = world.router(max_wait=0, timeout=5)
        with router.watch(limit=2) as watch:
            asked(router, world, 3)
    axes = watch.plot(pyplot.figure())
    labels = [axes[1].get_legend_handles_labels()[1] for _ in axes[:1]]

    assert len(watch.timeline().requests) == 2
    assert labels == [["no answer"]]
    assert str(watch).endswith("of them failed")
    pyplot.close("all")


def test_a_watch_ends() -> None:
    world, router = day()
    with world:
        watch = router.watch()
        asked(router, world, 1)
        watch.stop()
        asked(router, world, 1)

        assert len(watch.timeline().requests) == 1
        assert not watch.timeline().attempts[0].fault


def test_nothing_is_a_timeline_too() -> None:
    assert str(Timeline(())) == "0 requests in 0 s: 0 answered, 0 attempts, 0 of them failed"
    assert len(Timeline(()).plot()) == 2
    pyplot.close("all")
    with World([]) as world, pytest.raises(BadSetting, match="limit=0"):
        world.router().watch(0)
