"""What is learnt about a model: odds, benches, lacks, grades and times."""

from __future__ import annotations

import math
from random import Random

import pytest

from freerouter_core.routing.availability import Availability
from freerouter_core.routing.guessed_bench import (
    ANY_FAILURE,
    LONGEST_GUESS,
    BenchRule,
    guessed_bench,
)
from freerouter_core.routing.health import (
    LACKS_KEPT,
    MAX_GRADES,
    MAX_VERDICTS,
    PRIOR_FAILURE_SECONDS,
    Health,
)
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.ruling import Flag, Ruling
from freerouter_core.routing.timings import (
    MAX_FASTER,
    MAX_LATENESS,
    MIN_FIRST_TOKEN,
    MIN_TOKENS,
    PLAIN,
    POOL_WEIGHT,
    AnswerSize,
    Pool,
    Timings,
)
from freerouter_core.routing.ways import UNABLE_CHANCE, UNABLE_SECONDS, Way
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, busy, model

A = model("a")


def failing(record: Health, fault: Fault | None = None, at: float = NOW) -> Health:
    record.failed(fault or busy(), at, Random(0), ANY_FAILURE, 0.5)
    return record


def answering(record: Health, at: float = NOW) -> Health:
    record.answered(at, first_token=1.0, seconds=2.0, tokens=45)
    return record


# -- guesses ------------------------------------------------------------------------------------


def test_a_guess_doubles_with_each_failure_in_a_row_up_to_ten_minutes() -> None:
    for strikes, seconds in enumerate((20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0), start=1):
        guesses = [guessed_bench(strikes, Random(n)) for n in range(200)]
        assert 0.8 * seconds <= min(guesses) < 0.82 * seconds
        assert 1.18 * seconds < max(guesses) <= 1.2 * seconds
    assert guessed_bench(10_000, Random(0)) <= 1.2 * LONGEST_GUESS


def test_a_rule_says_how_many_failures_bench_and_for_how_long() -> None:
    assert BenchRule(max_failures=2).seconds(1, Random(0)) is None
    assert BenchRule(max_failures=2).seconds(2, Random(0)) == guessed_bench(1, Random(0))
    assert BenchRule(exclude=7.0).seconds(9, Random(0)) == 7.0
    assert BenchRule(exclude=0.0).seconds(9, Random(0)) == 0.0
    assert BenchRule(longest=2.0).seconds(1, Random(0)) == 2.0


# -- benches ------------------------------------------------------------------------------------


def test_a_later_guess_never_replaces_a_stated_wait() -> None:
    """Law 8."""
    record = failing(Health(), busy(until=NOW + 600.0))
    for n in range(5):
        failing(record, at=NOW + n)

    assert (record.benched_until, record.bench_stated) == (NOW + 600.0, True)
    failing(record, at=NOW + 600.0)
    assert not record.bench_stated, "it has ended"
    assert record.benched_until > NOW + 600.0


def test_a_shorter_stated_wait_never_shortens_a_longer_one() -> None:
    """Law 8."""
    record = failing(Health(), busy(until=NOW + 600.0))
    failing(record, busy(until=NOW + 30.0))
    assert record.benched_until == NOW + 600.0

    failing(record, busy(until=NOW + 700.0))
    assert record.benched_until == NOW + 700.0


@pytest.mark.parametrize(
    ("cause", "own"),
    [
        (Cause.AMBIGUOUS_429, True),
        (Cause.MODEL_MINUTE, True),
        (Cause.MODEL_LIMIT, True),
        (Cause.MODEL_DAY, True),
        (Cause.CONCURRENCY, True),
        (Cause.UPSTREAM_429, False),
        (Cause.DEGRADED, False),
        (Cause.SERVER, False),
    ],
)
def test_a_bench_says_whether_it_is_the_callers_own_limit(cause: Cause, own: bool) -> None:
    """The later wait decides. A guess is no limit."""
    record = failing(Health(), Fault(Kind.BUSY, cause, until=NOW + 30.0))
    assert record.bench_own is own

    failing(record, busy(until=NOW + 20.0))
    assert record.bench_own is own, "the first lasts longer"
    failing(record, busy(until=NOW + 40.0))
    assert not record.bench_own

    failing(record, Fault(Kind.BUSY, cause, until=NOW + 50.0))
    answering(record)
    failing(record, at=NOW + 50.0)
    assert not record.bench_own


