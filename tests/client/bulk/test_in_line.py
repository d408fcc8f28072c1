"""How many requests of a job stand in line."""

from __future__ import annotations

import pytest

from freerouter_core import Limit
from freerouter_core.client.bulk.in_line import enough_wait
from freerouter_core.client.context import Context
from freerouter_core.routing.charges import Refusal
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.request import Lane


def context(lane: Lane = "background", *, seconds: float = 0.0) -> Context:
    """A job's, whose account is known to be full for so many seconds."""
    router = World([SimModel("a/m:free")]).router()
    own = router._context.with_options(lane=lane)
    now = own.runtime.clock.now()
    (account,) = own.resolved.accounts.values()
    refusal = Refusal(now + seconds, account.scope, limit=Limit(20))
    own.runtime.ledger.full.told(refusal, 0, own.resolved.pace, now)
    return own


def test_where_an_account_may_have_room_two_stand_in_line() -> None:
    job = context()
    assert [enough_wait(job, waits) for waits in ([], [0.0], [0.0, 0.0])] == [False, False, True]


@pytest.mark.parametrize(("after", "enough"), [(-60.0, True), (60.0, True), (61.0, False)])
def test_while_all_are_full_one_is_enough_that_waits_for_the_first_room(
    after: float, enough: bool
) -> None:
    job = context(seconds=60.0)
    assert not enough_wait(job, [])
    assert enough_wait(job, [job.runtime.clock.now() + after]) is enough


def test_a_job_that_somebody_waits_for_is_told_of_no_full_limits() -> None:
    assert not enough_wait(context("interactive", seconds=60.0), [0.0])
