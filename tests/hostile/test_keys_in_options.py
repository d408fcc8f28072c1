"""An option that is given wrong shows no key: in no error, in no frame, and in nothing made of it.

A key that has the shape of one is refused wherever a name belongs. One of no known shape may be a
name, so it is only kept out of errors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from pydantic import BaseModel

from freerouter_core import AnswerCache, ChatRequest, Limit, Provider, Router, Settings, errors
from freerouter_core.client.adapter_options import PARAMETERS, RouterOptions
from langchain_freerouter import ChatFreeRouter, FreeRouterEmbeddings
from langchain_freerouter import FreeRouterRerank as LangChainRerank
from llamaindex_freerouter import FreeRouter, FreeRouterEmbedding, FreeRouterRerank

from .test_keys_in_locals import KEY, ODD_KEY, PASSWORD, check, hunt

SHAPED: dict[str, Any] = {
    "a key": KEY,
    "keys": [KEY],
    "an address": f"http://bob:{PASSWORD}@host/v1",
}
"""What is refused, or at least not shown."""
ODD: dict[str, Any] = {
    "another key": ODD_KEY,
    "other keys": [ODD_KEY],
    "a key in a dict": {"a": ODD_KEY},
    "a key as a name": {ODD_KEY: 1},
    "bytes": ODD_KEY.encode(),
    "tuples": ((ODD_KEY,),),
}
"""What is in no error."""
WRONG = SHAPED | ODD
MADE: dict[str, tuple[Callable[..., object], Mapping[str, Any]]] = {
    "Router": (Router, {}),
    "Provider": (Provider, {"name": "lab"}),
    "Limit": (Limit, {"requests": 1}),
    "AnswerCache": (AnswerCache, {}),
    "ChatRequest": (ChatRequest, {"messages": [{"role": "user", "content": "x"}]}),
    "ChatFreeRouter": (ChatFreeRouter, {}),
    "FreeRouterEmbeddings": (FreeRouterEmbeddings, {}),
    "LangChain's FreeRouterRerank": (LangChainRerank, {}),
    "FreeRouter": (FreeRouter, {}),
    "FreeRouterEmbedding": (FreeRouterEmbedding, {}),
    "LlamaIndex's FreeRouterRerank": (FreeRouterRerank, {}),
}
FOR_KEYS = {"api_key", "headers"}
OF_THE_PROMPT = {
    *PARAMETERS, "reasoning", "extra_body", "messages", "tools", "tool_choice", "structured",
    "parameters", "validate", "label", "parallel_tool_calls", "replaces", "fresh", "sample",
    "timeout", "on_wait",
}  # fmt: skip
"""Options of the request itself: what a caller wants to send may be anything."""


def options_of(kind: Callable[..., object]) -> list[str]:
    own = inspect.isclass(kind) and issubclass(kind, BaseModel)
    names = RouterOptions.model_fields if own else inspect.signature(kind).parameters
    free = OF_THE_PROMPT if own or kind is ChatRequest else set()
    return [name for name in names if name not in FOR_KEYS | free]


OPTIONS = [(made, option) for made, (kind, _) in MADE.items() for option in options_of(kind)]


def outer(error: BaseException) -> BaseException:
    """The error without the frames of this file."""
    tb: TracebackType | None = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename == __file__:
        tb = tb.tb_next
    return error.with_traceback(tb)


@pytest.mark.parametrize(("made", "option"), OPTIONS)
def test_no_option_of_a_wrong_type_shows_a_key(made: str, option: str) -> None:
    kind, others = MADE[made]
    for wrong in WRONG:
        try:
            thing = kind(**{**others, option: WRONG[wrong]})
        except errors.FreeRouterError as error:
            check(outer(error))
        else:
            assert wrong in ODD or not hunt(f"{thing!r}{thing}"), wrong


@pytest.mark.parametrize("made", ["ChatFreeRouter", "FreeRouter", "FreeRouterEmbeddings"])
@pytest.mark.parametrize("secret", ["a key", "another key", "an address"])
def test_no_described_router_shows_a_key(made: str, secret: str) -> None:
    kind, _ = MADE[made]
    with pytest.raises(errors.BadSetting, match="must be a Router") as caught:
        kind(router={WRONG[secret]: 1})
    check(outer(caught.value))


LOCATIONS: dict[str, Any] = {
    "a dict": {"redis": f"redis://u:{PASSWORD}@h", ODD_KEY: 1},
    "a list": [ODD_KEY],
    "bytes": ODD_KEY.encode(),
    "no name": f"redis://u:{PASSWORD}@h/0",
    "another server": f"postgres://u:{PASSWORD}@h/0#x",
}


@pytest.mark.parametrize("place", LOCATIONS)
def test_no_wrong_place_of_a_job_shows_a_key(place: str) -> None:
    router = Router(api_key=KEY)
    with pytest.raises(errors.BadSetting) as caught:
        list(router.bulk(["x"], LOCATIONS[place]))
    check(outer(caught.value))


def test_no_name_of_an_option_shows_a_key() -> None:
    for made in ("ChatFreeRouter", "FreeRouter", "FreeRouterEmbedding"):
        kind, _ = MADE[made]
        for secret in (KEY, ODD_KEY):
            with pytest.raises(errors.BadSetting, match="has no option") as caught:
                kind(**{secret: "x"})
            assert not hunt(str(caught.value))


@pytest.mark.parametrize("made", ["FreeRouterEmbeddings", "FreeRouterEmbedding"])
def test_a_pin_is_no_key(made: str) -> None:
    kind, _ = MADE[made]
    with pytest.raises(errors.BadSetting, match="a key in place of a name"):
        kind(pin=KEY)
    assert "index.json" in repr(kind(pin=Path("index.json")))


@pytest.mark.parametrize("option", ["allow_paid", "keyless", "show_free_only", "prefer_free"])
@pytest.mark.parametrize("value", ["no", "false", 1, [], KEY])
def test_only_true_and_false_switch(option: str, value: object) -> None:
    """A text is true, whatever it says: it would let the router pay."""
    with pytest.raises(errors.BadSetting, match=f"{option} is True or False"):
        Router(**{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [KEY, ODD_KEY, f"ftp://u:{PASSWORD}@h"])
def test_a_key_as_the_answer_cache_of_the_environment_is_not_shown(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEROUTER_ANSWER_CACHE", text)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-in-use")
    router = Router(timeout=2.0)
    with pytest.raises(errors.BadSetting, match="FREEROUTER_ANSWER_CACHE") as caught:
        router.chat("x")
    assert not hunt(f"{caught.value!r} {caught.value.hint} {Settings.load()!r}")