def test_a_stated_wait_replaces_a_guess_even_a_longer_one() -> None:
    record = Health(benched_until=NOW + 300.0)
    failing(record, busy(until=NOW + 30.0))

    assert (record.benched_until, record.bench_stated) == (NOW + 30.0, True)


@pytest.mark.parametrize(("seconds", "stated"), [(-60.0, False), (1.0, False), (1.1, True)])
def test_a_stated_wait_of_a_second_or_less_says_nothing(seconds: float, stated: bool) -> None:
    record = failing(Health(), busy(until=NOW + seconds))

    assert record.bench_stated is stated
    assert record.benched_until > NOW + 1.0


def test_an_answer_ends_a_guessed_bench_and_no_stated_one() -> None:
    guessed = answering(failing(Health()))
    assert (guessed.benched_until, guessed.strikes, guessed.last_fault) == (0.0, 0, "")

    stated = answering(failing(Health(), busy(until=NOW + 60.0)))
    assert stated.stated_wait(NOW + 59.0)
    assert not stated.stated_wait(NOW + 60.0)


def test_only_a_passing_fault_benches() -> None:
    gone = Fault(Kind.GONE, Cause.GONE)
    record = failing(Health(), gone)

    assert (record.failures, record.strikes, record.benched_until) == (1, 0, 0.0)


def test_a_busy_model_is_benched_even_if_the_fault_says_nothing_about_it() -> None:
    record = failing(Health(), busy(teaches=False))
    assert (record.failures, record.strikes, record.last_fault) == (0, 1, "server")
    assert record.benched_until > NOW

    broken = failing(Health(), Fault(Kind.BROKEN, Cause.CUT, teaches=False))
    assert (broken.strikes, broken.benched_until) == (0, 0.0)


def test_headers_of_an_answer_state_a_wait() -> None:
    record = Health(benched_until=NOW + 90.0)
    record.limit_spent(NOW + 60.0)
    assert (record.benched_until, record.bench_stated, record.last_fault) == (
        NOW + 60.0,
        True,
        "limit spent",
    )
    assert record.bench_own
    record.limit_spent(NOW + 30.0)
    assert record.benched_until == NOW + 60.0
    record.limit_spent(NOW + 61.0)
    assert record.benched_until == NOW + 61.0


# -- probes -------------------------------------------------------------------------------------


def test_the_first_attempt_after_a_guessed_bench_is_the_probe() -> None:
    book = HealthBook()
    book.failed(A.identity, busy(), NOW, Random(0))
    book.sent(A.identity, NOW + 1.0)
    assert not book.models[A.identity].probing, "the bench has not ended"
    book.sent(A.identity, NOW + 60.0)
    assert book.models[A.identity].probing

    book.called_off(A.identity)
    assert not book.models[A.identity].probing


@pytest.mark.parametrize("fault", [None, busy(), Fault(Kind.UNFIT, Cause.CONTEXT, teaches=False)])
def test_any_end_of_the_probe_ends_it(fault: Fault | None) -> None:
    record = Health(strikes=1, probing=True)
    if fault is None:
        answering(record)
    else:
        failing(record, fault)

    assert not record.probing


def test_after_a_stated_wait_there_is_no_probe() -> None:
    book = HealthBook()
    book.failed(A.identity, busy(until=NOW + 5.0), NOW, Random(0))
    book.sent(A.identity, NOW + 6.0)
    assert not book.models[A.identity].probing

    fresh = HealthBook()
    fresh.sent(A.identity, NOW)
    assert not fresh.models[A.identity].probing


