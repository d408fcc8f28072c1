"""What type checkers see of the two classes. mypy checks this file, and pytest runs it."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, assert_type

import httpx
import pytest
from langchain_core.messages import AIMessage
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, SecretStr

from freerouter_core import Exchange, Guard, Model, Need, Provider, Router, Session, Verdict
from freerouter_core.errors import BadSetting
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

KEY = "sk-or-v1-typed"


class Polite(Guard):
    def judge(self, exchange: Exchange) -> Verdict:
        return Verdict()


def is_short(exchange: Exchange) -> bool:
    return len(exchange.text) < 100


def backwards(need: Need, models: Sequence[Model]) -> Sequence[Model]:
    return list(reversed(models))


class Person(BaseModel):
    name: str


def test_a_chat_model_takes_options_as_users_write_them() -> None:
    router = Router(providers=["groq"], fallback_models=["a/b:free"], guards=[is_short])
    plain = ChatFreeRouter(
        api_key=KEY,
        providers=["groq", Provider("mistral")],
        fallback_models=["a/b:free"],
        capabilities=["tools"],
        guards=[Polite(), is_short],
        strategy=backwards,
        reasoning="low",
        stop=["x"],
        timeout=None,
        http_client=httpx.AsyncClient(),
    )
    based = ChatFreeRouter(
        api_key=SecretStr(KEY), router=router, session=router.session("s"), stop="x", streaming=True
    )
    named = ChatFreeRouter(session="s", providers="all", reasoning={"effort": "low"})

    assert_type(plain.api_key, SecretStr | None)
    assert_type(plain.make_router(), Router)
    assert_type(based.router, Router | None)
    assert_type(named.session, Session | str | None)
    assert plain.api_key is not None and plain.api_key.get_secret_value() == KEY


def test_an_llm_takes_options_as_users_write_them() -> None:
    router = Router(providers=["groq"], fallback_models=["a/b:free"], guards=[is_short])
    plain = FreeRouter(
        api_key=KEY,
        providers=["groq", Provider("mistral")],
        fallback_models=["a/b:free"],
        capabilities=["tools"],
        guards=[Polite(), is_short],
        strategy=backwards,
        reasoning="low",
        stop=["x"],
        timeout=None,
        http_client=httpx.AsyncClient(),
        system_prompt="Be brief.",
    )
    based = FreeRouter(router=router, session=router.session("s"), stop="x", context_window=4_096)
    named = FreeRouter(session="s", providers="all", reasoning={"effort": "low"})

    assert_type(plain.api_key, str | None)
    assert_type(plain.make_router(), Router)
    assert_type(based.router, Router | None)
    assert_type(named.session, Session | str | None)


def test_answers_have_types() -> None:
    with World([SimModel("a/m:free")]) as world:
        chat_model = ChatFreeRouter(router=world.router())
        llm = FreeRouter(router=world.router())
        message = chat_model.invoke("hello")
        response = llm.chat([ChatMessage("hello")])
        completion = llm.complete("hello")
        person = llm.structured_predict(Person, PromptTemplate("Who?"))

    assert_type(message, AIMessage)
    assert_type(response, ChatResponse)
    assert_type(completion, CompletionResponse)
    assert_type(person, Person)


@pytest.mark.parametrize("kind", [ChatFreeRouter, FreeRouter])
def test_a_checker_and_the_constructor_reject_the_same_options(
    kind: type[ChatFreeRouter] | type[FreeRouter],
) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: kind(prefer="fast"),  # type: ignore[arg-type]
        lambda: kind(fallback_models=3),  # type: ignore[arg-type]
        lambda: kind(guards=[3]),  # type: ignore[list-item]
        lambda: kind(router=3),  # type: ignore[arg-type]
        lambda: kind(session=3),  # type: ignore[arg-type]
        lambda: kind(providers=3),  # type: ignore[arg-type]
        lambda: kind(tmperature=0.3),  # type: ignore[call-arg]
    ]
    for make in wrong:
        with pytest.raises(BadSetting):
            make()


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """The methods and properties of a class that are written in this project."""
    ours = ("freerouter_core", "langchain_freerouter", "llamaindex_freerouter")
    for base in kind.__mro__:
        for name, member in vars(base).items():
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if inspect.isfunction(function) and function.__module__.startswith(ours):
                yield f"{base.__name__}.{name}", function


@pytest.mark.parametrize("kind", [ChatFreeRouter, FreeRouter, Router, Session])
def test_every_annotation_resolves_at_run_time(kind: type) -> None:
    """Frameworks call get_type_hints on methods (langchain#35170)."""
    for name, function in methods(kind):
        assert isinstance(typing.get_type_hints(function), dict), name


@pytest.mark.parametrize("package", ["langchain_freerouter", "llamaindex_freerouter"])
def test_importing_an_adapter_imports_no_client_and_no_settings(package: str) -> None:
    code = f"import sys, {package}; print([m for m in sys.modules if m.startswith('freerouter_')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = run.stdout

    assert "freerouter_core.client.adapter_options" in modules
    for absent in ("client.router", "runtime", "settings", "simulator", "apps"):
        assert f"'freerouter_core.{absent}" not in modules
