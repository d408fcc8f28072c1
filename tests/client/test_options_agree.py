"""An option is declared in several places. They agree on its name, its default and its type.

The places: `Router`, `RouterConfig`, the two adapters, the settings file, the routing policy, the
filter, the docstring of `Router`, and the tables in docs/settings.md. Where one differs on purpose,
the reason stands here.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest

from freerouter_core import Router
from freerouter_core.checks import UNSET, UnsetNumber
from freerouter_core.client.adapter_options import PARAMETERS, POLICY, RouterOptions
from freerouter_core.client.config import RouterConfig
from freerouter_core.client.filters import FILTER
from freerouter_core.routing.policy import Policy
from freerouter_core.settings.file import HINTS, KEY_NAMES, _RouterTable
from freerouter_core.wire.request import ROUTER_OPTIONS
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

Adapter = type[ChatFreeRouter] | type[FreeRouter]
ADAPTERS = (ChatFreeRouter, FreeRouter)
SETTINGS = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")

NOT_STORED = {
    "http_client": "a connection is no data",
    "runtime": "a thread is no data",
}
"""Arguments of `Router` that `RouterConfig` does not hold."""
STORED_IN_ANOTHER_TYPE = {
    "model": "None is stored as 'auto'",
    "api_key": "a wrapped secret is stored as text",
    "providers": "one Provider is stored as a tuple, and 'all' as it is",
    "quality": "a mapping is stored as pairs",
    "answer_cache": "words, addresses and tables are stored as an AnswerCache",
}
"""Arguments of `Router` that `RouterConfig` narrows by more than making lists tuples."""
ONLY_THE_ROUTER = {
    "api_key": "each adapter has its framework's type for secrets",
    "quality": "opinions belong to a router that several models share",
    "max_failures": "benching belongs to such a router, too",
    "exclude_failed": "benching belongs to such a router, too",
    "session_name": "the adapters' `session` takes a name or a Session",
    "show_free_only": "it is about Router.models()",
    "prefer_free": "it is about Router.models()",
    "runtime": "tests and services hand one in, frameworks do not",
}
"""Arguments of `Router` that are no options of the adapters."""
ONLY_THE_ADAPTERS = {
    "session": "a name or a Session: the router's `session_name`",
    "router": "the router to start from",
    "reasoning": "it goes with each request",
    "extra_body": "it goes with each request",
}
"""Options of both adapters that are no arguments of `Router` and no sampling parameters."""
IN_ANOTHER_TYPE_IN_ADAPTERS = {
    "model": "None is no name of a model",
    "timeout": "its default shows as a number",
    "http_client": "pydantic must not import httpx",
}
"""Options whose annotations differ between the adapters and `Router`."""
NOT_IN_THE_FILE = {
    "api_key": "people commit the file",
    "base_url": "OPENROUTER_BASE_URL",
    "quality": "said in code",
    "guards": "objects",
    "session_name": "a session belongs to a conversation",
    "show_free_only": "openrouter_show_free_only",
    "prefer_free": "openrouter_prefer_free_models",
}
"""Options that the settings file's table `router` neither takes nor has a hint for."""
NOT_IN_THE_POLICY = {
    "max_wait": "Resolved.max_wait bounds the line",
    "lane": "a call may overrule it: `Plan.lane`",
    "answer_cache": "an answer that is kept is found before anybody is asked",
    "pace": "it goes with the lane: `Plan.pace`",
    "model": "resolved to `preferred`",
    "fallback_models": "resolved to `preferred` and `others`",
    "api_key": "resolved to accounts",
    "base_url": "resolved to accounts",
    "providers": "resolved to accounts",
    "keyless": "resolved to accounts",
    "daily_cap": "a limit of each account",
    "privacy": "resolved to accounts and `no_train`",
    "timeout": "resolved to a deadline",
    "guards": "they run beside the engine",
    "session_name": "resolved to `kept`",
    "show_free_only": "it is about Router.models()",
    "prefer_free": "it is about Router.models()",
}
"""Options that the engine never sees under their names."""
EMPTY_IN_ANOTHER_TYPE = {
    "capabilities": "a set",
    "quality": "a mapping",
}
"""Options whose default is empty, in a type that the engine looks names up in."""
CALLABLE_IN_CODE = {
    "strategy": "a callable ranks before the engine does, and no file can hold one",
}
IN_ANOTHER_TYPE_IN_THE_FILE = {
    **CALLABLE_IN_CODE,
    "answer_cache": "a word, an address or a table",
}
"""Options that are callables in code, and names elsewhere."""
NAMED_OTHERWISE_IN_THE_TABLES = {
    "session_name": "the row of `session` says so",
}
DEFAULTS_IN_WORDS: dict[str, tuple[object, ...]] = {
    "environment": (None,),
    "OpenRouter": (None,),
    "none": (None, (), {}, 0),
}
"""What docs/settings.md says for a default that is no literal."""