# -- odds ---------------------------------------------------------------------------------------


def test_an_unknown_model_is_expected_to_answer_as_models_usually_do() -> None:
    record = Health()

    assert record.odds(NOW) == (Availability().chance(NOW), Availability().evidence)
    assert 0.5 < record.odds(NOW)[0] < 0.9
    assert not record.seen


def test_its_outcomes_move_the_odds() -> None:
    record = answering(Health())
    chance, evidence = record.odds(NOW)
    assert record.seen
    assert chance > Health().odds(NOW)[0]

    failing(record, at=NOW + 60.0)
    assert record.odds(NOW + 60.0)[0] < chance
    assert record.odds(NOW + 60.0)[1] > evidence


def test_what_says_nothing_of_a_model_leaves_its_odds_alone() -> None:
    """Law 6: a spent limit, and a mistake of the caller."""
    for fault in (busy(teaches=False), Fault(Kind.UNFIT, Cause.CONTEXT, teaches=False)):
        record = failing(Health(), fault)
        assert record.odds(NOW) == Health().odds(NOW)
        assert not record.seen


def test_each_failure_in_a_row_lowers_the_chance() -> None:
    record, chances = answering(Health(), NOW - 60.0), []
    for n in range(5):
        chances.append(record.odds(NOW + n)[0])
        failing(record, at=NOW + n)

    assert chances == sorted(chances, reverse=True)
    assert chances[-1] < 0.1


def test_a_way_of_asking_that_went_wrong_is_seen() -> None:
    record = Health()
    record.failed_at("tools", NOW)

    assert record.seen


def test_reading_changes_nothing() -> None:
    book = HealthBook()
    book.of(A.identity).odds(NOW)
    book.timings(A.identity)
    assert book.models == {}

    record = failing(answering(Health()))
    before = repr(record)
    record.odds(NOW + 9e6)
    record.lacks_at(NOW + 9e6)
    record.quality(5.0)
    assert repr(record) == before


# -- lacks --------------------------------------------------------------------------------------


def test_what_a_model_refused_is_believed_for_six_hours() -> None:
    record = failing(Health(), Fault(Kind.UNFIT, Cause.NO_TOOLS, lacks=frozenset({"tools"})))

    assert record.lacks_at(NOW + LACKS_KEPT) == {"tools"}
    assert record.lacks_at(NOW + LACKS_KEPT + 1.0) == frozenset()
    assert not record.plain
    answering(record, NOW + LACKS_KEPT + 1.0)
    assert record.lacks == frozenset()
    assert record.plain


def test_lacks_add_up_and_an_expired_one_is_dropped_by_the_next() -> None:
    record = failing(Health(), Fault(Kind.UNFIT, Cause.NO_TOOLS, lacks=frozenset({"tools"})))
    image = Fault(Kind.UNFIT, Cause.NO_IMAGE, lacks=frozenset({"image"}))
    failing(record, image, NOW + 1.0)
    assert record.lacks == {"tools", "image"}

    failing(record, image, NOW + 2.0 * LACKS_KEPT)
    assert record.lacks == {"image"}


def test_a_stated_window_is_remembered() -> None:
    record = failing(Health(), Fault(Kind.UNFIT, Cause.CONTEXT, context=8_000, teaches=False))

    assert (record.context, record.failures, record.plain) == (8_000, 0, False)


# -- ways of asking -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "ago", "chance"),
    [
        (Way(), 0.0, 1.0),
        (Way(bad=1.0), UNABLE_SECONDS - 1.0, UNABLE_CHANCE),
        (Way(bad=1.0), UNABLE_SECONDS, 0.5),
        (Way(bad=3.0), UNABLE_SECONDS, 0.25),
        (Way(good=1.0, bad=1.0), 0.0, 2.0 / 3.0),
        (Way(good=9.0), 0.0, 1.0),
    ],
)
def test_one_failure_before_any_success_is_taken_for_inability(
    way: Way, ago: float, chance: float
) -> None:
    way.failed_at = NOW - ago

    assert way.chance(NOW) == chance


