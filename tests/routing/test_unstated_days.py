"""A day whose limit nobody states: what a job may take of it while people ask, too."""

from __future__ import annotations

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY, HOUR
from freerouter_core.catalogue.providers import Account
from freerouter_core.routing.people import People
from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.unstated_days import (
    AT_ONCE,
    DOUBLES,
    FIRST,
    PEOPLE,
    UnstatedDays,
)
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import account, answers, fails, model, plan, play

MIDNIGHT = 20_000 * DAY
UNKNOWN = account("one")
STATED = account("one", limits=(Limit(200, per=DAY, reset="utc-day"),))


class Days(UnstatedDays):
    """Beside people who come."""

    def __init__(self) -> None:
        super().__init__()
        self.people = People()


def taken(days: Days, now: float, of: Account = UNKNOWN, most: int = 10_000) -> int:
    """How many a job takes at a moment."""
    for n in range(most):
        visit = days.people.visit(of.scope)
        free_at = days.free_at(of, now, visit)
        if free_at > now:
            assert days.free_at(of, free_at, visit) == free_at
            assert free_at < now + 2.0 or days.free_at(of, free_at - 2.0, visit) > free_at - 2.0
            return n
        days.sent(of.scope, now, background=True)
    return most


def asked(days: Days, now: float, requests: int = 1) -> None:
    days.people.came([UNKNOWN], now)
    for _ in range(requests):
        days.sent(UNKNOWN.scope, now, background=False)


def test_a_job_alone_goes_as_fast_as_it_can() -> None:
    days = Days()
    assert taken(days, MIDNIGHT) == 10_000


def test_beside_people_it_takes_little_at_first_and_more_and_more() -> None:
    days = Days()
    asked(days, MIDNIGHT)
    at_first = taken(days, MIDNIGHT)
    assert at_first == pytest.approx(AT_ONCE * (1 - PEOPLE) * FIRST, abs=1.0)
    later = [taken(days, MIDNIGHT + n * DOUBLES) for n in range(1, 8)]
    assert 0 < later[0] < FIRST / 4
    assert later == sorted(later)
    assert taken(days, MIDNIGHT + 11 * HOUR) == 10_000  # no such limit is known anywhere


def test_what_is_presumed_doubles_every_five_minutes_until_no_such_limit_is_known() -> None:
    days, total = Days(), 0
    asked(days, MIDNIGHT)
    for n in range(11):
        total += taken(days, MIDNIGHT + n * DOUBLES)
        part = AT_ONCE + (1.0 - AT_ONCE) * n * DOUBLES / DAY
        assert total == pytest.approx(FIRST * 2.0**n * (1.0 - PEOPLE) * part, abs=1.0)
    assert taken(days, MIDNIGHT + 11 * DOUBLES, most=100_000) == 100_000


def test_people_who_asked_other_accounts_so_far_may_ask_this_one() -> None:
    days = Days()
    days.people.came([account("two"), UNKNOWN], MIDNIGHT)
    assert 0 < taken(days, MIDNIGHT) < 5


def test_a_day_after_the_last_of_them_it_is_alone_again() -> None:
    days = Days()
    asked(days, MIDNIGHT)
    assert taken(days, MIDNIGHT + DOUBLES) < FIRST
    assert taken(days, MIDNIGHT + DAY + 1.0) == 10_000


def test_where_limits_are_stated_none_is_presumed() -> None:
    own = Account("one", "http://192.168.1.5:8000/v1", "key")
    for of in (STATED, account("one", limits=(Limit(20),)), account("one", local=True), own):
        days = Days()
        days.people.came([of], MIDNIGHT)
        assert taken(days, MIDNIGHT, of) == 10_000


@pytest.mark.parametrize("of", [UNKNOWN, STATED])
def test_a_limit_that_was_run_into_is_remembered_the_day_after(of: Account) -> None:
    days = Days()
    asked(days, MIDNIGHT, 30)
    for _ in range(11):
        days.sent(of.scope, MIDNIGHT + HOUR, background=True)
    days.spent(of.scope, MIDNIGHT + HOUR)  # the last of 41 was refused

    asked(days, MIDNIGHT + DAY)
    assert taken(days, MIDNIGHT + DAY, of) == pytest.approx(AT_ONCE * 10, abs=1.0)
    evening = MIDNIGHT + DAY + 20 * HOUR
    assert 0 < taken(days, evening, of) <= 10


