"""`Availability`: whether a model is up, as far as its outcomes tell.

**Two states.** A model is up or down. It stays up for a while and then down for a while. While it
is down, every request fails. While it is up, a request fails now and then by chance. Neither state
is seen; only outcomes are. An answer proves that the model is up. A failure lowers the chance that
it is, by Bayes' rule: of a model that often fails by chance it says little.

**Time.** Between outcomes the chance drifts from what was last believed towards the model's long
run. How fast depends on how long the model stays up and down. These two times are learnt from its
own outcomes, each weighed by how sure its state was. A model that failed twice is taken to have
been down in between, and one that answered twice to have been up. So one that never answers is
soon asked rarely, however long it is left alone.

Counts fade, because free models change by the hour. Reading changes nothing: time passes in the
reader's arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

HALF_LIFE = 3_600.0
"""Seconds after which what was seen counts half."""
UP_SECONDS = 600.0
"""Seconds that models are believed to stay up before anything was seen."""
DOWN_SECONDS = 150.0
"""Seconds that models are believed to stay down before anything was seen."""
TIMES_WEIGHT = 1.0
"""Changes of state that this belief counts as much as."""
NOISE = 0.06
"""The share of requests that models are believed to fail while they are up."""
NOISE_WEIGHT = 4.0
"""Requests that this belief counts as much as."""
MAX_SURE = 0.999
"""The most that answers can prove: any model fails by chance."""
FIRST_EVIDENCE = 3.0
"""Outcomes that all these beliefs count as much as, where uncertain chances are sampled."""
COUNTS = ("up_seconds", "down_seconds", "falls", "rises", "good", "slips")


@dataclass(slots=True, kw_only=True)
class Availability:
    """What is believed of one model. Times are unix seconds; counts and seconds are decayed."""

    chance_up: float = UP_SECONDS / (UP_SECONDS + DOWN_SECONDS)
    """The chance that it was up when `seen_at`."""
    seen_at: float = 0.0
    """When it last answered or failed; 0: never."""
    up_seconds: float = 0.0
    """Seconds that it was seen up."""
    down_seconds: float = 0.0
    falls: float = 0.0
    """Times that it went down."""
    rises: float = 0.0
    good: float = 0.0
    """Answers."""
    slips: float = 0.0
    """Failures by chance, while it was up."""
    long_run: float = UP_SECONDS / (UP_SECONDS + DOWN_SECONDS)
    """The share of time that it is up. This and the next two follow from the counts. They are
    worked out at each outcome, because every request reads them."""
    drift: float = 1.0 / UP_SECONDS + 1.0 / DOWN_SECONDS
    """How fast what was seen is outdated, per second."""
    sure: float = 1.0 - NOISE
    """The chance of an answer while it is up."""

    def up_at(self, now: float) -> float:
        """The chance that it is up."""
        age = now - self.seen_at
        if age <= 0.0:  # another machine's clock may be ahead of ours
            return self.chance_up
        return self.long_run + (self.chance_up - self.long_run) * exp(-self.drift * age)

    def chance(self, now: float) -> float:
        """The chance that it answers."""
        return self.sure * self.up_at(now)

    @property
    def evidence(self) -> float:
        """The number of outcomes that the chance rests on."""
        return FIRST_EVIDENCE + self.good + self.slips + self.falls + self.rises

    def answered(self, now: float) -> None:
        """It answered, so it is up."""
        self._see(now, 1.0)
        self.good += 1.0
        self.conclude()

    def failed(self, now: float) -> None:
        """It failed: by chance, or because it is down."""
        up = self.up_at(now)
        by_chance = up * (1.0 - self.sure)
        after = by_chance / (by_chance + (1.0 - up))
        self._see(now, after)
        self.slips += after
        self.conclude()

    def _see(self, now: float, after: float) -> None:
        """Take in that the chance of being up is `after`."""
        if 0.0 < self.seen_at < now:
            gap = now - self.seen_at
            fade = 0.5 ** (gap / HALF_LIFE)
            for name in COUNTS:
                setattr(self, name, getattr(self, name) * fade)
            before = self.chance_up
            up = (before + after) / 2.0
            gap = min(gap, HALF_LIFE)
            self.up_seconds += gap * up
            self.down_seconds += gap * (1.0 - up)
            self.falls += before * (1.0 - after)
            self.rises += (1.0 - before) * after
        self.chance_up, self.seen_at = after, max(now, self.seen_at)

    def conclude(self) -> None:
        """Work out what follows from the counts."""
        up = (TIMES_WEIGHT * UP_SECONDS + self.up_seconds) / (TIMES_WEIGHT + self.falls)
        down = (TIMES_WEIGHT * DOWN_SECONDS + self.down_seconds) / (TIMES_WEIGHT + self.rises)
        requests = NOISE_WEIGHT + self.good + self.slips
        self.long_run = up / (up + down)
        self.drift = 1.0 / up + 1.0 / down
        self.sure = min(MAX_SURE, (NOISE_WEIGHT * (1.0 - NOISE) + self.good) / requests)