def test_a_model_must_do_all_the_ways_that_are_asked_of_it() -> None:
    record = Health()
    assert record.way_chance(("tools", "structured"), NOW) == 1.0
    record.did("tools")
    record.failed_at("tools", NOW)
    record.failed_at("structured", NOW)

    assert record.way_chance(("tools",), NOW) == 2.0 / 3.0
    assert record.way_chance(("tools", "structured"), NOW) == 2.0 / 3.0 * UNABLE_CHANCE


def test_a_way_that_went_wrong_says_nothing_of_the_model_itself() -> None:
    """It answered: no failure, no bench, and the probe has its result."""
    book = HealthBook()
    book.failed(A.identity, busy(), NOW - 3_600.0, Random(0))
    book.sent(A.identity, NOW)
    book.touched.clear()
    book.failed(A.identity, Fault(Kind.BROKEN, Cause.UNKNOWN_TOOL), NOW, Random(0))
    record = book.models[A.identity]

    assert (record.failures, record.probing) == (1, False)
    assert record.ways["tools"] == Way(bad=1.0, failed_at=NOW)
    assert book.touched


def test_an_answer_is_a_success_at_the_ways_it_was_asked_in() -> None:
    book = HealthBook()
    book.answered(A.identity, NOW, first_token=1.0, seconds=2.0, tokens=9, ways=("tools",))

    assert book.models[A.identity].ways == {"tools": Way(good=1.0)}


# -- what providers, graders and guards say -----------------------------------------------------


def test_published_times_count_until_the_first_answer() -> None:
    record = Health()
    record.learn_facts(0.5, None, True, NOW)
    assert (record.first_token, record.speed, record.provider_facts) == (0.5, 45.0, True)
    record.learn_facts(None, 90.0, True, NOW)
    assert (record.first_token, record.speed) == (0.5, 90.0)

    answering(record)
    record.learn_facts(9.0, 9.0, True, NOW)
    assert record.first_token == 1.0

    silent = Health()
    silent.learn_facts(None, None, True, NOW)
    assert (silent.provider_facts, silent.lacks) == (False, frozenset())


def test_a_published_lack_is_learnt_once() -> None:
    record = Health()
    record.learn_facts(None, None, False, NOW)
    record.learn_facts(None, None, False, NOW + 9.0)
    assert (record.lacks, record.lacks_since) == (frozenset({"tool_choice"}), NOW)

    record.learn_facts(None, None, False, NOW + LACKS_KEPT + 1.0)
    assert record.lacks_since == NOW + LACKS_KEPT + 1.0


def test_grades_move_the_prior() -> None:
    record = Health()
    assert record.quality(5.0) == 5.0
    record.graded(10.0)
    assert record.quality(5.0) == (3.0 * 5.0 + 10.0) / 4.0
    record.graded(8.0)
    assert (record.grade, record.grades) == (9.0, 2.0)
    for _ in range(50):
        record.graded(9.0)
    assert record.grades == MAX_GRADES


def test_guards_move_the_safety_score() -> None:
    record = Health()
    assert record.safety == 8.0
    record.judged(Ruling())
    record.judged(Ruling(flags=(Flag("g", "x"),)))
    record.judged(Ruling(refused="no"))
    assert (record.safe, record.unsafe) == (1.5, 1.5)
    assert record.safety == pytest.approx(10.0 * 9.5 / 13.0)
    assert not record.plain


def test_early_verdicts_fade() -> None:
    record = Health(safe=MAX_VERDICTS - 1.0, unsafe=1.0)
    record.judged(Ruling())

    assert (record.safe, record.unsafe) == ((MAX_VERDICTS - 1.0) / 2 + 1.0, 0.5)


