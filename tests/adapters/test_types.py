"""What type checkers see of the two classes. mypy checks this file, and pytest runs it."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any, assert_type

import httpx
import pytest
from pydantic import SecretStr

from freerouter_core import Router, Session, errors
from freerouter_core.errors import BadSetting
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

KEY = "sk-or-v1-typed"


def test_options_read_as_their_types() -> None:
    router = Router(fallback_models=["a/b:free"])
    http_client = httpx.AsyncClient()
    chat_model = ChatFreeRouter(api_key=KEY, router=router, session=router.session("s"))
    llm = FreeRouter(api_key=KEY, http_client=http_client, session="s", timeout=None)

    assert_type(chat_model.api_key, SecretStr | None)
    assert_type(chat_model.router, Router | None)
    assert_type(chat_model.session, Session | str | None)
    assert_type(chat_model.make_router(), Router)
    assert_type(llm.api_key, str | None)
    assert_type(llm.timeout, float | None)
    assert_type(llm.make_router(), Router)
    assert chat_model.api_key == SecretStr(KEY)
    assert llm.make_router().http_client is http_client


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
        for name, member in dict(vars(base)).items():
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


@pytest.mark.parametrize("wrong", [{"providers": 3}, {"router": 3}])
def test_options_of_a_wrong_type_are_rejected_at_once(wrong: dict[str, Any]) -> None:
    for kind in (FreeRouter, ChatFreeRouter):
        with pytest.raises(errors.BadSetting):
            kind(**wrong)
