"""Reports as tables and drawings, in a notebook, in a terminal and in plain text."""

from __future__ import annotations

import io
import math
import pickle
import sys
from collections.abc import Iterator

import matplotlib as mpl
import pytest
from matplotlib.patches import Rectangle
from rich.console import Console

from freerouter_core import Router
from freerouter_core.apps.evaluation.grading import select_models
from freerouter_core.catalogue.parse import parse_models
from freerouter_core.catalogue.providers import Account
from freerouter_core.errors import BadSetting, Exhausted, MissingExtra
from freerouter_core.reports import (
    Bar,
    Bars,
    Cell,
    Drawn,
    Models,
    QuotaLine,
    QuotaReport,
    Table,
    Tabled,
    Trail,
)
from freerouter_core.reports.plots import MAX_BARS, plot
from freerouter_core.routing.journal import Journal
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.redact import redact_fault

mpl.use("Agg")
ACCOUNT = Account("p", "http://127.0.0.1:9/v1", "sk-table-0123456789")
REPORTS = ("free_models", "health", "quota", "explain", "performance")


@pytest.fixture
def router() -> Iterator[Router]:
    models = [
        SimModel("acme/big:free", context=200_000, script=["502"]),
        SimModel("acme/gone:free", dies=0.0),
        SimModel("acme/small:free", tools=False),
        SimModel("acme/paid", prompt_price="0.000001", completion_price="0.000002"),
    ]
    with World(models, [SimAccount(per_minute=20, per_day=50)]) as world:
        router = world.router(model="acme/big:free")
        router.chat("hello")
        yield router


@pytest.mark.parametrize("name", REPORTS)
def test_each_report_shows_as_a_table_everywhere(name: str, router: Router) -> None:
    report: Tabled = getattr(router, name)()
    table = report.table()
    out = io.StringIO()
    Console(file=out, width=200).print(report)

    assert table.rows
    for row in table.rows:
        assert len(row) == len(table.columns)
    for shown in (report._repr_html_(), out.getvalue(), str(table)):
        assert all(column in shown for column in table.columns)
        for cell in table.rows[0]:
            assert (cell.text if isinstance(cell, Cell) else cell) in shown


@pytest.mark.parametrize("name", REPORTS)
def test_each_report_draws_itself(name: str, router: Router) -> None:
    from matplotlib import pyplot

    report: Drawn = getattr(router, name)()
    own_axes = pyplot.subplots()[1]
    axes = report.plot()

    assert report.plot(own_axes) is own_axes
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert any("acme/" in label or "openrouter" in label for label in labels)
    assert axes.get_xlabel()
    assert axes.yaxis_inverted()
    pyplot.close("all")


def test_each_drawing_is_data(router: Router) -> None:
    health, quota = router.health().bars(), router.quota().bars()
    by_name = {bar.name: bar for bar in health.bars}
    failing, good = by_name["acme/big:free"], by_name["acme/small:free"]

    assert (failing.value, failing.failures, failing.tone) == (0, 1, "wait")
    assert "back in" in failing.label
    assert (good.value, good.failures, good.tone, good.label) == (1, 0, "good", "ready")
    assert quota.axis == "used, %"
    assert quota.limits == (0, 100)
    assert {bar.value for bar in quota.bars} == {100 * 2 / 20, 100 * 2 / 50}
    assert [bar.tone for bar in router.affordable_models(1.0).bars().bars] == ["good", "good", ""]


def test_a_drawing_shows_failures_to_the_left_and_the_first_bars_only() -> None:
    from matplotlib import pyplot

    many = tuple(Bar(f"m{n}", n, f"{n} answers", "good", 1.0) for n in range(MAX_BARS + 5))
    axes = plot(Bars(many, "answers", limits=(-2, 50)))
    widths = [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle)]

    assert widths == [*map(float, range(MAX_BARS)), *([-1.0] * MAX_BARS)]
    assert axes.get_title() == f"the first {MAX_BARS} of {MAX_BARS + 5}"
    assert axes.get_xlabel() == "answers"
    assert axes.get_xlim() == (-2, 50)
    pyplot.close("all")


