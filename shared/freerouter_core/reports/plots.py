"""Draws `Bars` with matplotlib."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import BadSetting, MissingExtra
from .bars import Bars
from .tones import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text

MAX_LABEL = 0.8
"""The share of the width that a label may take."""
GAP = 12.0
"""Pixels around a label."""
NEUTRAL = "#8a94a3"
MAX_BARS = 25
"""Bars in one drawing. The others are left out, and the title says so."""


def plot(drawing: Bars, axes: Axes | None = None) -> Axes:
    """Draw bars on `axes`, by default on new ones. Returns the axes.

    Raises:
        MissingExtra: matplotlib is not installed.
        BadSetting: `drawing` is not `Bars`.
    """
    if not isinstance(drawing, Bars):
        raise BadSetting(
            f"{type(drawing).__name__} cannot be drawn", hint="call a report's own plot()"
        )
    if axes is None:
        height = 0.9 + 0.32 * min(MAX_BARS, max(3, len(drawing.bars)))
        axes = pyplot().subplots(figsize=(8, height), layout="constrained")[1]
    _draw(drawing, axes)
    return axes


def pyplot() -> ModuleType:
    """`matplotlib.pyplot`. Raises `MissingExtra` if matplotlib is not installed."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingExtra(
            "plots need matplotlib", hint="pip install 'freerouter-llm[notebook]'"
        ) from error
    return pyplot


def ticker() -> ModuleType:
    """`matplotlib.ticker`, once matplotlib is known to be there."""
    from matplotlib import ticker

    return ticker


def _draw(drawing: Bars, axes: Axes) -> None:
    bars = drawing.bars[:MAX_BARS]
    if len(drawing.bars) > MAX_BARS:
        axes.set_title(f"the first {MAX_BARS} of {len(drawing.bars)}", fontsize=9)
    places = range(len(bars))
    colours = [COLOURS.get(bar.tone, NEUTRAL) for bar in bars]
    starts = [bar.start for bar in bars]
    drawn = axes.barh(places, [bar.value for bar in bars], left=starts, color=colours, height=0.7)
    labels = axes.bar_label(drawn, labels=[bar.label for bar in bars], padding=4, fontsize=8)
    if drawing.has_failures:
        failures = [-(bar.failures or 0.0) for bar in bars]
        axes.barh(places, failures, color=COLOURS["bad"], height=0.7)
        axes.axvline(0, color=NEUTRAL, linewidth=0.8)
        axes.xaxis.set_major_locator(ticker().MaxNLocator(integer=True))
        axes.xaxis.set_major_formatter(lambda count, _: f"{abs(count):,.0f}")  # both sides count
    axes.set_yticks(places, [bar.name for bar in bars], fontsize=8, parse_math=False)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(drawing.axis)
    if drawing.limits is not None:
        axes.set_xlim(*drawing.limits)
    _make_room(axes, labels, [bar.start + bar.value for bar in bars])


def _make_room(axes: Axes, labels: Sequence[Text], ends: Sequence[float]) -> None:
    """Widen the value axis until each label at the end of its bar is inside."""
    for label in labels:
        label.set_in_layout(False)  # else the layout narrows the axes for it
    axes.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]  # it has one
    left, right = axes.get_xlim()
    width = axes.bbox.width
    for label, end in zip(labels, ends, strict=True):
        share = min(MAX_LABEL, (label.get_window_extent().width + GAP) / width)
        right = max(right, (end - left * share) / (1.0 - share))
    axes.set_xlim(left, right)
