"""What clocks that were ahead wrote into a window, and leases that are renewed."""

from __future__ import annotations

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY
from freerouter_core.routing.charges import Charge, Grant, Refusal
from freerouter_core.routing.limits import reserve
from freerouter_core.routing.window import LEASE, MAX_LEAD, Window

from .driver import NOW

MINUTE = Charge("scope", Limit(requests=2, per=60.0))
LANE = Charge("scope", Limit(concurrent=1))


def take(window: Window, charge: Charge, at: float, number: int = 1) -> Grant | Refusal:
    return reserve(lambda _: window, (charge,), number, NOW + at)


def test_what_is_written_in_the_future_counts_only_if_clocks_may_differ_so_much() -> None:
    window = Window()
    assert isinstance(take(window, MINUTE, MAX_LEAD), Grant)
    assert isinstance(take(window, MINUTE, 6 * 3_600.0, 2), Grant)
    assert isinstance(take(window, MINUTE, 0.0, 3), Grant)
    assert window.used == 1.0, "a window that is past, and one that never was, are gone"
    window = Window()
    take(window, MINUTE, MAX_LEAD)
    take(window, MINUTE, MAX_LEAD + 1.0)
    take(window, MINUTE, 0.0)
    assert window.used == 2.0, "one of the future, one of now"
    assert list(window.times) == [NOW, NOW + MAX_LEAD]


@pytest.mark.parametrize(("ahead", "is_full"), [(3_600.0, True), (2 * DAY, False)])
def test_a_day_that_has_not_begun_is_not_full(ahead: float, is_full: bool) -> None:
    day = Charge("scope", Limit(requests=1, per=DAY, reset="utc-day"))
    window = Window()
    assert isinstance(take(window, day, ahead), Grant)
    assert isinstance(take(window, day, 0.0), Refusal) is is_full
    assert window.since <= NOW


def test_a_bucket_of_the_future_drains_from_now() -> None:
    bucket = Charge("scope", Limit(requests=1, per=60.0, reset="bucket"))
    window = Window()
    assert isinstance(take(window, bucket, DAY), Grant)
    refusal = take(window, bucket, 0.0)
    assert isinstance(refusal, Refusal)
    assert refusal.until == pytest.approx(NOW + 60.0, abs=0.01)
    assert isinstance(take(window, bucket, 60.1), Grant)


def test_a_renewed_lease_lasts_on() -> None:
    window = Window(leases=True)
    grant = take(window, LANE, 0.0, 7)
    assert isinstance(grant, Grant)
    for at in (20.0, 40.0):
        window.renew(grant, NOW + at)
        assert isinstance(take(window, LANE, at + LEASE - 1.0, 8), Refusal)
    assert (window.used, list(window.grants)) == (1.0, [7])
    assert isinstance(take(window, LANE, 40.0 + LEASE, 8), Grant)
    window.renew(grant, NOW + 80.0)  # its machine slept
    assert window.used == 2.0
    window.change(LANE, grant, None)
    assert window.used == 1.0
