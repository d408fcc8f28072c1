"""`Timeline`: requests over time, with their attempts and what was left of each limit."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..catalogue.counts import count_words
from ..catalogue.durations import duration_words
from ..events import Answered, AttemptTrace, CalledOff, GaveUp
from .cells import Cell
from .plots import MAX_BARS, NEUTRAL, pyplot
from .quota import QuotaReport
from .tables import Table, Tabled
from .tones import COLOURS, Tone

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Ended = Answered | GaveUp | CalledOff
"""How a request ends."""
WIDTH = 24
"""Characters of the time line."""
MARKERS: dict[str, tuple[Tone, str]] = {
    "answered": ("good", "."),
    "cancelled": ("dim", "|"),
    "failed": ("bad", "x"),
}
"""The colour and mark of an attempt, by how it ended."""
UNITS = (("hours", 3_600.0), ("minutes", 60.0), ("seconds", 1.0))


@dataclass(frozen=True)
class Timeline(Tabled):
    """Requests over time.

    Attributes:
        requests: how requests ended, in the order they did.
        looks: what was used of each limit, by time.
    """

    requests: tuple[Ended, ...]
    looks: tuple[QuotaReport, ...] = ()

    @property
    def attempts(self) -> tuple[AttemptTrace, ...]:
        """All attempts, in the order they were sent."""
        tries = (tried for ended in self.requests if ended.trail for tried in ended.trail.tries)
        return tuple(sorted(tries, key=lambda tried: tried.at))

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were asked, in the order they were first asked."""
        return tuple(dict.fromkeys(tried.model for tried in self.attempts))

    @property
    def began(self) -> float:
        """When the first request began, in unix seconds; 0: there is none."""
        return min((ended.trail.at for ended in self.requests if ended.trail), default=0.0)

    @property
    def seconds(self) -> float:
        """From the begin of the first request to the end of the last."""
        ends = (ended.trail.at + ended.seconds for ended in self.requests if ended.trail)
        return max(ends, default=0.0) - self.began

    def __str__(self) -> str:
        answered = sum(isinstance(ended, Answered) for ended in self.requests)
        attempts = self.attempts
        failed = sum(tried.fault not in (None, "cancelled") for tried in attempts)
        requests = count_words(len(self.requests), "request")
        tries = count_words(len(attempts), "attempt")
        return (
            f"{requests} in {duration_words(self.seconds)}: "
            f"{answered:,} answered, {tries}, {failed:,} of them failed"
        )

    def table(self) -> Table:
        over_time = f"over {duration_words(self.seconds)}"
        return Table(
            columns=("model", over_time, "asked", "answered", "faults"),
            rows=[self._row(model) for model in self.models],
            right=("asked", "answered"),
            foot=str(self),
            spare=("faults", over_time, "asked"),
        )

    def plot(self, figure: Figure | None = None) -> tuple[Axes, ...]:
        """Draw attempts, seconds to each answer, and what was left of each limit, over time.

        Args:
            figure: where to draw. None: a new figure.

        Returns:
            The axes, from the top. There is none for limits if none is known.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return _draw(self, figure)

    def _row(self, model: str) -> tuple[str | Cell, ...]:
        tries = [tried for tried in self.attempts if tried.model == model]
        faults = Counter(tried.fault for tried in tries if tried.fault)
        answered = len(tries) - faults.total()
        tone: Tone = "good" if not faults else "wait" if answered else "bad"
        return (
            model,
            Cell(self._time_line(tries), tone),
            f"{len(tries):,}",
            f"{answered:,}",
            " ".join(f"{fault} {count}" for fault, count in faults.most_common()),
        )

    def _time_line(self, tries: list[AttemptTrace]) -> str:
        """█ answers, x none, ▒ both, · not asked."""
        scale, marks = WIDTH / (self.seconds or 1.0), ["·"] * WIDTH
        for tried in tries:
            place = min(WIDTH - 1, int((tried.at - self.began) * scale))
            mark = "x" if tried.fault else "█"
            marks[place] = mark if marks[place] in ("·", mark) else "▒"
        return "".join(marks)


# -- drawing ---------------------------------------------------------------------------------------


def _draw(timeline: Timeline, figure: Figure | None) -> tuple[Axes, ...]:
    models = timeline.models[:MAX_BARS]
    heights = [1.0 + 0.25 * len(models), 2.0] + [2.0] * any(look.lines for look in timeline.looks)
    if figure is None:
        figure = pyplot().figure(figsize=(9, sum(heights) + 0.8), layout="constrained")
    axes = tuple(figure.subplots(len(heights), sharex=True, height_ratios=heights))
    unit, length = next(unit for unit in UNITS if timeline.seconds >= 2 * unit[1] or unit[1] == 1.0)
    began = datetime.fromtimestamp(timeline.began, UTC)
    axes[-1].set_xlabel(f"{unit} since {began:%H:%M} UTC")
    _draw_attempts(axes[0], timeline, models, length)
    _draw_seconds(axes[1], timeline, length)
    if len(axes) > 2:
        _draw_limits(axes[2], timeline, length)
    for part in axes:
        part.spines[["top", "right"]].set_visible(False)
        _put_legend_above(part)
    return axes


def _draw_attempts(axes: Axes, timeline: Timeline, models: tuple[str, ...], length: float) -> None:
    shown: dict[str, list[tuple[float, float]]] = {name: [] for name in MARKERS}
    for tried in timeline.attempts:
        if tried.model in models:
            end = {None: "answered", "cancelled": "cancelled"}.get(tried.fault, "failed")
            place = ((tried.at - timeline.began) / length, models.index(tried.model))
            shown[end].append(place)
    for end, places in shown.items():
        if places:
            tone, marker = MARKERS[end]
            x, y = zip(*places, strict=True)
            axes.scatter(x, y, c=COLOURS[tone], marker=marker, label=end)
    axes.set_yticks(range(len(models)), models, fontsize=8, parse_math=False)
    axes.set_ylim(max(1, len(models)) - 0.5, -0.5)
    axes.grid(axis="y", color=NEUTRAL, alpha=0.2)
    axes.set_title("attempts", loc="left", fontsize=10)


def _draw_seconds(axes: Axes, timeline: Timeline, length: float) -> None:
    points: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for ended in timeline.requests:
        if ended.trail is None or isinstance(ended, CalledOff):
            continue
        kind = (
            ("no answer", COLOURS["bad"])
            if not isinstance(ended, Answered)
            else ("first attempt", NEUTRAL)
            if ended.attempts == 1
            else ("several attempts", COLOURS["wait"])
        )
        hours = (ended.trail.at - timeline.began) / length
        points[kind].append((hours, max(ended.seconds, 1e-3)))
    for (label, colour), shown in sorted(points.items()):
        x, y = zip(*shown, strict=True)
        axes.scatter(x, y, c=colour, s=14, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: "")
    axes.set_title("seconds to an answer", loc="left", fontsize=10)


def _draw_limits(axes: Axes, timeline: Timeline, length: float) -> None:
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    several = len({line.provider for look in timeline.looks for line in look.lines}) > 1
    for look in timeline.looks:
        for line in look.lines:
            whose = [line.provider] * several + [line.scope] * (line.scope != "account")
            name = " ".join([*whose, f"{line.limit:,} {line.kind} {line.span}"])
            lines[name].append(((look.seen - timeline.began) / length, 100 * (1 - line.share)))
    for name, steps in list(lines.items())[:MAX_BARS]:
        axes.step(*zip(*steps, strict=True), label=name, where="post")
    axes.set_ylim(-4, 104)
    axes.set_title("left of each limit, %", loc="left", fontsize=10)


def _put_legend_above(axes: Axes) -> None:
    """Beside the title, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=min(4, len(labels)),
            frameon=False,
            fontsize=8,
            borderaxespad=0.1,
        )