def test_nothing_is_learnt_from_a_guard_that_failed() -> None:
    book = HealthBook()
    book.judged(A.identity, Ruling(refused="x", unsure=True))
    assert book.models == {}

    book.judged(A.identity, Ruling(refused="x"))
    assert book.models[A.identity].unsafe == 1.0


def test_failures_take_as_long_as_they_took_on_average() -> None:
    record = Health()
    for seconds in (4.0, 2.0):
        record.failed(busy(), NOW, Random(0), ANY_FAILURE, seconds)
    assert record.failure_seconds == 3.0
    record.failed(busy(), NOW, Random(0), ANY_FAILURE, None)
    assert record.failure_seconds == 3.0
    assert Health().failure_seconds == PRIOR_FAILURE_SECONDS


def test_a_fresh_answer_weighs_a_fifth_at_least() -> None:
    record = Health()
    for _ in range(10):
        answering(record)
    record.answered(NOW, first_token=2.0, seconds=3.0, tokens=45)

    assert record.first_token == pytest.approx(1.2)


# -- the book -----------------------------------------------------------------------------------


def test_attempts_under_way_are_counted_by_model() -> None:
    book = HealthBook()
    book.sent(A.identity, NOW)
    book.sent(A.identity, NOW)
    assert book.in_flight == {A.identity: 2}
    book.ended(A.identity)
    assert book.in_flight == {A.identity: 1}
    book.ended(A.identity)
    assert book.in_flight == {}


def test_an_unknown_model_is_as_fast_as_all_models_are() -> None:
    book = HealthBook()
    for _ in range(50):
        book.answered(A.identity, NOW, first_token=6.0, seconds=8.0, tokens=40)
    other = model("b").identity

    assert book.timings(other).first_token == book.pool.first_token > 5.0
    assert book.of(other).first_token == book.pool.first_token
    assert book.timings(A.identity) is book.models[A.identity]
    book.sent(other, NOW)
    assert book.timings(other).speed == book.pool.speed, "it has a record and no answer"
    book.described(other, first_token=0.1, speed=None, tool_choice=True, now=NOW)
    assert book.timings(other).first_token == 0.1


def test_changes_that_other_processes_should_know_are_marked() -> None:
    book, written = HealthBook(), f'm|["one", "{A.origin}", "a"]'
    book.sent(A.identity, NOW)
    book.called_off(A.identity)
    book.reappeared(A.identity)
    book.failed(A.identity, Fault(Kind.REFUSED, Cause.GUARD, teaches=False), NOW, Random(0))
    assert book.touched == set()

    def untold() -> set[str]:
        touched, book.touched = book.touched, set()
        return touched

    book.answered(A.identity, NOW, first_token=1.0, seconds=2.0, tokens=45)
    assert untold() == {written}
    for fault in (
        busy(),
        busy(teaches=False),
        Fault(Kind.UNFIT, Cause.NO_TOOLS, lacks=frozenset({"tools"}), teaches=False),
        Fault(Kind.UNFIT, Cause.CONTEXT, context=9, teaches=False),
    ):
        book.failed(A.identity, fault, NOW, Random(0))
        assert untold() == {written}
    book.limit_spent(A.identity, NOW + 9.0)
    book.graded(A.identity, 9.0)
    book.judged(A.identity, Ruling())
    assert untold() == {written}
    book.vanished(A.identity, NOW, NOW)
    assert untold() == {written}
    book.account_refused("scope", Fault(Kind.ACCOUNT, Cause.DEBT), NOW, Random(0))
    assert untold() == {"a|scope"}