def test_a_job_gets_its_whole_share_by_midnight_and_then_another() -> None:
    days, evening = Days(), MIDNIGHT + 2 * DAY - 60.0
    asked(days, MIDNIGHT, 11)
    days.spent(UNKNOWN.scope, MIDNIGHT)  # a day has 10 requests, and people had all of them
    days.people.came([UNKNOWN], evening)
    visit = days.people.visit(UNKNOWN.scope)
    assert days.free_at(UNKNOWN, evening, visit) == MIDNIGHT + 2 * DAY

    evening += DAY
    for _ in range(5):
        assert days.free_at(UNKNOWN, evening, visit) == evening
        days.sent(UNKNOWN.scope, evening, background=True)
    assert days.free_at(UNKNOWN, evening, visit) == MIDNIGHT + 3 * DAY


def test_a_smaller_day_does_not_end_the_memory_of_a_larger_one() -> None:
    days = Days()
    asked(days, MIDNIGHT, 1_000)
    asked(days, MIDNIGHT + DAY, 10)
    asked(days, MIDNIGHT + 2 * DAY)
    share = 2 * 1_000 * PEOPLE
    assert taken(days, MIDNIGHT + 2 * DAY) == pytest.approx(AT_ONCE * share, abs=1.0)


def test_a_day_that_another_process_saw_refused_is_not_survived() -> None:
    days = Days()
    days.learn(UNKNOWN.scope, 20_000, 40, 0)
    asked(days, MIDNIGHT, 60)
    asked(days, MIDNIGHT + DAY)
    assert days.known(UNKNOWN.scope) == (20_001, 40, 0)


def test_a_day_that_is_survived_ends_the_memory() -> None:
    days = Days()
    asked(days, MIDNIGHT, 10)
    days.spent(UNKNOWN.scope, MIDNIGHT)
    asked(days, MIDNIGHT + DAY, 1_000)
    asked(days, MIDNIGHT + 2 * DAY)
    share = 2 * 1_000 - 1_000
    assert taken(days, MIDNIGHT + 2 * DAY) == pytest.approx(AT_ONCE * share, abs=1.0)


def test_nothing_is_left_where_people_take_more_than_there_seems_to_be() -> None:
    days = Days()
    asked(days, MIDNIGHT, 60)
    assert taken(days, MIDNIGHT) == 0


def test_what_people_took_before_a_pause_of_days_says_nothing_of_yesterday() -> None:
    days = Days()
    asked(days, MIDNIGHT, 45)
    asked(days, MIDNIGHT + 3 * DAY)
    assert taken(days, MIDNIGHT + 3 * DAY) > 0


def test_other_processes_know_what_was_learnt() -> None:
    days, other = Days(), Days()
    assert days.known(UNKNOWN.scope) is None
    asked(days, MIDNIGHT, 41)
    days.spent(UNKNOWN.scope, MIDNIGHT)
    days.spent(UNKNOWN.scope, MIDNIGHT)
    assert days.touched == {UNKNOWN.scope}
    assert days.known(UNKNOWN.scope) == (20_000, 40, 0)

    other.learn(UNKNOWN.scope, 20_000, 40, 0)
    asked(other, MIDNIGHT + DAY)
    assert taken(other, MIDNIGHT + DAY) == pytest.approx(AT_ONCE * 20, abs=1.0)
    other.learn(UNKNOWN.scope, 20_009, None, 500)  # of a day that has not come here
    assert other.known(UNKNOWN.scope) == (20_001, 40, 0)


def test_a_refusal_of_the_day_is_noted_and_one_of_a_model_is_not() -> None:
    for fault, known in (
        (Fault(Kind.ACCOUNT, Cause.ACCOUNT_DAY, status=429), 1),
        (Fault(Kind.BUSY, Cause.SERVER, status=502), None),
    ):
        state, other = RoutingState(), account("two")
        request = plan(model("a"), model("b", "two"))
        assert play(request, {"a": fails(fault), "b": answers()}, state=state).asked == ["a", "b"]
        day = state.days.known(UNKNOWN.scope)
        assert day is not None and day[1] == known
        assert state.days.known(other.scope) is not None


def test_own_refusals_of_today_are_known_better() -> None:
    days = Days()
    asked(days, MIDNIGHT, 11)
    days.spent(UNKNOWN.scope, MIDNIGHT)
    days.learn(UNKNOWN.scope, 20_000, None, 700)
    assert days.known(UNKNOWN.scope) == (20_000, 10, 0)


def test_a_wait_for_a_presumed_day_says_so_and_what_to_do() -> None:
    state = RoutingState()
    state.people.came([UNKNOWN], MIDNIGHT)
    assert state.held(UNKNOWN, MIDNIGHT) is None
    for _ in range(20):
        state.days.sent(UNKNOWN.scope, MIDNIGHT, background=True)
    held = state.held(UNKNOWN, MIDNIGHT)

    assert held is not None
    assert "a small day is presumed" in held.reason
    assert "limits=" in held.reason
    assert MIDNIGHT < held.ends < MIDNIGHT + HOUR
    assert state.held(UNKNOWN, held.ends) is None