@pytest.mark.parametrize(
    "label", ["ready", "answered after nine attempts, at the third key of the second provider"]
)
def test_labels_are_inside_their_axes(label: str) -> None:
    from matplotlib import pyplot

    drawing = Bars((Bar("m", 5.0, label), Bar("n", 2.0, label, start=3.0)), "seconds")
    for axes in (plot(drawing), plot(drawing, pyplot.subplots(figsize=(8, 3))[1])):
        axes.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]
        for text in axes.texts:
            assert text.get_window_extent().x1 <= axes.bbox.x1
    pyplot.close("all")


def test_html_and_markup_in_cells_are_escaped() -> None:
    table = Table(("model",), (("<script>alert(1)</script>[red]",),), foot="<b>")
    out = io.StringIO()
    Console(file=out, width=100).print(table.rich())

    assert "<script" not in table.html()
    assert "<b>" not in table.html()
    assert "[red]" in out.getvalue()


@pytest.mark.parametrize("width", [30, 40, 60, 100])
@pytest.mark.parametrize("name", REPORTS)
def test_a_narrow_terminal_shows_fewer_columns(name: str, width: int, router: Router) -> None:
    report: Tabled = getattr(router, name)()
    out = io.StringIO()
    Console(file=out, width=width).print(report)
    lines = out.getvalue().splitlines()
    whole = report.table()
    fitted = whole.fitted(width)

    assert max(map(len, lines)) <= width
    assert set(fitted.columns) <= set(whole.columns)
    assert {"model", "provider"} & set(fitted.columns)
    assert len(lines) <= 4 * (len(whole.rows) + 2)
    assert whole.fitted(1_000) == whole


LONG = "nvidia/nemotron-3-super-120b-a12b:free"


def test_what_an_account_waits_for_is_told_once() -> None:
    """Not in the row of each of its models, which may be a hundred."""
    models = [SimModel(f"acme/{name}:free") for name in "abc"]
    with World(models, [SimAccount("sk-simulated", per_day=1)]) as world:
        router = world.router()
        router.chat("hello")
        with pytest.raises(Exhausted):
            router.chat("hello")
        tables = router.health().table(), router.explain("hello").table()

    for table in tables:
        told = "openrouter account waits: account-day, back at 00:00 UTC"
        assert str(table).count("account waits") == 4
        assert table.foot.count(told) == 1


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_an_id_is_never_folded_and_idle_columns_give_way_first(width: int) -> None:
    state = "account waits: account-day, back at 00:00 UTC, in 15 h 48 min"
    table = Table(
        ("model", "context", "first token", "now"),
        [(LONG, "262,144", "-", Cell(state, "wait")), ("acme/a:free", "8,192", "-", "ready")],
        right=("context", "first token"),
        foot="2 of 3 free models usable now (400 listed)",
        spare=("context", "first token"),
    )
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    lines = out.getvalue().splitlines()

    assert any(line.startswith(LONG) for line in lines)
    assert max(map(len, lines)) <= width
    assert ("context" in lines[0]) == (width >= 80)
    assert ("first token" in lines[0]) == (width == 160)


@pytest.mark.parametrize(
    ("used", "limit", "kind", "per", "words"),
    [
        (7.0, 50, "requests", 86_400.0, "p (account): 7 of 50 requests a day"),
        (56.0, 50, "requests", 86_400.0, "p (account): 50 of 50 requests a day, 6 refused"),
        (
            1_234_567.0,
            2_000_000,
            "tokens",
            60.0,
            "p (account): 1,234,567 of 2,000,000 tokens a min",
        ),
        (12.5, 100, "percent", 18_000.0, "p (account): 12.5 % in 5 hours"),
    ],
)
def test_limits_are_told_for_people(
    used: float, limit: int, kind: str, per: float, words: str
) -> None:
    line = QuotaLine(
        provider="p", scope="account", kind=kind, used=used, limit=limit, per=per, reset="rolling"
    )
    report = QuotaReport((line,), {"p": ("key-refused", math.inf)}, seen=0.0)

    assert str(line).startswith(words)
    assert "back once its cause is mended" in str(report)
    assert "inf" not in str(report)


