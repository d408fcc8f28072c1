"""Reports drawn with matplotlib: one function a report, horizontal bars, the first row on top."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from ..errors import BadSetting, MissingExtra
from .data import Explanation, HealthReport, PerformanceReport, QuotaReport
from .tables import COLOURS, Models, seconds_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CALM = "#8a94a3"
MOST = 25
"""Rows that are drawn."""


def plot(report: object, axes: Axes | None = None) -> Axes:
    """Draw a report, on `axes` where given. Raises `MissingExtra` without matplotlib, `BadSetting` for what is no report."""
    if axes is None:
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise MissingExtra(
                "plots need matplotlib", hint="pip install 'freerouter-llm[notebook]'"
            ) from error
        axes = pyplot.subplots(layout="constrained")[1]
    _draw(report, axes)
    return axes


@singledispatch
def _draw(report: object, axes: Axes) -> None:
    raise BadSetting(f"{type(report).__name__} has no drawing")


def _bars(
    axes: Axes,
    names: Sequence[str],
    values: Sequence[float],
    colours: Sequence[str],
    words: Sequence[str],
) -> None:
    if len(names) > MOST:
        axes.set_title(f"the first {MOST} of {len(names)}", fontsize=9)
    names, values, colours, words = names[:MOST], values[:MOST], colours[:MOST], words[:MOST]
    places = range(len(names))
    drawn: Any = axes.barh(places, values, color=colours, height=0.7)
    axes.bar_label(drawn, labels=words, padding=4, fontsize=8)
    axes.set_yticks(places, names, fontsize=8, parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.spines[["top", "right"]].set_visible(False)


@_draw.register(Models)
def _(report: Models, axes: Axes) -> None:
    _bars(
        axes,
        [m.id for m in report],
        [m.context / 1e3 for m in report],
        [COLOURS["good"] if m.free else CALM for m in report],
        [f"{m.context:,}" for m in report],
    )
    axes.set_xlabel("context, thousand tokens")


@_draw.register(HealthReport)
def _(report: HealthReport, axes: Axes) -> None:
    rows = [row for row in report.rows if row.model.free and row.model.chat]
    counts = [(row.health.answers, row.health.failures) if row.health else (0, 0) for row in rows][
        :MOST
    ]
    tones = [
        COLOURS["good"] if row.usable else COLOURS["wait" if row.reason is None else "dim"]
        for row in rows
    ]
    _bars(
        axes,
        [row.model.id for row in rows],
        [n for n, _ in counts],
        tones,
        [row.state_words for row in rows],
    )
    axes.barh(range(len(counts)), [-n for _, n in counts], color=COLOURS["bad"], height=0.7)
    axes.axvline(0, color=CALM, linewidth=0.8)
    axes.set_xlabel(f"failures (left) and answers; {report}")


@_draw.register(QuotaReport)
def _(report: QuotaReport, axes: Axes) -> None:
    shares = [100 * line.used / line.limit if line.limit else 100.0 for line in report.lines]
    tones = [COLOURS["bad" if share > 90 else "wait" if share > 70 else "good"] for share in shares]
    names = [
        f"{line.provider} {'' if line.scope == 'account' else line.scope} {line.span}"
        for line in report.lines
    ]
    words = [f"{line.used:g} of {line.limit:,} {line.kind}" for line in report.lines]
    _bars(axes, names, shares, tones, words)
    axes.set_xlim(0, 140)
    axes.set_xlabel("spent, %")


@_draw.register(Explanation)
def _(report: Explanation, axes: Axes) -> None:
    rows = [row for row in report.rows if row.reason is None]
    tones = [COLOURS["good" if row.usable else "wait"] for row in rows]
    words = [
        f"{row.chance or 0:.0%} likely" + ("" if row.usable else f", {row.state_words}")
        for row in rows
    ]
    _bars(axes, [row.model.id for row in rows], [row.seconds or 0.0 for row in rows], tones, words)
    axes.set_xlabel("seconds an answer is expected to take; the first is asked first")


@_draw.register(PerformanceReport)
def _(report: PerformanceReport, axes: Axes) -> None:
    rows = report.rows
    _bars(
        axes,
        [row.model for row in rows],
        [row.p50 or 0.0 for row in rows],
        [CALM if row.success is None else COLOURS["good" if row.success > 0.8 else "wait" if row.success > 0.4 else "bad"] for row in rows],
        [f"{row.success or 0:.0%} of {row.answers + row.failures}, p95 {seconds_words(row.p95)}" for row in rows],
    )  # fmt: skip
    axes.set_xlabel("seconds to an answer, the median")