# -- reading the places ----------------------------------------------------------------------------


def of_router() -> dict[str, Any]:
    """Arguments of `Router` and their defaults."""
    parameters = inspect.signature(Router).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def of_dataclass(kind: type[RouterConfig] | type[Policy]) -> dict[str, Any]:
    """Fields and their defaults."""
    return {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(kind)
    }


def of_adapter(adapter: Adapter) -> dict[str, Any]:
    """The options that both adapters share, and their defaults."""
    return {
        name: adapter.model_fields[name].get_default(call_default_factory=True)
        for name in RouterOptions.model_fields
    }


def of_tables() -> Iterator[tuple[str, str, str]]:
    """(name, default, meaning) of each option in docs/settings.md."""
    text = SETTINGS.partition("\n## Environment variables")[0]
    for names, default, meaning in re.findall(
        r"^\| (`.*?) \| (.*?) \| (.*) \|$", text, re.MULTILINE
    ):
        for name in re.findall(r"`(\w+)`", names):
            yield name, default.strip("`"), meaning


def kinds(hint: Any) -> frozenset[Any]:
    """The types in a hint, without what the places may differ in.

    Lists, tuples and sets are sequences, a mapping is a sequence of pairs, a literal is a text.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return kinds(args[0])
    if origin in (typing.Union, types.UnionType):
        return frozenset().union(*map(kinds, args))
    if origin is Literal:
        return frozenset({str})
    if origin in (list, tuple, frozenset, Sequence):
        return frozenset({(Sequence, kinds(args[0]))})
    return frozenset({hint})


def exact(defaults: Mapping[str, object], names: Iterable[str]) -> dict[str, tuple[type, object]]:
    """Defaults with their types: False is not 0."""
    return {name: (type(defaults[name]), defaults[name]) for name in names}


NONE = frozenset({type(None)})
ROUTER = of_router()
CONFIG = of_dataclass(RouterConfig)
ROUTER_TYPES = typing.get_type_hints(Router.__init__)
CONFIG_TYPES = typing.get_type_hints(RouterConfig)


# -- comparing them --------------------------------------------------------------------------------


def test_a_config_holds_every_argument_of_a_router() -> None:
    assert [name for name in ROUTER if name not in NOT_STORED] == list(CONFIG)
    assert exact(ROUTER, CONFIG) == exact(CONFIG, CONFIG)
    for name in CONFIG:
        same = kinds(ROUTER_TYPES[name]) == kinds(CONFIG_TYPES[name])
        assert same == (name not in STORED_IN_ANOTHER_TYPE), name


def test_a_router_describes_every_argument() -> None:
    text = inspect.getdoc(Router) or ""
    arguments = text.partition("Args:")[2].partition("Raises:")[0]

    assert re.findall(r"^ {4}(\w+):", arguments, re.MULTILINE) == list(ROUTER)


def test_every_option_of_an_adapter_is_of_the_router_or_of_the_request() -> None:
    shared = set(RouterOptions.model_fields)

    assert ROUTER.keys() >= ONLY_THE_ROUTER.keys()
    assert not ROUTER.keys() & {*PARAMETERS, *ONLY_THE_ADAPTERS}
    assert shared == {*ROUTER, *PARAMETERS, *ONLY_THE_ADAPTERS} - ONLY_THE_ROUTER.keys()
    assert {*POLICY} == shared & ROUTER.keys() | {"session"}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_has_the_routers_defaults(adapter: Adapter) -> None:
    defaults = of_adapter(adapter)
    timeout = defaults.pop("timeout")
    shared = defaults.keys() & ROUTER.keys()

    assert exact(defaults, shared) == exact(ROUTER, shared)
    assert (type(timeout), timeout) == (UnsetNumber, 60.0)
    assert ROUTER["timeout"] is UNSET
    for name in (*PARAMETERS, "session", "router", "reasoning"):
        assert defaults[name] is None
    assert defaults["extra_body"] == {}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_takes_what_the_router_takes(adapter: Adapter) -> None:
    for name in RouterOptions.model_fields.keys() & ROUTER.keys():
        hint = adapter.model_fields[name].annotation
        same = kinds(hint) == kinds(ROUTER_TYPES[name])

        assert same == (name not in IN_ANOTHER_TYPE_IN_ADAPTERS), name


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_changes_no_shared_option(adapter: Adapter) -> None:
    for name, field in RouterOptions.model_fields.items():
        own = adapter.model_fields[name]

        assert (own.annotation, own.metadata) == (field.annotation, field.metadata), name


def test_the_settings_file_takes_options_of_the_router() -> None:
    table = dict(_RouterTable.model_fields)
    milliseconds = table.pop("max_latency_ms")

    assert kinds(milliseconds.annotation) == kinds(CONFIG_TYPES["max_latency"])
    assert table.keys() <= CONFIG.keys()
    assert table.keys() | HINTS.keys() | NOT_IN_THE_FILE.keys() == CONFIG.keys()
    assert not table.keys() & {*HINTS, *NOT_IN_THE_FILE, *KEY_NAMES}
    for name, field in table.items():
        assert field.default is None, name
        same = kinds(field.annotation) | NONE == kinds(CONFIG_TYPES[name]) | NONE
        assert same == (name not in IN_ANOTHER_TYPE_IN_THE_FILE), name


def test_the_policy_has_the_options_that_the_engine_sees() -> None:
    policy, policy_types = of_dataclass(Policy), typing.get_type_hints(Policy)
    shared = policy.keys() & CONFIG.keys()

    assert CONFIG.keys() - shared == NOT_IN_THE_POLICY.keys()
    assert [name for name in EMPTY_IN_ANOTHER_TYPE if policy[name] or CONFIG[name]] == []
    plain = shared - EMPTY_IN_ANOTHER_TYPE.keys()
    assert exact(policy, plain) == exact(CONFIG, plain)
    for name in shared:
        same = kinds(policy_types[name]) == kinds(CONFIG_TYPES[name])
        assert same == (name not in {*CALLABLE_IN_CODE, "quality"}), name


def test_a_filter_takes_the_defaults_of_the_router() -> None:
    assert FILTER.keys() <= CONFIG.keys()
    assert [name for name, accepts in FILTER.items() if not accepts(CONFIG[name])] == []


def test_a_filter_describes_its_options() -> None:
    text = inspect.getdoc(Router.set_filter) or ""

    assert [name for name in FILTER if f"`{name}`" not in text] == []


def test_the_documents_have_every_option_and_its_default() -> None:
    defaults = of_adapter(ChatFreeRouter) | {name: ROUTER[name] for name in ONLY_THE_ROUTER}
    tables = {name: text for name, text, _ in of_tables()}

    assert tables.keys() == {*defaults} - {*PARAMETERS, *NAMED_OTHERWISE_IN_THE_TABLES}
    for name, text in tables.items():
        allowed = DEFAULTS_IN_WORDS.get(text) or (ast.literal_eval(text),)
        equal = [value for value in allowed if value == defaults[name]]
        assert any(isinstance(value, bool) == isinstance(defaults[name], bool) for value in equal)


def test_the_documents_mark_options_that_not_all_take() -> None:
    marks = {name: meaning.partition(":")[0] for name, _, meaning in of_tables()}

    assert {name for name, mark in marks.items() if mark == "`Router` only"} == (
        ONLY_THE_ROUTER.keys() - {"api_key", "session_name"}
    )
    assert {name for name, mark in marks.items() if mark == "framework classes"} == (
        ONLY_THE_ADAPTERS.keys() - {"session"}
    )


def test_no_field_of_a_request_has_the_name_of_a_routers_option() -> None:
    """Such a field would change nothing, and go out on the wire. The request has two of its own."""
    of_requests = {"model", "timeout"}
    options = {field.name for field in fields(RouterConfig)} | set(POLICY) | {"router"}

    assert options - set(PARAMETERS) == ROUTER_OPTIONS
    assert of_requests < ROUTER_OPTIONS
