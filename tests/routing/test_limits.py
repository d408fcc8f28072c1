"""Law 4: no window ever grants more than its limit allows, whoever reserves, settles or dies."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from freerouter_core import Limit, Model, errors
from freerouter_core.catalogue.providers import Account
from freerouter_core.routing.charges import Charge, Grant, Refusal, budget, charges_of
from freerouter_core.routing.lanes import Place
from freerouter_core.routing.limits import reserve, settle
from freerouter_core.routing.window import LEASE, MARGIN, Window
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.loop.clock import VirtualClock

DAY = 86_400.0
START = 20_000 * DAY + 1_000.0


class Book:
    """Windows as a store keeps them: each is read from bytes, decided over, and written back."""

    def __init__(self) -> None:
        self.texts: dict[Charge, bytes] = {}
        self.numbers = 0

    def _over(self, charges: tuple[Charge, ...], work: Any) -> Any:
        windows = {c: Window.of(self.texts.get(c)) for c in charges}
        result = work(windows.__getitem__)
        self.texts |= {charge: window.state() for charge, window in windows.items()}
        return result

    def reserve(
        self, charges: tuple[Charge, ...], now: float, tokens: int = 0, keep: float = 0.0
    ) -> Grant | Refusal:
        self.numbers += 1
        got: Grant | Refusal = self._over(
            charges, lambda windows: reserve(windows, charges, self.numbers, now, tokens, keep)
        )
        return got

    def settle(self, grant: Grant, *, sent: bool, tokens: int | None = None) -> None:
        self._over(grant.charges, lambda windows: settle(windows, grant, sent=sent, tokens=tokens))

    def used(self, charge: Charge, now: float) -> float:
        window = Window.of(self.texts[charge])
        window.expire(charge.limit, now)
        return window.used


class Quotas(RuleBasedStateMachine):
    """Several callers against five kinds of limit, compared with a plain list of what was sent."""

    grants: Bundle[Any] = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.book = Book()
        self.minute = Charge("account", Limit(requests=5, per=60.0))
        self.day = Charge("account", Limit(requests=12, per=DAY, reset="utc-day"))
        self.tokens = Charge("model", Limit(tokens=1_000, per=60.0))
        self.lanes = Charge("model", Limit(concurrent=2))
        self.bucket = Charge("bucket", Limit(requests=6, per=60.0, reset="bucket"))
        self.charges = (self.minute, self.day, self.tokens, self.lanes, self.bucket)
        self.sent: list[tuple[float, int]] = []
        self.refused_until = 0.0
        self.open: dict[int, float] = {}

    @rule(seconds=st.floats(0.01, 90.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=grants, tokens=st.integers(1, 400))
    def reserve(self, tokens: int) -> Grant | None:
        got = self.book.reserve(self.charges, self.now, tokens)
        if isinstance(got, Refusal):
            assert got.until > self.now
            return None
        self.open[got.number] = self.now
        self.sent.append((self.now, tokens))
        return got

    @rule(tokens=st.integers(1, 60))
    def one_call(self, tokens: int) -> None:
        """Reserved, sent and settled at once: what was sent stays spent."""
        got = self.book.reserve(self.charges, self.now, tokens)
        if isinstance(got, Grant):
            self.sent.append((self.now, tokens))
            self.book.settle(got, sent=True)

    @rule(grant=consumes(grants))
    def settle(self, grant: Grant | None) -> None:
        if grant is not None:
            self.book.settle(grant, sent=True)
            self.open.pop(grant.number, None)

    @rule(grant=consumes(grants))
    def never_sent(self, grant: Grant | None) -> None:
        if grant is not None:
            self.book.settle(grant, sent=False)
            self.open.pop(grant.number, None)
            self.sent.remove((grant.at, grant.tokens))

    @rule(grant=consumes(grants))
    def worker_dies(self, grant: Grant | None) -> None:
        """The grant is never settled: what was sent stays spent, the lease runs out by itself."""

    @invariant()
    def windows_hold(self) -> None:
        for start, _ in self.sent:
            within = [(at, n) for at, n in self.sent if start <= at < start + 60.0]
            assert len(within) <= 5
            assert sum(n for _, n in within) <= 1_000
        days: dict[int, int] = {}
        for at, _ in self.sent:
            days[int(at // DAY)] = days.get(int(at // DAY), 0) + 1
        assert all(count <= 12 for count in days.values())

    @invariant()
    def the_bucket_holds(self) -> None:
        """In any stretch no more than it holds and what flowed in meanwhile."""
        for start, _ in self.sent:
            for end, _ in self.sent:
                if end >= start:
                    within = sum(start <= at <= end for at, _ in self.sent)
                    assert within <= 6 + (end - start) * 6 / 60.0 + 1e-6

    @invariant()
    def lanes_hold(self) -> None:
        assert sum(at > self.now - LEASE for at in self.open.values()) <= 2


Quotas.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQuotas = Quotas.TestCase


def test_a_refusal_says_when_the_window_has_room() -> None:
    book, charge = Book(), Charge("a", Limit(requests=2, per=60.0))
    for at in (0.0, 10.0):
        assert isinstance(book.reserve((charge,), START + at), Grant)
    refusal = book.reserve((charge,), START + 20.0)

    assert isinstance(book.reserve((charge,), START + 59.9), Refusal)
    assert isinstance(refusal, Refusal)
    assert START + 60.0 < refusal.until < START + 61.0
    assert isinstance(book.reserve((charge,), refusal.until), Grant)


def test_a_new_request_does_not_overtake_one_in_line() -> None:
    """A slot gets free and a new request comes before the first in line is woken."""

    async def live() -> list[type]:
        clock = VirtualClock(START)
        ledger, charge = Ledger(clock), Charge("a", Limit(requests=1, per=60.0))
        await ledger.reserve(Place(False, 1), (charge,), 0, 0.0)
        refusal = await ledger.reserve(Place(False, 2), (charge,), 0, 0.0)
        assert isinstance(refusal, Refusal)
        waiting = asyncio.create_task(ledger.wait(Place(False, 2), "a", refusal.until))
        await asyncio.sleep(0)
        clock.advance(61.0)
        got = [
            type(await ledger.reserve(Place(False, number), (charge,), 0, 0.0)) for number in (3, 2)
        ]
        waiting.cancel()
        return got

    assert asyncio.run(live()) == [Refusal, Grant]


def test_a_reservation_takes_all_limits_or_none() -> None:
    book = Book()
    wide, narrow = Charge("a", Limit(requests=9)), Charge("m", Limit(requests=1))
    book.reserve((wide, narrow), START)
    assert isinstance(book.reserve((wide, narrow), START), Refusal)

    assert book.used(wide, START) == 1


def test_a_crashed_workers_lease_expires() -> None:
    book, charge = Book(), Charge("a", Limit(concurrent=1))
    book.reserve((charge,), START)
    assert isinstance(book.reserve((charge,), START + 5), Refusal)

    assert isinstance(book.reserve((charge,), START + LEASE + 1), Grant)


def test_tokens_are_corrected_when_known() -> None:
    book, charge = Book(), Charge("a", Limit(tokens=100))
    grant = book.reserve((charge,), START, tokens=90)
    assert isinstance(grant, Grant)
    book.settle(grant, sent=True, tokens=20)

    assert book.used(charge, START) == 20
    assert isinstance(book.reserve((charge,), START, tokens=80), Grant)


def test_keep_leaves_a_share_of_the_limit_untouched() -> None:
    book, charge = Book(), Charge("a", Limit(requests=10))
    got = [book.reserve((charge,), START, keep=0.3) for _ in range(10)]

    assert sum(isinstance(g, Grant) for g in got) == 7


def test_a_request_larger_than_its_limit_is_refused_for_ever() -> None:
    refusal = Book().reserve((Charge("a", Limit(tokens=10)),), START, tokens=11)

    assert isinstance(refusal, Refusal)
    assert refusal.until == float("inf")


@pytest.mark.parametrize(
    ("reset", "per", "at", "starts_again"),
    [
        ("utc-day", DAY, "2026-11-21T15:00", "2026-11-22T00:00"),
        ("pacific-day", DAY, "2026-07-01T06:59", "2026-07-01T07:00"),  # daylight saving: UTC-7
        ("pacific-day", DAY, "2026-12-01T07:59", "2026-12-01T08:00"),  # standard time: UTC-8
        (
            "pacific-day",
            DAY,
            "2026-03-08T12:00",
            "2026-03-09T07:00",
        ),  # the day the clocks go forward
        ("pacific-day", DAY, "2026-11-01T12:00", "2026-11-02T08:00"),  # and back
        ("utc-month", 30 * DAY, "2026-12-31T23:59", "2027-01-01T00:00"),
        ("utc-month", 30 * DAY, "2028-02-10T00:00", "2028-03-01T00:00"),
        ("fixed", 3600.0, "2026-11-21T15:59", "2026-11-21T16:00"),
    ],
)
def test_a_spent_limit_resets_at_the_providers_own_time(
    reset: Any, per: float, at: str, starts_again: str
) -> None:
    def seconds(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    book, charge = Book(), Charge("a", Limit(requests=1, per=per, reset=reset))
    first = book.reserve((charge,), seconds(at))
    refusal = book.reserve((charge,), seconds(at))

    assert isinstance(first, Grant)
    assert isinstance(refusal, Refusal)
    assert refusal.until == seconds(starts_again) + MARGIN
    assert isinstance(book.reserve((charge,), refusal.until - 0.01), Refusal)
    assert isinstance(book.reserve((charge,), refusal.until), Grant)


@pytest.mark.parametrize("skew", [-0.2, 0.0, 0.2])
@pytest.mark.parametrize("reset", ["fixed", "utc-day"])
def test_a_clock_that_is_slightly_off_exceeds_no_limit_at_a_boundary(
    reset: Any, skew: float
) -> None:
    """Ten requests a period by the provider's clock. One is tried every tenth of a second."""
    per = 10.0 if reset == "fixed" else DAY
    book, charge = Book(), Charge("a", Limit(requests=10, per=per, reset=reset))
    begins = 1_800_000_000.0 // per * per
    counted: dict[float, int] = {}
    for boundary in (1, 2, 3):
        for tenth in range(-40, 40):
            theirs = begins + boundary * per + tenth / 10
            if isinstance(book.reserve((charge,), theirs + skew), Grant):
                counted[theirs // per] = counted.get(theirs // per, 0) + 1
    assert max(counted.values()) <= 10
    assert sum(counted.values()) >= 30


@pytest.mark.parametrize(
    "state", [b"", b"x", b"foreign!" * 5, b"\xff" * 40, "text", None, bytes(16 + 25)]
)
def test_a_stored_window_that_cannot_be_read_is_empty(state: Any) -> None:
    window = Window.of(state)
    assert (window.used, len(window.times)) == (0.0, 0)


def test_tokens_that_have_leaked_from_a_bucket_are_not_given_back() -> None:
    book, charge = Book(), Charge("a", Limit(tokens=100, per=60.0, reset="bucket"))
    first = book.reserve((charge,), 1_000.0, 100)
    second = book.reserve((charge,), 1_060.0, 100)
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    book.settle(first, sent=True, tokens=20)
    assert isinstance(book.reserve((charge,), 1_060.0, 80), Refusal)
    book.settle(second, sent=True, tokens=20)
    assert isinstance(book.reserve((charge,), 1_060.0, 80), Grant)


def test_equal_limits_are_one_charge() -> None:
    account = Account("mine", "https://h/v1", "k", limits=(Limit(requests=4), Limit(requests=4)))
    assert len(charges_of(account, Model("a", provider="mine", free=True))) == 1


def test_requests_of_any_cost_share_one_budget() -> None:
    account = Account("mine", "https://h/v1", "k")

    async def live() -> list[bool]:
        ledger = Ledger(VirtualClock())
        charges = [budget(account, 0.01, 0.006 + n / 100_000) for n in range(5)]
        return [
            isinstance(await ledger.reserve(Place(False, n), (c,), 0, 0.0), Grant)
            for n, c in enumerate(charges)
        ]

    assert asyncio.run(live()) == [True, False, False, False, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"requests": 1, "tokens": 1},
        {"requests": -1},
        {"requests": 1, "per": 0},
        {"requests": 1, "scope": "x"},
    ],
)
def test_an_impossible_limit_is_a_bad_setting(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.BadSetting):
        Limit(**wrong)


@pytest.mark.parametrize(
    ("limit", "amount", "tokens"),
    [
        (Limit(100, per=60.0, counts="texts"), 80, 0),
        (Limit(tokens=10_000, per=60.0), None, 8_000),
    ],
)
def test_a_request_larger_than_its_part_of_a_limit_waits_for_an_empty_window(
    limit: Limit, amount: int | None, tokens: int
) -> None:
    """Two processes that have lost their store divide a limit. Half of it holds no batch of 80
    texts, and no prompt of 8,000 tokens: they are sent all the same, one in a window."""
    charge = Charge("a", limit, amount)
    windows: dict[Charge, Window] = {charge: Window()}

    def ask(number: int, now: float) -> Grant | Refusal:
        return reserve(windows.__getitem__, (charge,), number, now, tokens, parts=2)

    assert isinstance(ask(2, START), Grant)
    refused = ask(4, START + 1.0)
    assert isinstance(refused, Refusal)
    assert refused.until <= START + 60.0 + MARGIN
    assert isinstance(ask(6, START + 61.0 + MARGIN), Grant)
