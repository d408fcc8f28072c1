"""Gateways and servers that tell their errors, and wrap their answers, in ways of their own."""

from __future__ import annotations

import json

from freerouter_core import errors

from ..replies import DONE, HI, WEATHER, Reply, Wire, answer, event, pieces, raw, refuse, streams
from ..row import TOOLS, Call, Fails, Free, InvalidCall, Ready, Rests, Row, Unfit, Waits, hosts

OTHER = {"llama-4": HI}


def coded(body: object) -> Reply:
    """A status 200 with this body, or a stream of this one event."""
    text = json.dumps(body)
    return streams(pieces(f"data: {text}\n\n"), raw(text))


def learns(name: str, source: str, reply: Reply, *lessons: object, requests: int = 2) -> Row:
    """What the account `north` replies to both its models; another account answers."""
    wire = hosts(north={"a/x": reply, "b/y": reply}, groq=OTHER)
    learnt: tuple[object, ...] = (*lessons, Free("groq"))
    return Row(name=name, source=source, wire=wire, requests=requests, learnt=learnt)  # type: ignore[arg-type]


THROTTLED = refuse(
    429,
    {
        "error": {
            "message": "You exceeded your current quota, please check your plan and billing "
            "details. See error-code#token-limit",
            "type": "insufficient_quota",
            "code": "Throttling.AllocationQuota",
        }
    },
)
QUEUE = refuse(402, {"x402Version": 1, "error": "Queue full for IP: 1 requests already queued"})
FIVE_HOURS = "2027-01-15 20:00:00"
"""Four hours after the virtual clock's beginning, told in Beijing's time."""