def test_models_are_a_list(router: Router) -> None:
    models = router.free_models()

    assert isinstance(models, list)
    assert models == [*models]
    assert pickle.loads(pickle.dumps(models)) == models
    assert isinstance(router.affordable_models(1.0), Models)
    assert "1.00 in, 2.00 out" in str(router.affordable_models(1.0).table())
    assert "USD" not in str(models.table())


def test_an_explanation_has_chances_and_expected_seconds(router: Router) -> None:
    rows = {row.model.id: row for row in router.explain().rows}
    fine, benched = rows["acme/small:free"], rows["acme/big:free"]

    assert fine.chance is not None and benched.chance is not None
    assert 0 < benched.chance < fine.chance < 1
    assert fine.seconds is not None
    assert fine.seconds > 0
    assert "back in" in benched.state_words


def test_drawing_without_matplotlib_says_what_to_install(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)

    with pytest.raises(MissingExtra, match="pip install"):
        router.health().plot()


def test_only_bars_can_be_drawn() -> None:
    with pytest.raises(BadSetting, match="str"):
        plot("a text")  # type: ignore[arg-type]  # refused, whatever its type


def test_control_characters_do_not_reach_a_terminal() -> None:
    listed = parse_models({"data": [{"id": "a/x\x1b[31m:free"}, {"id": "a/y:free"}]}, free="all")
    fault = redact_fault(Fault(Kind.BUSY, Cause.SERVER, "no \x1b[2J\x07way"), ACCOUNT)
    shown = str(Table(("model",), (("\x1b]0;pwn\x07",),)))

    assert [model.id for model in listed] == ["a/y:free"]
    assert fault.message == "no [2Jway"
    assert "\x1b" not in shown


def test_health_reports_free_models_even_if_paying_is_allowed(router: Router) -> None:
    import dataclasses

    report = dataclasses.replace(router, allow_paid=True).health()

    assert report.usable
    assert all(model.free for model in report.usable)
    assert select_models(dataclasses.replace(router, allow_paid=True), ()) == report.usable


def test_a_limit_of_zero_leaves_no_candidate() -> None:
    with World([SimModel("a/x:free")]) as world:
        (row,) = world.router(daily_cap=0).health().rows

    assert (row.usable, row.reason) == (False, "its limit allows none")


async def test_health_asks_the_store_once() -> None:
    with World(
        [SimModel(f"a/{n}:free") for n in range(50)], [SimAccount(per_minute=20, per_day=50)]
    ) as world:
        runtime = world.runtime
        router = world.router()
        router.chat("hello")
        looks: list[int] = []
        change = runtime.ledger._look

        async def counted(charges: object, decide: object) -> object:
            looks.append(1)
            return await change(charges, decide)  # type: ignore[arg-type]

        runtime.ledger._look = counted  # type: ignore[method-assign, assignment]
        await router.ahealth()

    assert len(looks) == 1


def test_a_trail_shows_attempts_over_time() -> None:
    models = [SimModel("acme/late:free", script=["hang"]), SimModel("acme/good:free")]
    with World(models) as world:
        trail = Trail.of(world.router(model="acme/late:free").chat("hello").journal)
    late, good = (row[2].text for row in trail.table().rows if isinstance(row[2], Cell))

    assert [line.result for line in trail.lines] == ["slow: no-token", "answered"]
    assert len(late) == len(good)
    assert good.startswith("·") and good.endswith("█")
    assert str(trail).splitlines()[-1].startswith("acme/good:free (openrouter): answered")
    first, second = trail.bars().bars
    assert (first.start, first.tone, second.tone) == (0.0, "bad", "good")
    assert second.start > 1


def test_a_trail_of_nothing_is_empty() -> None:
    assert Trail.of(Journal(started=0.0)).table().rows == []