def test_a_reset_forgets_records_benches_and_averages_and_keeps_what_was_used() -> None:
    book = HealthBook()
    book.answered(A.identity, NOW, first_token=9.0, seconds=9.0, tokens=45)
    book.account_refused("scope", Fault(Kind.ACCOUNT, Cause.DEBT), NOW, Random(0))
    book.touched.clear()
    book.reset()

    assert (book.models, book.pool) == ({A.identity: Health()}, Pool())
    assert book.accounts.get("scope") is None
    assert book.touched == {"a|scope", f'm|["one", "{A.origin}", "a"]'}
    assert book.usage.untold


def test_the_providers_count_of_a_day_is_marked_if_it_changes_anything() -> None:
    book = HealthBook()
    book.reconcile_day("scope", True, NOW + 60.0)
    assert book.touched == {"a|scope"}
    book.touched.clear()
    book.reconcile_day("scope", True, NOW + 60.0)
    assert book.touched == set()


# -- times --------------------------------------------------------------------------------------


def test_the_expected_time_grows_with_the_answer() -> None:
    timings = Timings(first_token=2.0, speed=50.0, spread=0.5)

    assert timings.expected(100) == 4.0
    assert timings.within(4.0, 2.0) == 8.0


def test_a_streamed_answer_teaches_the_first_token_and_the_speed() -> None:
    timings = Timings(first_token=2.0, speed=50.0, spread=0.5)
    timings.learn(0.5, 1.0, 2.0, 100)

    assert (timings.first_token, timings.speed, timings.spread) == (1.5, 75.0, 0.5)


@pytest.mark.parametrize(("seconds", "tokens"), [(1.05, 100), (9.0, 15)])
def test_a_short_answer_tells_no_speed(seconds: float, tokens: int) -> None:
    timings = Timings()
    timings.learn(1.0, 1.0, seconds, tokens)

    assert (timings.first_token, timings.speed) == (1.0, 45.0)


@pytest.mark.parametrize(
    ("first_token", "speed", "tokens"), [(1.0, 50.0, 100), (8.0, 50.0, 100), (2.0, 10.0, 400)]
)
@pytest.mark.parametrize("factor", [0.7, 1.2, 3.0])
def test_after_one_whole_answer_it_is_expected_to_take_as_long_again(
    first_token: float, speed: float, tokens: int, factor: float
) -> None:
    timings = Timings(first_token=first_token, speed=speed)
    seconds = factor * timings.expected(tokens)
    timings.learn(1.0, None, seconds, tokens)

    assert timings.expected(tokens) == pytest.approx(seconds)


@pytest.mark.parametrize(("first_token", "tokens", "writing"), [(9.0, 50, False), (1.0, 450, True)])
def test_the_longer_part_of_a_whole_time_takes_more_of_its_error(
    first_token: float, tokens: int, writing: bool
) -> None:
    timings = Timings(first_token=first_token, speed=50.0)
    timings.learn(1.0, None, 15.0, tokens)

    slower = tokens / timings.speed - tokens / 50.0
    assert (slower > timings.first_token - first_token) is writing
    assert min(slower, timings.first_token - first_token) > 0.0


def test_a_short_whole_answer_teaches_the_first_token_alone() -> None:
    timings = Timings(first_token=1.0, speed=50.0)
    timings.learn(1.0, None, 3.0, MIN_TOKENS - 1)

    assert (timings.first_token > 2.0, timings.speed) == (True, 50.0)


@pytest.mark.parametrize("seconds", [1e9, 1e300])
def test_one_absurd_time_changes_little(seconds: float) -> None:
    timings = Timings(first_token=1.0, speed=50.0, spread=0.5)
    timings.learn(0.1, None, seconds, 100)

    assert timings.spread == pytest.approx(0.55)
    assert timings.expected(100) == pytest.approx(3.0 * (1.0 + 0.1 * MAX_LATENESS))


def test_an_answer_at_once_makes_it_no_faster_than_can_be() -> None:
    timings = Timings(first_token=1.0, speed=50.0)
    for _ in range(9):
        before = timings.speed
        timings.learn(1.0, None, 0.0, 100)
        assert before < timings.speed <= MAX_FASTER * before
    assert timings.first_token >= MIN_FIRST_TOKEN
    assert math.isfinite(timings.expected(100))