WHOLE_IN_DATA = raw(
    json.dumps({"code": 0, "data": {"choices": [{"message": {"content": "hi"},
                                                 "finish_reason": "stop"}]}})
)  # fmt: skip
CHUNKS_IN_DATA = pieces(
    *(
        "data: " + json.dumps({"code": 0, "data": chunk}) + "\n\n"
        for chunk in (
            {"choices": [{"delta": {"content": "hi"}}]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        )
    ),
    DONE,
)
ALWAYS_STREAMS = pieces(event({"content": "hi"}), event({}, "stop"), DONE)
CALL_BEHIND_WORDS = answer('I look.\n<function=get_weather>{"city": "Oslo"}</function>')
AS_TEXT = answer("Rate limit exceeded. Please try again later.").whole
AS_TEXT_OF_NO_TOKENS = Wire(
    200,
    (AS_TEXT.content[:-1] + b', "usage": {"prompt_tokens": 0, "completion_tokens": 0}}',),
    AS_TEXT.headers,
)

ROWS = (
    learns("MiniMax's debt, told in a 200", "kind: codes in a success",
           coded({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
           Waits("north", "debt", 600.0)),
    learns("Baidu's day, told in a 200", "kind: codes in a success",
           coded({"error_code": 17, "error_msg": "Open api daily request limit reached"}),
           Waits("north", "account-day", 60.0)),
    learns("a refused key, told in a 200 by a number", "kind: codes in a success",
           coded({"error_code": 110, "error_msg": "Access token invalid or no longer valid"}),
           Waits("north", "key-refused", 600.0)),
    learns("new-api's spent token", "popjane/free_chatgpt_api#78",
           refuse(403, "user quota is not enough"), Waits("north", "debt", 600.0)),
    learns("no credits at all, told as 403", "kind: debts in many words",
           refuse(403, "Your newly created team doesn't have any credits or licenses yet."),
           Waits("north", "debt", 600.0)),
    learns("not enough balance, in capitals", "kind: debts in many words",
           refuse(403, {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "no"}),
           Waits("north", "debt", 600.0)),
    learns("a suspended consumer", "continuedev/continue#10902",
           refuse(403, "Permission denied: Consumer 'api_key:A' has been suspended."),
           Waits("north", "account-forbidden", 600.0)),
    learns("a suspended account, told as 412", "kind: statuses used wrongly",
           refuse(412, "Account x is suspended, possibly due to failure to pay past invoices."),
           Waits("north", "account-forbidden", 600.0)),
    learns("a limit of a minute in the words of a debt", "can1357/oh-my-pi#8496", THROTTLED,
           Rests("a/x", 10.0, 40.0), Free("north"), requests=3),
    learns("a queue of one, told as 402", "pollinations/pollinations#11603", QUEUE,
           Rests("a/x", 1.0, 40.0), Free("north"), requests=3),
    learns("a secondary limit, told as 403", "apache/devlake#1322",
           refuse(403, "You have exceeded a secondary rate limit. Please wait a few minutes."),
           Rests("a/x", 10.0, 40.0), Free("north"), requests=3),
    learns("the tokens of a day, without brackets", "MoonshotAI/kimi-cli#1599",
           refuse(429, "request reached organization TPD rate limit, current: 15, limit: 15"),
           Waits("north", "account-day", 60.0)),
    learns("five hours until a date in Beijing", "dirge-code/dirge#818",
           refuse(429, f"已达到 5 小时的使用上限。您的限额将在 {FIVE_HOURS} 重置。"),
           Waits("north", "account-window", 4 * 3_600 - 60, 4 * 3_600)),
    learns("58 hours", "github/copilot-cli#2696",
           refuse(429, "You've hit a rate limit. Please try again in 58 hours."),
           Rests("a/x", 57.9 * 3_600, 58 * 3_600), requests=3),
    learns("seconds in a field", "router-for-me/CLIProxyAPI#904",
           refuse(429, {"error": {"code": "cooldown", "message": "cooling", "reset_seconds": 700}}),
           Rests("a/x", 690.0, 700.0), requests=3),
    Row(
        name="the day of one model, in an object of errors",
        source="kind: envelopes",
        wire=hosts(north={
            "a/x": refuse(429, {"errors": {"message": "You have exceeded today's quota for model "
                                           "a/x, and please try again tomorrow."}}),
            "b/y": HI,
        }),
        requests=2,
        learnt=[Free("north"), Rests("a/x", 60.0), Ready("b/y")],
    ),
    Row(
        name="the free share of one model is spent for good",
        source="kind: models that are not free any more",
        wire=hosts(north={
            "a/x": refuse(403, {"error": {"code": "AllocationQuota.FreeTierOnly", "message":
                                          "The free tier of the model has been exhausted."}}),
            "b/y": HI,
        }),
        requests=2,
        learnt=[Free("north"), Unfit("a/x", "gone"), Ready("b/y")],
    ),
    Row(
        name="a debt in another charset",
        source="kind: charsets",
        wire=hosts(
            north={"a/x": raw('{"error":{"message":"账户余额不足"}}'.encode("gbk"), 403,
                              {"content-type": "application/json; charset=gbk"})},
            groq=OTHER,
        ),
        requests=2,
        learnt=[Waits("north", "debt", 600.0)],
    ),
    # -- answers -------------------------------------------------------------------------------
    Row(
        name="an answer in an envelope",
        source="kind: envelopes",
        wire=hosts(north={"a/x": streams(CHUNKS_IN_DATA, WHOLE_IN_DATA)}),
        requests=1,
    ),
    Row(
        name="a server that always streams",
        source="kind: envelopes",
        wire=hosts(north={"a/x": streams(ALWAYS_STREAMS, ALWAYS_STREAMS)}),
        requests=1,
    ),
    Row(
        name="a finish reason in camels only",
        source="jakobdylanc/llmcord#84",
        wire=hosts(north={"a/x": streams(pieces(
            event({"content": "hi"}),
            'data: {"choices": [{"delta": {}, "finish_reason": null, "finishReason": "stop"}]}\n\n',
        ))}),
        requests=1,
    ),
    Row(
        name="an answer that the provider's network cut",
        source="anomalyco/opencode#44376",
        wire=hosts(north={"a/x": answer("The ans", "network_error")}, south={"b/y": HI}),
        streamed=Fails(errors.StreamBroken, partial="The ans"),
        requests=2,
        streamed_requests=1,
    ),
    Row(
        name="an answer that was cut for lack of resources",
        source="can1357/oh-my-pi#8563",
        wire=hosts(north={"a/x": answer("", "insufficient_system_resource")}, south={"b/y": HI}),
        requests=2,
    ),
    Row(
        name="an error that is handed on as the answer, and cost no tokens",
        source="kind: errors as answers",
        wire=hosts(north={"a/x": streams(ALWAYS_STREAMS, AS_TEXT_OF_NO_TOKENS)},
                   south={"b/y": HI}),
        requests=2,
    ),
    Row(
        name="a sentence, and then a call as text",
        source="kind: calls as text",
        wire=hosts(north={"a/x": CALL_BEHIND_WORDS}, south={"b/y": WEATHER}),
        ask=TOOLS,
        want=Call(),
        streamed=InvalidCall("get_weather"),
        requests=2,
    ),
)  # fmt: skip
