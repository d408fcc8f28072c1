"""What a process leaves to others that share a limit with it."""

from __future__ import annotations

import pytest

from freerouter_core import Limit
from freerouter_core.routing.charges import Charge, Grant, Refusal
from freerouter_core.routing.demand import HOURS, Demand
from freerouter_core.routing.lanes import Background
from freerouter_core.routing.limits import reserve
from freerouter_core.routing.shares import (
    GRACE,
    LATELY,
    MOST,
    PROCESS_BITS,
    YIELD_POLL,
    Shares,
    lane_of,
)
from freerouter_core.routing.window import Window

NOW = 1_800_000_000.0
ONE, TWO, THREE = (number << PROCESS_BITS for number in (1, 2, 3))


class Limited:
    """A limit that processes share."""

    def __init__(self, limit: Limit, background: bool = False) -> None:
        self.charge, self.window = Charge("account", limit), Window()
        demands = {self.charge.window: Demand(hours=[0.0] * HOURS)}
        self.background = Background(demands) if background else None

    def ask(self, process: int, at: float, behind: int = 0) -> Grant | Refusal:
        background = self.background if process & 1 else None
        lines = {"account": behind}
        return reserve(
            lambda _: self.window, (self.charge,), process, NOW + at, 0, 0.0, background, lines
        )


def granted(result: Grant | Refusal) -> bool:
    return isinstance(result, Grant)


def test_who_took_more_leaves_room_to_those_that_wait() -> None:
    limited = Limited(Limit(requests=2, per=10.0))
    assert granted(limited.ask(ONE, 0.0)) and granted(limited.ask(ONE, 0.0))
    refused = limited.ask(TWO, 1.0)
    assert isinstance(refused, Refusal) and refused.until == NOW + 10.5
    assert limited.ask(ONE, 10.5) == Refusal(NOW + 10.5 + YIELD_POLL, "account"), "it leads by two"
    assert granted(limited.ask(TWO, 10.52, behind=1)), "and more of the other may come"
    assert limited.ask(ONE, 10.53) == Refusal(NOW + 10.53 + YIELD_POLL, "account")
    assert granted(limited.ask(TWO, 10.54))


def test_who_leads_leaves_nothing_to_one_that_waits_no_more() -> None:
    limited = Limited(Limit(requests=3, per=10.0))
    assert all(granted(limited.ask(ONE, 0.0)) for _ in range(3))
    assert not granted(limited.ask(TWO, 1.0))
    assert granted(limited.ask(TWO, 10.5))
    assert granted(limited.ask(ONE, 10.51)) and granted(limited.ask(ONE, 10.51))


def test_a_process_that_does_not_come_holds_nobody_up() -> None:
    limited = Limited(Limit(requests=1, per=10.0))
    assert granted(limited.ask(ONE, 0.0))
    assert not granted(limited.ask(TWO, 1.0))
    assert not granted(limited.ask(ONE, 10.5 + GRACE - 0.01))
    assert granted(limited.ask(ONE, 10.5 + GRACE + 0.01)), "the other one died"


def test_who_waits_alone_leaves_nothing() -> None:
    limited = Limited(Limit(requests=1, per=10.0))
    assert granted(limited.ask(ONE, 0.0, behind=5))
    assert not granted(limited.ask(ONE, 5.0, behind=5))
    assert granted(limited.ask(ONE, 10.5, behind=4))


def test_a_lease_that_ends_early_is_left_to_the_one_that_waits() -> None:
    limited = Limited(Limit(concurrent=1))
    grant = limited.ask(ONE, 0.0)
    assert isinstance(grant, Grant)
    assert not granted(limited.ask(TWO, 0.1))
    limited.window.change(limited.charge, grant, None)
    assert not granted(limited.ask(ONE, 0.2))
    assert granted(limited.ask(TWO, 0.3))


def test_background_requests_leave_what_interactive_ones_wait_for_elsewhere() -> None:
    limited = Limited(Limit(requests=2, per=10.0), background=True)
    assert granted(limited.ask(TWO, 0.0)) and granted(limited.ask(TWO, 0.0))
    assert not granted(limited.ask(TWO, 1.0, behind=1)), "two wait"
    assert not granted(limited.ask(THREE + 1, 10.5)), "though it took nothing"
    assert granted(limited.ask(TWO, 10.5, behind=1))


def test_interactive_requests_leave_nothing_to_background_ones() -> None:
    limited = Limited(Limit(requests=1, per=10.0), background=True)
    assert granted(limited.ask(ONE, 0.0))
    assert not granted(limited.ask(TWO + 1, 1.0))
    assert granted(limited.ask(ONE, 10.5))


def test_who_joins_catches_up_at_most_the_limits_size() -> None:
    shares, limit = Shares(), Limit(requests=4)
    for _ in range(9):
        shares.took(2, 1.0, 0, limit, NOW)
    shares.waits(4, 9, NOW, NOW, limit, NOW)
    assert shares[4].taken == 5.0
    assert shares.left_by(2, 1.0, 60.0, NOW) == 4.0
    assert shares.left_by(4, 1.0, 60.0, NOW) == 0.0
    assert shares.left_by(6, 1.0, 60.0, NOW) == 0.0, "it took nothing yet"


def test_few_shares_are_kept_and_faint_ones_are_forgotten() -> None:
    shares, limit = Shares(), Limit(requests=4)
    for process in range(MOST + 9):
        shares.took(process << 1, 1.0, 0, limit, NOW + process)
    assert len(shares) == MOST and 0 not in shares
    shares.took(0, 1.0, 0, limit, NOW + 1e6)
    assert list(shares) == [0]
    assert Shares.of(shares.state()) == shares


def test_a_grants_number_tells_process_and_lane() -> None:
    assert lane_of(ONE) == lane_of(ONE + 2) != lane_of(ONE + 1) == lane_of(ONE + 3)
    assert lane_of(ONE) != lane_of(TWO)


def test_who_shares_a_limit_is_counted() -> None:
    limited = Limited(Limit(requests=3, per=10.0))
    assert limited.window.shares.processes(10.0, NOW) == 1
    limited.ask(ONE, 0.0)
    limited.ask(TWO, 1.0)
    limited.ask(TWO + 1, 1.0)  # its other lane
    assert limited.window.shares.processes(10.0, NOW + 2.0) == 2
    assert limited.window.shares.processes(10.0, NOW + 11.2) == 1, "the other came no more"
    assert limited.window.shares.processes(86_400.0, NOW + LATELY) == 2
    assert limited.window.shares.processes(86_400.0, NOW + LATELY + 1.0) == 1


@pytest.mark.parametrize(
    ("limit", "parts", "own"),
    [
        (Limit(requests=6, per=10.0), 1, 6),
        (Limit(requests=6, per=10.0), 4, 1),
        (Limit(requests=6, per=10.0), 3, 2),
        (Limit(requests=2, per=10.0), 4, 1),
        (Limit(concurrent=5), 2, 2),
    ],
)
def test_a_part_of_a_limit_is_whole_requests_and_one_at_least(
    limit: Limit, parts: int, own: int
) -> None:
    charge, window = Charge("account", limit), Window()
    got = [
        reserve(lambda _: window, (charge,), number, NOW, parts=parts) for number in range(2, 16, 2)
    ]

    assert sum(map(granted, got)) == own