def test_how_long_answers_are() -> None:
    size = AnswerSize()
    assert (size.usual(None), size.usual(100), size.usual(1_000)) == (160.0, 100, 160.0)
    assert (size.likely(None), size.likely(100), size.likely(1_000)) == (320.0, 100, 320.0)
    size.learn(260)
    assert [size.mean, size.deviation] == pytest.approx([210.0, 90.0])


def test_the_first_answers_tell_most_of_how_long_answers_are() -> None:
    """Until a tenth of each is enough to follow what changes."""
    size = AnswerSize()
    shares = []
    for _ in range(30):
        before = size.mean
        size.learn(int(before) + 40)
        shares.append(round((size.mean - before) / (int(before) + 40 - before), 9))
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == pytest.approx((0.5, POOL_WEIGHT))


def test_an_absurd_size_counts_like_a_long_or_an_empty_answer() -> None:
    size = AnswerSize()
    size.learn(10**9)
    assert size.mean == pytest.approx(160.0 + 0.5 * 320.0)
    size = AnswerSize()
    size.learn(-(10**9))
    assert size.mean == pytest.approx(160.0 - 0.5 * 160.0)


def test_the_first_answers_tell_the_pool_most_of_how_fast_models_are() -> None:
    """Later a tenth of each is enough to follow what changes."""
    pool = Pool()
    shares = []
    for _ in range(30):
        before = pool.first_token
        pool.answered(before + 1.0, before + 2.0, 160)
        shares.append(round(pool.first_token - before, 9))

    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == pytest.approx((0.5, POOL_WEIGHT))
    assert pool.size_of().mean == 160.0


def test_every_way_of_asking_has_its_own_size() -> None:
    pool = Pool()
    for _ in range(30):
        pool.answered(1.0, 2.0, 600)
        pool.answered(1.0, 2.0, 20, "tools")

    assert pool.size_of("tools").mean < 60.0 < 500.0 < pool.size_of(PLAIN).mean
    assert pool.size_of("structured") == AnswerSize(), "what was not asked is as usual"
    assert set(pool.sizes) == {PLAIN, "tools"}


def test_the_share_of_requests_that_are_answered_follows_what_comes() -> None:
    pool = Pool()
    for outcome, low, high in ((pool.failed, 0.0, 0.1), (lambda: pool.answered(1, 2, 9), 0.9, 1.0)):
        for _ in range(60):
            outcome()
            assert 0.0 < pool.success < 1.0
        assert low < pool.success < high


def test_every_failure_of_a_model_lowers_the_share_and_no_spent_limit_does() -> None:
    prose = Fault(Kind.BROKEN, Cause.NOT_THE_SCHEMA)
    for fault, lower in ((busy(), True), (prose, True), (busy(teaches=False), False)):
        book = HealthBook()
        book.failed(A.identity, fault, NOW, Random(0))
        assert (book.pool.success < Pool().success) is lower


def test_the_size_of_an_answer_counts_for_the_way_that_decides_it() -> None:
    """Not for each way that it did, nor for the form in which it was asked."""
    book = HealthBook()
    book.answered(
        A.identity,
        NOW,
        first_token=1.0,
        seconds=2.0,
        tokens=9,
        ways=("tools", "structured", "structured as tool"),
        way="structured",
    )

    assert set(book.pool.sizes) == {"structured"}
    assert len(book.models[A.identity].ways) == 3


def test_a_first_token_takes_some_time() -> None:
    times = Timings()
    times.learn(1.0, 0.0, 0.0, 0)
    assert times.first_token == MIN_FIRST_TOKEN
    times = Timings(first_token=0.0)  # as older versions kept it
    times.learn(1.0, None, 2.0, 0)
    assert times.first_token == MIN_FIRST_TOKEN
