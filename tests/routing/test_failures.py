"""What a failure changes: for the rest of the request, and for later ones."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.catalogue.providers import Account, Limit
from freerouter_core.errors import BadRequest, Exhausted, FreeRouterError
from freerouter_core.routing.failures import MAX_HOLD, NEWCOMER, SERVER_FAILED
from freerouter_core.routing.need import Need, need_of
from freerouter_core.routing.plainer import MAX_PLAINER
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.request import ChatRequest

from .driver import NOW, Fates, Play, account, answers, busy, fails, model, plan, play

A, A2, B, C = model("a"), model("a2"), model("b", "two"), model("c", "three")
GONE = Fault(Kind.GONE, Cause.GONE, status=404)
GATEWAY = account("openrouter", dialect="openrouter")
R, R2, R3 = (model(name, "openrouter") for name in ("r/1:free", "r/2:free", "r/3:free"))


def failed(request: Any, fates: Any, **more: Any) -> tuple[Play, FreeRouterError]:
    played = Play(request, fates, **more)
    with pytest.raises(FreeRouterError) as error:
        played.run()
    return played, error.value


# -- pauses -------------------------------------------------------------------------------------


def test_a_model_pauses_longer_after_each_failure_up_to_the_most() -> None:
    request = plan(A, retry_attempts=6, backoff_base=1.0, backoff_max=5.0)
    played = play(request, {"a": [*[fails(after=0.0)] * 5, answers()]})

    assert [at for at, _ in played.asked_at] == [0.0, 1.0, 3.0, 7.0, 12.0, 17.0]


def test_pauses_are_jittered_within_their_bounds() -> None:
    request = plan(A, retry_attempts=6, backoff_jitter=0.25, backoff_max=1.0)
    played = play(request, {"a": [*[fails(after=0.0)] * 5, answers()]})
    times = [at for at, _ in played.asked_at]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]

    assert all(0.75 <= pause <= 1.25 for pause in pauses)
    assert len(set(pauses)) == 5


@pytest.mark.parametrize(
    ("kind", "again"), [(Kind.BUSY, True), (Kind.SLOW, True), (Kind.BROKEN, True)]
)
def test_a_passing_fault_lets_the_model_try_again(kind: Kind, again: bool) -> None:
    fates = {"a": [fails(Fault(kind, Cause.SERVER)), answers()]}

    assert (play(plan(A), fates).asked == ["a", "a"]) is again


@pytest.mark.parametrize("kind", [Kind.UNFIT, Kind.REFUSED, Kind.FATAL, Kind.GONE])
def test_any_other_fault_of_the_model_takes_it_out_of_the_request(kind: Kind) -> None:
    played, _ = failed(plan(A), {"a": fails(Fault(kind, Cause.TERMS))})

    assert played.asked == ["a"]


# -- the account --------------------------------------------------------------------------------


def test_a_refusal_of_the_account_passes_over_all_its_models() -> None:
    minute = Fault(Kind.ACCOUNT, Cause.ACCOUNT_MINUTE, status=429, until=NOW + 60.0, teaches=False)
    played = play(plan(A, A2, B), {"a": fails(minute), "b": answers()})

    assert played.asked == ["a", "b"]
    assert played.state.health.models[A.identity].failures == 0, "law 6"
    bench = played.state.health.accounts.get(account("one").scope)
    assert bench is not None
    assert (bench.stated, bench.until) == (True, NOW + 60.0)


def test_a_page_that_forbids_costs_two_requests_and_rests_the_account_briefly() -> None:
    page = Fault(Kind.ACCOUNT, Cause.GATEWAY_FORBIDS, "blocked", status=403, teaches=False)
    models = [model(f"a{n}") for n in range(4)]
    state = RoutingState()
    played, error = failed(plan(*models), {m.id: fails(page) for m in models}, state=state)
    bench = state.health.accounts.get(account("one").scope)

    assert (len(played.asked), type(error)) == (2, Exhausted)
    assert bench is not None
    assert (bench.firm, bench.until < played.now + 60.0) == (False, True)
    assert play(plan(*models, B), {"a0": fails(page), "b": answers()}).asked == ["a0", "b"]


def test_three_unclear_refusals_are_taken_for_the_accounts() -> None:
    models = [model(f"a{n}") for n in range(4)]
    unclear = fails(Fault(Kind.BUSY, Cause.AMBIGUOUS_429, status=429, teaches=False), 0.0)
    played = play(plan(*models, B), {**{m.id: unclear for m in models}, "b": answers()})
    assert played.asked == ["a0", "b"], "breadth first"

    state = RoutingState()
    fates = {m.id: unclear for m in models[:3]} | {"a3": answers()}
    played = play(plan(*models, timeout=60.0), fates, state=state)
    assert [at for at, _ in played.asked_at] == [0.0, 0.0, 0.0, 1.0], "held for a moment"
    assert state.health.accounts.get(account("one").scope) is None, "an answer disproves it"

    state = RoutingState()
    played, _ = failed(plan(*models[:3], max_retries=2), fates, state=state)
    bench = state.health.accounts.get(account("one").scope)
    assert bench is not None
    assert (bench.cause, bench.firm) == (Cause.ACCOUNT_GUESSED, False)


def test_other_accounts_are_not_held() -> None:
    """The third refusal comes when B is late as well."""
    models = [model(f"a{n}") for n in range(3)]
    unclear = fails(Fault(Kind.BUSY, Cause.AMBIGUOUS_429, status=429, teaches=False), 0.0)
    fates: Fates = {**{m.id: unclear for m in models}, "b": [fails(after=0.0), answers()]}
    request = plan(*models, B, timeout=60.0, retry_attempts=2, backoff_base=0.5)
    played = play(request, fates)

    assert played.asked_at[-1] == (0.5, "b"), "its own pause and no longer"


def test_each_such_moment_is_longer_up_to_four_seconds() -> None:
    models = [model(f"a{n}") for n in range(3)]
    unclear = fails(Fault(Kind.BUSY, Cause.AMBIGUOUS_429, status=429, teaches=False), 0.0)
    fates = {m.id: unclear for m in models}
    request = plan(*models, retry_attempts=9, backoff_base=1.0, max_retries=8, backoff_max=0.1)
    played, _ = failed(request, fates)

    times = [at for at, _ in played.asked_at]
    assert times == [0.0, 0.0, 0.0, 1.0, 3.0, 7.0, 11.0, 15.0, 19.0]
    assert MAX_HOLD == 4.0


def test_such_a_moment_is_jittered_and_ends_nothing_for_other_accounts() -> None:
    models = [model(f"a{n}") for n in range(3)]
    unclear = fails(Fault(Kind.BUSY, Cause.AMBIGUOUS_429, status=429, teaches=False), 0.0)
    fates = {m.id: unclear for m in models}
    request = plan(*models, retry_attempts=9, max_retries=3, backoff_jitter=0.25)
    played, _ = failed(request, fates)

    last = played.asked_at[-1][0]
    assert 0.75 <= last <= 1.25
    assert last != 1.0


@pytest.mark.parametrize("worked", [False, True])
@pytest.mark.parametrize(
    "cause", [Cause.SERVER, Cause.TIMEOUT, Cause.CUT, Cause.CONNECT, Cause.UNKNOWN]
)
def test_a_server_that_fails_is_waited_for(cause: Cause, worked: bool) -> None:
    """Where nobody listens, only if somebody answered lately: else the address may be wrong."""
    waited = cause in SERVER_FAILED or (worked and cause is Cause.CONNECT)
    state = RoutingState()
    if worked:
        state.health.accounts.answered(account("one").scope, "a", NOW - 60.0)
    trouble = fails(Fault(Kind.BUSY, cause, status=500), 0.0)
    fates: Fates = {"a": [*[trouble] * 5, answers()]}
    request = plan(A, timeout=60.0, retry_attempts=3)
    if waited:
        played = play(request, fates, state=state)
    else:
        played, _ = failed(request, fates, state=state)

    assert len(played.asked) == (6 if waited else 3)


def test_a_server_that_never_answered_is_waited_for_no_longer_than_a_while() -> None:
    trouble = fails(Fault(Kind.BUSY, Cause.SERVER, status=500), 0.0)
    played, _ = failed(plan(A, timeout=60.0, retry_attempts=3), {"a": [trouble] * 99})

    assert NEWCOMER <= played.asked_at[-1][0] < 2 * NEWCOMER


def test_too_many_at_once_benches_for_two_seconds_and_teaches_how_many() -> None:
    state = RoutingState()
    crowded = Fault(Kind.BUSY, Cause.CONCURRENCY, status=429, teaches=False)
    state.adaptive_limits.in_flight[account("one").scope] = 3
    played = play(plan(A, B), {"a": fails(crowded, 0.0), "b": answers()}, state=state)

    assert state.health.models[A.identity].benched_until == NOW + 2.0
    assert state.adaptive_limits.concurrency[account("one").scope].concurrent == 3
    assert played.asked == ["a", "b"]


def test_a_local_model_rests_five_seconds_at_most() -> None:
    state = RoutingState()
    local = account("one", local=True)
    play(plan(A, B, accounts=[local]), {"a": fails(after=0.0), "b": answers()}, state=state)

    assert state.health.models[A.identity].benched_until == NOW + 5.0


def test_the_owners_own_bench_replaces_the_guess() -> None:
    state = RoutingState()
    request = plan(A, B, exclude_failed=7.0, max_failures=1)
    play(request, {"a": fails(after=0.0), "b": answers()}, state=state)

    assert state.health.models[A.identity].benched_until == NOW + 7.0


def test_max_failures_in_a_row_are_needed_for_a_bench() -> None:
    state = RoutingState()
    fates = {"a": fails(after=0.0), "b": answers()}
    for now, expected in ((NOW, False), (NOW + 5.0, True)):
        play(plan(A, B, max_failures=2), fates, state=state, now=now)
        assert (state.health.models[A.identity].benched_until > now) is expected


# -- a plainer form -----------------------------------------------------------------------------

NO_SEED = Fault(
    Kind.UNFIT, Cause.NO_PARAMETER, status=400, lacks=frozenset({"seed"}), teaches=False
)
SEEDED = ChatRequest.of("x").but(parameters={"seed": 1})


def test_a_model_is_asked_again_at_once_without_what_it_refused() -> None:
    request = plan(A, B, request=SEEDED, retry_attempts=1)
    played = play(request, {"a": [fails(NO_SEED, 0.5), answers()], "b": answers()})

    assert played.asked_at == [(0.0, "a"), (0.5, "a")]
    assert [attempt.lacks for attempt in played.sent] == [frozenset(), {"seed"}]


def test_a_model_that_would_be_asked_the_same_again_is_out() -> None:
    request = plan(A, B, request=ChatRequest.of("x"))
    played = play(request, {"a": fails(NO_SEED), "b": answers()})

    assert played.asked == ["a", "b"]


def test_a_model_that_lacks_what_is_needed_is_out() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    request = ChatRequest([{"role": "user", "content": "x"}], [tool])
    no_tools = Fault(Kind.UNFIT, Cause.NO_TOOLS, lacks=frozenset({"tools"}), teaches=False)
    played = play(
        plan(A, B, request=request, need=need_of(request)),
        {"a": fails(no_tools), "b": answers()},
    )
    assert played.asked == ["a", "b"]


def test_a_model_is_asked_in_a_plainer_form_three_times_at_most() -> None:
    parameters = ("seed", "top_k", "min_p", "stop", "temperature")
    request = ChatRequest.of("x").but(parameters=dict.fromkeys(parameters, 1))
    refusals = [
        fails(Fault(Kind.UNFIT, Cause.NO_PARAMETER, lacks=frozenset({name}), teaches=False))
        for name in parameters
    ]
    played, _ = failed(plan(A, request=request), {"a": refusals})

    assert MAX_PLAINER == 3
    assert len(played.asked) == 1 + MAX_PLAINER


# -- the prompt is too long ---------------------------------------------------------------------


@pytest.mark.parametrize("stated", [None, 8_000])
def test_only_larger_windows_follow_a_prompt_that_was_too_long(stated: int | None) -> None:
    """Of equal windows, too, none follows: the prompt may well fill them."""
    need = Need(prompt_tokens=6_000)
    small = model("small", context=8_000)
    equal, larger = model("equal", "two", context=8_000), model("larger", "three", context=8_001)
    unlisted = model("named", "two", context=4_000, listed=False)
    too_long = Fault(Kind.UNFIT, Cause.CONTEXT, status=400, context=stated)
    fates: Fates = {"small": fails(too_long), "larger": answers()}
    played = play(plan(small, equal, larger, need=need), fates)
    assert played.asked == ["small", "larger"]

    fates = {"small": fails(too_long), "named": answers()}
    assert play(plan(small, unlisted, larger, need=need), fates).asked == ["small", "named"]
    record = played.state.health.models[small.identity]
    assert record.context == stated


# -- gone ---------------------------------------------------------------------------------------


def test_a_model_that_is_gone_is_left_out_until_the_next_catalogue() -> None:
    state = RoutingState()
    terms = Fault(Kind.GONE, Cause.TERMS, status=403)
    play(plan(A, B), {"a": fails(terms), "b": answers()}, state=state)
    assert state.health.models[A.identity].gone == NOW - 60.0
    assert play(plan(A, B), {"b": answers()}, state=state).asked == ["b"]
    later = play(plan(A, B, fetched=NOW), {"a": answers()}, state=state)
    assert later.asked == ["a"]


def gateway(*models: Model, **more: Any) -> Any:
    return plan(*models, accounts=[GATEWAY], **more)


def test_the_price_cap_is_suspected_when_a_second_model_in_a_row_is_gone() -> None:
    """The second is asked once more without it, at once; an answer brings both models back."""
    state = RoutingState()
    fates: Fates = {R.id: fails(GONE), R2.id: [fails(GONE), answers()]}
    played = play(gateway(R, R2, R3), fates, state=state)

    assert played.asked == [R.id, R2.id, R2.id]
    assert [attempt.price_cap for attempt in played.sent] == [True, True, False]
    assert state.price_caps == {GATEWAY.scope: False}
    assert f"g|{GATEWAY.scope}" in state.health.touched
    assert [state.health.of(m.identity).gone for m in (R, R2)] == [None, None], "forgiven"
    again = play(gateway(R), {R.id: answers()}, state=state)
    assert not again.sent[0].price_cap, "remembered"


def test_a_model_gone_without_the_price_cap_too_acquits_it() -> None:
    state = RoutingState()
    fates: Fates = {R.id: fails(GONE), R2.id: [fails(GONE), fails(GONE)], R3.id: answers()}
    played = play(gateway(R, R2, R3), fates, state=state)

    assert played.asked == [R.id, R2.id, R2.id, R3.id]
    assert state.price_caps == {GATEWAY.scope: True}
    assert [state.health.of(m.identity).gone for m in (R, R2)] == [NOW - 60.0] * 2
    assert played.sent[-1].price_cap


def test_any_other_failure_between_them_ends_the_row() -> None:
    fates: Fates = {R.id: fails(GONE), R2.id: [fails(), answers()], R3.id: [fails(GONE), answers()]}
    played = play(gateway(R, R2, R3), fates)

    assert played.asked == [R.id, R2.id, R3.id, R2.id]
    assert all(attempt.price_cap for attempt in played.sent)


@pytest.mark.parametrize(
    ("accounts", "policy", "learnt"),
    [
        ([account("openrouter")], {}, {}),
        ([GATEWAY], {"allow_paid": True}, {}),
        ([GATEWAY], {}, {GATEWAY.scope: True}),
    ],
)
def test_the_price_cap_is_not_in_doubt_if_it_is_not_sent_or_known_to_work(
    accounts: Any, policy: dict[str, Any], learnt: dict[str, bool]
) -> None:
    state = RoutingState(price_caps=learnt)
    fates = {R.id: fails(GONE), R2.id: fails(GONE), R3.id: answers()}
    request = plan(R, R2, R3, accounts=accounts, **policy)

    assert play(request, fates, state=state).asked == [R.id, R2.id, R3.id]


def test_one_that_is_gone_for_a_known_reason_is_no_evidence() -> None:
    terms = Fault(Kind.GONE, Cause.TERMS, status=403)
    fates = {R.id: fails(terms), R2.id: fails(GONE), R3.id: answers()}

    assert play(gateway(R, R2, R3), fates).asked == [R.id, R2.id, R3.id]


def test_an_answer_that_blames_the_price_cap_is_asked_again_without_it() -> None:
    state = RoutingState()
    blamed = Fault(Kind.UNFIT, Cause.PRICE_CAP, status=400, teaches=False)
    fates: Fates = {R.id: [fails(blamed), answers()], R2.id: answers()}
    played = play(gateway(R, R2, retry_attempts=1), fates, state=state)

    assert played.asked == [R.id, R.id]
    assert [attempt.price_cap for attempt in played.sent] == [True, False]
    assert state.price_caps == {GATEWAY.scope: False}


def test_an_answer_that_blames_a_price_cap_that_was_not_sent_is_a_refusal() -> None:
    blamed = Fault(Kind.UNFIT, Cause.PRICE_CAP, status=400, teaches=False)
    played = play(gateway(R, R2, retry_attempts=1), {R.id: fails(blamed), R2.id: answers()})

    assert played.asked == [R.id, R.id, R2.id]


def test_an_answer_that_cost_money_proves_the_price_cap_right() -> None:
    state = RoutingState()
    charged = answers(usage={"cost": 0.01})
    fates: Fates = {R.id: fails(GONE), R2.id: [fails(GONE), charged]}
    play(gateway(R, R2), fates, state=state)

    assert state.price_caps == {GATEWAY.scope: True}
    assert state.health.models[R2.identity].charged == 0.01, "it is not asked again"
    spent = [tally.get("usd") for tally in state.health.usage.untold.values()]
    assert 0.01 in spent


def test_with_allow_paid_a_charge_is_no_surprise() -> None:
    state = RoutingState()
    play(gateway(R, allow_paid=True), {R.id: answers(usage={"cost": 0.01})}, state=state)

    assert state.price_caps == {}
    assert state.health.models[R.identity].charged == 0.0


def test_a_price_cap_is_remembered_once() -> None:
    state = RoutingState()
    state.remember_price_cap("x", True)
    state.health.touched.clear()
    state.remember_price_cap("x", True)
    assert state.health.touched == set()
    state.remember_price_cap("x", False)
    assert state.health.touched == {"g|x"}


# -- what an answer forgives --------------------------------------------------------------------


def test_an_answer_shows_that_unclear_refusals_were_not_the_accounts() -> None:
    state = RoutingState()
    book, scope = state.health.accounts, account("one").scope
    unclear = Fault(Kind.BUSY, Cause.AMBIGUOUS_429)
    for n in range(2):
        book.suspect(scope, f"x{n}", unclear, NOW)
    play(plan(A), {"a": answers()}, state=state)

    assert book.suspect(scope, "a2", unclear, NOW) is None


def test_an_answer_to_what_three_models_refused_means_their_account() -> None:
    state = RoutingState()
    odd = fails(Fault(Kind.UNFIT, Cause.BAD_REQUEST, "go away", status=400, teaches=False))
    models = [model(f"a{n}") for n in range(3)]
    fates = {m.id: odd for m in models} | {"b": answers()}
    names = tuple(f"one:{m.id}" for m in models)
    play(plan(*models, B, preferred=names), fates, state=state)
    bench = state.health.accounts.get(account("one").scope)

    assert bench is not None
    assert (bench.cause, bench.firm) == (Cause.ACCOUNT_REFUSED, False)
    assert all(state.health.models[m.identity].strikes == 1 for m in models), "they were wrong"
    assert state.health.accounts.get(account("two").scope) is None


def test_a_model_that_refused_a_way_of_asking_that_another_did_is_doubted_at_it() -> None:
    state = RoutingState()
    odd = fails(Fault(Kind.UNFIT, Cause.BAD_REQUEST, "go away", status=400, teaches=False))
    need = Need(tools=True)
    play(plan(A, A2, need=need), {"a": odd, "a2": answers()}, state=state)
    record = state.health.models[A.identity]

    assert record.ways["tools"].bad == 1.0
    assert record.strikes == record.failures == 0, "it may be good at others"


def test_a_debt_of_one_model_is_its_own_if_another_of_the_account_answers() -> None:
    state = RoutingState()
    debt = fails(Fault(Kind.ACCOUNT, Cause.DEBT, status=402, teaches=False))
    request = plan(A, A2)
    play(request, {"a": debt, "a2": answers()}, state=state)

    assert state.health.models[A.identity].gone == request.catalogue.fetched
    assert state.health.accounts.get(account("one").scope) is None


def test_a_refused_key_that_names_the_model_is_the_models() -> None:
    state = RoutingState()
    closed, other = model("closed-1"), model("open-1")
    refused = Fault(Kind.ACCOUNT, Cause.KEY_REFUSED, "closed-1 is not for you", status=401)
    fates = {closed.id: fails(refused), other.id: answers()}
    played = play(plan(closed, other), fates, state=state)

    assert played.asked == ["closed-1", "open-1"]
    assert state.health.accounts.get(account("one").scope) is None
    assert state.health.models[closed.identity].last_fault == Cause.FORBIDDEN


def test_an_account_without_a_key_has_none_that_could_be_refused() -> None:
    state = RoutingState()
    refused = Fault(Kind.ACCOUNT, Cause.KEY_REFUSED, status=401, teaches=False)
    request = plan(A, B)
    keyless = Account("one", request.accounts["one"].base_url, "")
    request = replace(request, accounts=request.accounts | {"one": keyless})
    play(request, {"a": fails(refused), "b": answers()}, state=state)
    bench = state.health.accounts.get(keyless.scope)

    assert bench is not None
    assert (bench.cause, bench.firm) == (Cause.ANONYMOUS_LIMIT, False)


def test_the_answer_to_a_later_request_of_a_burst_forgives_the_rate() -> None:
    state = RoutingState()
    minute = Fault(Kind.ACCOUNT, Cause.ACCOUNT_MINUTE, status=429)
    limits = state.adaptive_limits
    one = account("one")
    for _ in range(9):
        limits.sent(one, A, NOW)
    limits.refused(one, A, minute, NOW, 5)
    limits.rates[one.scope].burst = (5, 12)
    play(plan(A), {"a": answers()}, state=state)

    assert limits.charges(one, A, NOW) == ()


def test_a_late_attempt_is_a_failure_of_its_model_by_the_policys_own_bench() -> None:
    state = RoutingState()
    request = plan(A, B, stream=True, exclude_failed=9.0)
    play(request, {"a": (), "b": answers(1.0)}, state=state)
    record = state.health.models[A.identity]

    assert (record.benched_until, record.last_fault) == (NOW + 7.0 + 9.0, "no-token")


def test_one_model_is_proof_if_no_other_is_left() -> None:
    wrong = Fault(Kind.UNFIT, Cause.BAD_REQUEST, "no such field", status=400)
    with pytest.raises(BadRequest):
        Play(plan(A), {"a": fails(wrong)}).run()
    with pytest.raises(Exhausted):
        Play(plan(A, max_retries=0), {"a": fails(busy())}).run()


# -- whose minute it was --------------------------------------------------------------------------

OF_MODEL, OF_ACCOUNT = Limit(requests=30, scope="model"), Limit(requests=30, scope="account")
A_DAY = Limit(requests=100, per=86_400.0)


@pytest.mark.parametrize(
    ("limits", "says", "cause"),
    [
        ((OF_MODEL, A_DAY), "Requests per minute limit exceeded", Cause.MODEL_MINUTE),
        ((OF_MODEL,), "You made too many calls/min", Cause.MODEL_MINUTE),
        ((OF_MODEL,), "Too many requests", Cause.AMBIGUOUS_429),
        ((OF_MODEL,), "Tokens per minute limit exceeded", Cause.AMBIGUOUS_429),
        ((OF_ACCOUNT,), "Requests per minute limit exceeded", Cause.AMBIGUOUS_429),
        ((OF_MODEL, OF_ACCOUNT), "Requests per minute limit exceeded", Cause.AMBIGUOUS_429),
        ((A_DAY,), "Requests per minute limit exceeded", Cause.AMBIGUOUS_429),
        ((), "Requests per minute limit exceeded", Cause.AMBIGUOUS_429),
    ],
)
def test_a_full_minute_is_the_models_where_only_models_have_a_minute(
    limits: tuple[Limit, ...], says: str, cause: Cause
) -> None:
    refusal = Fault(Kind.BUSY, Cause.AMBIGUOUS_429, says, status=429)
    stating = account(limits=limits)
    played, _ = failed(plan(A, accounts=[stating], max_retries=0), {"a": [fails(refusal)]})

    assert [fault.cause for _, fault in played.journal.failures] == [cause]


def test_models_whose_minutes_are_full_do_not_stop_their_siblings() -> None:
    """A wrong limit was stated, and three models refused with their own waits."""
    models = [model(f"m{n}") for n in range(4)]
    stating, state = account(limits=(OF_MODEL,)), RoutingState()
    full = Fault(
        Kind.BUSY, Cause.AMBIGUOUS_429, "requests per minute exceeded", status=429, until=NOW + 40.0
    )
    fates: Fates = {f"m{n}": [fails(full)] for n in range(3)} | {"m3": [answers()]}
    played = play(plan(*models, accounts=[stating]), fates, state=state)

    assert played.asked == ["m0", "m1", "m2", "m3"]
    assert state.health.accounts.get(stating.scope) is None


@pytest.mark.parametrize(
    ("status", "held"), [(500, False), (429, True)], ids=["a server in trouble", "a limit"]
)
def test_only_limits_hold_a_job_back(status: int, held: bool) -> None:
    """Rows that make a server fail held a job back for days: what fails is no limit."""
    state, models = RoutingState(), [model(name) for name in "abc"]
    kind = {500: Cause.SERVER, 429: Cause.AMBIGUOUS_429}[status]
    fault = Fault(Kind.BUSY, kind, "it went wrong", status=status)
    failed(plan(*models, timeout=5.0), {m.id: fails(fault) for m in models}, state=state)

    assert state.health.accounts.get(account().scope) is not None, "all were refused alike"
    later = NOW + 30.0
    assert (state.slow_start.free_at(account().scope, 0, later) > later) == held
