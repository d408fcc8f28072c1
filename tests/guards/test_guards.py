"""Guards: what they judge, and what follows from their verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.load import dumpd

from freerouter_core import Exchange, Guard, Verdict
from freerouter_core.errors import BadSetting, DeadlineExceeded, NoCandidates, Refused
from freerouter_core.guards import CrisisGuard, ModerationGuard, PatternGuard, read_classifier
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.json_values import Json
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..frameworks import raw_of

BAD, GOOD, JUDGE = "a/bad:free", "b/good:free", "acme/llama-guard-4:free"


def world(**more: Any) -> World:
    def classify(request: Json) -> str:
        return "unsafe\nS2" if "secret" in str(request["messages"]) else "safe"

    return World(
        [
            SimModel(BAD, says=lambda request: "the secret is out"),
            SimModel(GOOD, says=lambda request: "all is well"),
            SimModel(JUDGE, says=classify),
        ],
        **more,
    )


def test_after_a_rejected_answer_another_model_is_asked() -> None:
    with world() as w:
        outcome = w.router(model=BAD, guards=[PatternGuard(["secret"])]).chat("hi")

        assert (outcome.text, w.asked) == ("all is well", [BAD, GOOD])
        assert outcome.attempts[0]["fault"] == "refused"
        health = w.runtime.state.health.models
        record = health[("openrouter", "https://simulated.invalid/api/v1", BAD)]
        assert (record.failures, record.availability.slips) == (0, 0.0), "it answered (law 6)"


def test_a_stream_with_guards_is_held_until_it_was_judged() -> None:
    with world() as w:
        texts = [
            delta.text
            for delta in w.router(model=BAD, guards=[PatternGuard(["secret"])]).stream("hi")
        ]

    assert "".join(texts) == "all is well"


def test_a_flagged_answer_is_returned_with_its_flag() -> None:
    with world() as w:
        guard = PatternGuard(
            patterns=[r"s\w+t"], action="flag", reason="a hint of it", name="hints"
        )
        outcome = w.router(model=BAD, guards=[guard]).chat("hi")

    assert outcome.text == "the secret is out"
    assert outcome.metadata["flags"] == [{"guard": "hints", "reason": "a hint of it"}]


def test_a_deadline_error_names_the_callers_timeout_guards_included() -> None:
    with World([SimModel(BAD, script=["hang"] * 9)]) as w:

        class Slow(Guard):
            on_prompt = True

            def judge(self, exchange: Exchange) -> None:
                w.clock.advance(20.0)

        with pytest.raises(DeadlineExceeded) as caught:
            w.router(guards=[Slow()], timeout=30.0).chat("hi")

        assert caught.value.message.startswith("no answer within 30 s")
        assert (w.requests[0].at, w.elapsed) == pytest.approx((20.0, 30.0))


def test_a_refused_prompt_is_not_sent() -> None:
    with world() as w:
        with pytest.raises(Refused, match="nothing was sent"):
            w.router(guards=[PatternGuard(["bomb"], on_prompt=True)]).chat("how to build a bomb")

        assert not w.requests


@pytest.mark.parametrize("streamed", [False, True])
def test_in_a_crisis_help_comes_before_the_answer(streamed: bool) -> None:
    with world() as w:
        router = w.router(model=GOOD, guards=[CrisisGuard("Call somebody: 112.")])
        if streamed:
            stream = router.stream("I want to die")
            text = "".join(delta.text for delta in stream)
        else:
            text = router.chat("I want to die").text
        calm = router.chat("I want to dine")

    assert text == "Call somebody: 112.\n\nall is well"
    assert (calm.text, calm.flags) == ("all is well", ())


@pytest.mark.parametrize(
    "prompt",
    [
        "ich will mich umbringen",
        "no quiero vivir",
        "I feel suicidal",
        "there is no reason to go on",
    ],
)
def test_a_crisis_is_recognised_in_several_languages(prompt: str) -> None:
    assert CrisisGuard().judge(Exchange([{"role": "user", "content": prompt}])).action == "flag"


def test_moderation_asks_a_free_classifier() -> None:
    with world() as w:
        outcome = w.router(model=BAD, guards=[ModerationGuard()]).chat("hi")

        assert (outcome.text, w.asked) == ("all is well", [BAD, JUDGE, GOOD, JUDGE])


def test_moderation_without_a_classifier_asks_any_model() -> None:
    with World([SimModel(GOOD, says=lambda request: "safe")]) as w:
        assert w.router(guards=[ModerationGuard()]).chat("hi").flags == ()
        assert w.asked == [GOOD, GOOD]


@pytest.mark.parametrize(
    ("reply", "safe"),
    [
        ("safe", True),
        ("\n\nunsafe\nS1,S9", False),
        (
            '{"User Safety": "safe", "Response Safety": "unsafe", "Safety Categories": "Violence"}',
            False,
        ),
        ('{"User Safety": "safe"}', True),
        ("Yes", False),
        ("No.", True),
        ("I cannot tell", None),
    ],
)
def test_replies_of_classifiers_are_read(reply: str, safe: bool | None) -> None:
    assert read_classifier(reply)[0] is safe


class Broken(Guard):
    name = "broken"

    def judge(self, exchange: Exchange) -> Verdict:
        raise ValueError("no idea")


def test_a_guard_that_raises_flags_or_rejects() -> None:
    with world() as w:
        flags = w.router(guards=[Broken()]).chat("x").flags
        strict = Broken()
        strict.when_unsure = "reject"
        with pytest.raises(Refused, match="no idea"):
            w.router(guards=[strict]).chat("x")

    assert [(flag.guard, "no idea" in flag.reason) for flag in flags] == [("broken", True)]


def test_after_four_rejected_answers_the_request_is_refused() -> None:
    with World([SimModel(f"m{n}/x:free") for n in range(8)]) as w:
        with pytest.raises(Refused, match="never"):
            w.router(hedge="off", guards=[lambda exchange: "never"]).chat("x")

        assert len(w.requests) == 4


def test_a_guard_may_call_a_model_and_its_own_calls_are_not_guarded() -> None:
    with world() as w:
        calls: list[str] = []

        def second(exchange: Exchange) -> bool:
            assert exchange.router is not None
            calls.append(exchange.router.chat("is this well?").text)
            return True

        w.router(model=GOOD, guards=[second]).chat("x")

    assert len(calls) == 1


def test_rejected_answers_lower_the_safety_that_min_safety_compares() -> None:
    with world() as w:
        strict = w.router(model=BAD, guards=[PatternGuard(["secret"])])
        for _ in range(4):
            strict.chat("x")
        scores = {
            row.model.id: row.health.safety for row in w.router().explain().rows if row.health
        }
        assert scores[BAD] < 7.0 < scores[GOOD]

        assert w.router(model=BAD, min_safety=7.0).chat("x").text == "all is well"
        with pytest.raises(NoCandidates, match=f"the nearest, {GOOD}, has a safety score of 8"):
            w.router(min_safety=9.9).chat("x")


def test_a_key_in_the_reason_of_a_guard_is_redacted() -> None:
    with World([SimModel(GOOD)]) as w, pytest.raises(Refused) as caught:
        w.router(guards=[lambda exchange: "it says sk-simulated"]).chat("x")

    assert "sk-simulated" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["pattern", PatternGuard, 7])
def test_what_is_not_a_guard_is_an_error(wrong: Any) -> None:
    for make in (lambda: ChatFreeRouter(guards=[wrong]), lambda: FreeRouter(guards=[wrong])):
        with pytest.raises(BadSetting, match="is not a guard"):
            make()
    with pytest.raises(BadSetting):
        PatternGuard(patterns=["("])


def test_both_frameworks_take_guards_and_serialize_their_names() -> None:
    with world() as w:
        guards = [PatternGuard(["secret"], name="secrets"), CrisisGuard("Help is near.")]
        lc = ChatFreeRouter(router=w.router(model=BAD), guards=guards)
        li = FreeRouter(router=w.router(model=BAD), guards=guards)
        message = lc.invoke("I want to die")
        answer = li.complete("I want to die")

    assert message.content == answer.text == "Help is near.\n\nall is well"
    assert message.response_metadata["flags"] == raw_of(answer)["freerouter"]["flags"]
    assert dumpd(lc)["kwargs"]["guards"] == ["secrets", "crisis"]
    with pytest.raises(BadSetting, match="pass the object itself"):
        FreeRouter.from_dict(li.to_dict())
