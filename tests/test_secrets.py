"""No repr, log record, error, pickle, event, journal, trace or file ever shows a key."""

from __future__ import annotations

import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from langchain_core.load import dumpd, dumps

from freerouter_core import ChatRequest, Provider, Router, Settings, Structured, errors
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import FAULTS, SimAccount, SimModel, World
from freerouter_core.wire.redact import redact
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from .scripted import KEY as SCRIPTED_KEY
from .scripted import answer_response, error_response, scripted_router

KEY = "5eC7e7-no-known-shape-c0ffee"


@pytest.fixture
def written() -> Iterator[Callable[[], str]]:
    """All that any logger writes during a test, at every level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    records: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        records.append(str(record.__dict__))
        return True

    handler.addFilter(keep)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lambda: stream.getvalue() + "".join(records)
    root.removeHandler(handler)
    root.setLevel(level)


def all_of(error: BaseException) -> str:
    """Everything an error could show."""
    shown = [
        repr(error),
        str(error),
        str(vars(error)),
        repr(pickle.dumps(error)),
        "".join(traceback.format_exception(error)),
    ]
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    cause: BaseException | None = error
    while cause is not None:
        shown += [repr(cause), str(cause)]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(shown)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_shows_the_key(fault: str, stream: bool, written: Callable[[], str]) -> None:
    events: list[Any] = []
    with World([SimModel("acme/a:free", script=[fault] * 9)], [SimAccount(KEY, None)]) as world:
        router = world.router(timeout=30.0, max_retries=1)
        router.subscribe(events.append)
        llm = ChatFreeRouter(router=router)
        shown = [
            repr(router),
            repr(llm),
            str(llm),
            repr(world.runtime.state),
            repr(pickle.loads(pickle.dumps(router))),
        ]
        try:
            if stream:
                chunks = list(llm.stream("x"))
                shown.append(repr(chunks))
            else:
                shown.append(repr(llm.invoke("x")))
        except errors.FreeRouterError as error:
            shown.append(all_of(error))
        shown += [repr(event) for event in events]
        shown += [str(router.explain("x")), repr(router.health())]

    assert KEY not in "\n".join(shown)
    assert KEY not in written()


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
@respx.mock
def test_a_key_that_a_server_quotes_is_not_repeated(
    status: int, written: Callable[[], str]
) -> None:
    body = {
        "error": {
            "message": f"Incorrect API key provided: {KEY}",
            "code": status or 401,
            "metadata": {"raw": f"Bearer {KEY}"},
        }
    }
    respx.get("https://openrouter.ai/api/v1/models").mock(httpx.Response(500, json=body))
    respx.post("https://openrouter.ai/api/v1/chat/completions").mock(
        httpx.Response(status, json=body)
    )
    router = Router(model="acme/a:free", fallback_models=(), api_key=KEY, max_retries=0)
    with pytest.raises(errors.FreeRouterError) as caught:
        router.chat("x")

    assert KEY not in all_of(caught.value)
    assert KEY not in written()


@respx.mock
def test_a_key_never_follows_a_redirect() -> None:
    elsewhere = respx.route(host="evil.test").mock(httpx.Response(200, json={}))
    respx.route(host="openrouter.ai").mock(
        httpx.Response(307, headers={"location": "https://evil.test/"})
    )
    router = Router(
        model="acme/a:free", fallback_models=(), api_key=KEY, max_retries=0, timeout=5.0
    )
    with pytest.raises(errors.FreeRouterError):
        router.chat("x")

    assert not elsewhere.called


@respx.mock
def test_a_key_goes_to_its_provider_only() -> None:
    for host in ("openrouter.ai", "other.test"):
        respx.get(host=host, path__regex="models").mock(
            httpx.Response(
                200,
                json={
                    "data": [
                        {"id": f"{host}/m:free", "pricing": {"prompt": "0", "completion": "0"}}
                    ]
                },
            )
        )
    one = respx.post(host="openrouter.ai").mock(httpx.Response(502))
    two = respx.post(host="other.test").mock(httpx.Response(502))
    other = Provider("other", "https://other.test/v1", "other-key-1234", free="suffix")
    with pytest.raises(errors.Exhausted):
        Router(providers=["openrouter", other], api_key=KEY, max_retries=3, timeout=30.0).chat("x")

    assert {call.request.headers["authorization"] for call in one.calls} == {f"Bearer {KEY}"}
    assert {call.request.headers["authorization"] for call in two.calls} == {
        "Bearer other-key-1234"
    }


def test_no_repr_and_no_serialization_holds_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider("openrouter", api_key=KEY, headers={"x-api-key": KEY})
    chat = ChatFreeRouter(api_key=KEY, providers=[provider])
    llm = FreeRouter(api_key=KEY, providers=[provider])
    texts = [
        repr(provider), repr(chat), str(chat), json.dumps(dumpd(chat)), dumps(chat),
        str(chat._identifying_params),
        str(chat.model_dump(exclude={"api_key"})), repr(llm), str(llm), llm.to_json(),
        str(llm.to_dict()), str(llm.to_payload()),
        llm.model_dump_json(), str(chat.invoke.__doc__),
    ]  # fmt: skip
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    texts.append(repr(Settings.load()))
    texts.append(str(Settings.load().model_dump()))

    for text in texts:
        assert KEY not in text


def test_an_invalid_variable_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_TIMEOUT", KEY)
    with pytest.raises(errors.BadSetting, match="OPENROUTER_TIMEOUT") as caught:
        Settings.load()

    assert KEY not in all_of(caught.value)


@respx.mock
def test_the_catalogue_on_disk_holds_no_key(tmp_path: Path) -> None:
    respx.get("https://openrouter.ai/api/v1/models").mock(
        httpx.Response(
            200, json={"data": [{"id": "a/b:free", "pricing": {"prompt": "0", "completion": "0"}}]}
        )
    )
    Router(api_key=KEY, runtime=Runtime(cache=tmp_path / "kept")).free_models()
    (copy,) = (tmp_path / "kept").iterdir()

    assert KEY not in copy.read_text() + copy.name


def test_redact_removes_keys_of_known_shapes() -> None:
    assert "c0ffee" not in redact(
        "a sk-or-v1-c0ffee b Bearer abc.def-123456 gsk_12345678901 AIzaSyA1234567890123456"
    )
    assert redact("nothing to hide") == "nothing to hide"


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "refusal": f"I refuse {SCRIPTED_KEY}"},
        {"content": "x" * 270 + f" {SCRIPTED_KEY}"},
    ],
)
def test_a_key_in_an_answer_does_not_reach_an_error(message: dict[str, Any]) -> None:
    reply = httpx.Response(200, json={"choices": [{"message": message, "finish_reason": "stop"}]})
    with pytest.raises(errors.FreeRouterError) as caught:
        scripted_router(reply, max_retries=0).chat(
            ChatRequest.of("x").but(structured=Structured({"type": "object"}))
        )

    assert SCRIPTED_KEY not in str(caught.value) + repr(pickle.dumps(caught.value))


def test_a_key_as_the_name_of_a_tool_is_in_no_journal() -> None:
    call = {"id": "1", "function": {"name": SCRIPTED_KEY, "arguments": "{}"}}
    choice = {"message": {"tool_calls": [call]}, "finish_reason": "stop"}
    router = scripted_router(httpx.Response(200, json={"choices": [choice]}), max_retries=0)
    structured = Structured({"type": "object"})
    outcome = router.chat(ChatRequest.of("x").but(structured=structured))

    assert SCRIPTED_KEY not in "".join(map(str, outcome.journal.render()))
    assert SCRIPTED_KEY not in repr(outcome.journal)


def test_keys_are_redacted_before_messages_are_shortened() -> None:
    with pytest.raises(errors.FreeRouterError) as caught:
        scripted_router(error_response(500, "x" * 294 + f" {SCRIPTED_KEY}"), max_retries=0).chat(
            "x"
        )
    outcome = scripted_router(answer_response(model=f"a/{SCRIPTED_KEY}")).chat("x")

    assert "key-" not in str(caught.value)
    assert SCRIPTED_KEY not in repr(pickle.dumps(outcome.journal)) + str(outcome.metadata)


def test_a_key_that_a_model_quotes_is_not_in_the_journal() -> None:
    body = {
        "choices": [
            {"message": {"content": f"your key is {SCRIPTED_KEY}"}, "finish_reason": "stop"}
        ]
    }
    outcome = scripted_router(httpx.Response(200, json=body)).chat("x")

    assert SCRIPTED_KEY in outcome.text  # the model's own words are the caller's
    assert SCRIPTED_KEY not in repr(outcome.journal.entries) + repr(pickle.dumps(outcome.journal))
