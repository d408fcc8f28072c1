"""No error shows a key, even to tools that show the variables of every frame: rich, and Sentry.

Each row is a way to fail while a key is in use. The key is a global here, so no frame of this file
holds it, and whatever shows it is ours.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import pickle
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import respx
from click.testing import CliRunner
from rich.console import Console
from rich.traceback import Traceback

from freerouter_core import ChatRequest, Provider, Router, Settings, errors
from freerouter_core.apps.cli.main import cli
from freerouter_core.catalogue.providers import Account
from freerouter_core.simulator import FAULTS, SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter, FreeRouterEmbeddings
from langchain_freerouter import FreeRouterRerank as LangChainRerank
from llamaindex_freerouter import FreeRouter, FreeRouterEmbedding, FreeRouterRerank

KEY = "sk-or-v1-5ec7e7c0ffee0123456789abcdef"
ODD_KEY = "5eC7e7_no_known_shape_c0ffee"
PASSWORD = "open-sesame-5ec7e7"
SECRETS = (KEY, ODD_KEY, PASSWORD)
ENV = "OPENROUTER_API_KEY"


def encodings(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield secret.encode().hex()
    for shift in range(3):
        yield base64.b64encode(b"x" * shift + secret.encode()).decode()


def inner(form: str) -> str:
    """A form without the letters that base64 shares with what stands beside it."""
    return form[4:-4] if len(form) > 30 else form


HUNTED = tuple(inner(form) for secret in SECRETS for form in encodings(secret))
JOINTS = re.compile(r"[\s\"'+,│╎┃\\]+")


def hunt(shown: str) -> list[str]:
    """The secrets in a text, in any encoding, split by line breaks and quotes, too."""
    joined = JOINTS.sub("", shown)
    found = [form for form in HUNTED if form in shown or form in joined]
    halves = [half for s in SECRETS for half in (s[: len(s) // 2 + 2], s[len(s) // 2 - 2 :])]
    return found + [half for half in halves if half in shown]


def captured(value: object, depth: int = 0) -> object:
    """A variable as Sentry's serializer captures it: containers by their items, others by repr."""
    if isinstance(value, str | bytes | int | float | None) or depth > 8:
        return value if depth <= 8 else repr(value)
    if isinstance(value, Mapping):
        return {str(k): captured(v, depth + 1) for k, v in dict(value.items()).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [captured(item, depth + 1) for item in value]
    return repr(value)


def capture_locals(error: BaseException) -> str:
    """What Sentry sends of an error and of what it came from, for every frame but this file's."""
    shown: list[object] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        shown += [str(current), repr(current), captured(vars(current))]
        tb: TracebackType | None = current.__traceback__
        while tb is not None:
            if tb.tb_frame.f_code.co_filename != __file__:
                shown.append(captured(dict(tb.tb_frame.f_locals)))
            tb = tb.tb_next
        for inner in getattr(current, "exceptions", ()):
            shown.append(capture_locals(inner))
        suppressed = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or suppressed
    return repr(shown)


def rendered(error: BaseException) -> str:
    """What rich shows of an error: its messages, and the locals of every frame, at any length."""
    trace = Traceback.extract(
        type(error),
        error,
        error.__traceback__,
        show_locals=True,
        locals_max_length=1_000,
        locals_max_string=100_000,
        locals_hide_dunder=False,
        locals_hide_sunder=False,
    )
    shown = []
    for stack in trace.stacks:
        shown += [stack.exc_type, stack.exc_value, *stack.notes]
        for frame in stack.frames:
            shown += [f"{name} = {node}" for name, node in (frame.locals or {}).items()]
    return "\n".join(shown)


def check(error: BaseException) -> None:
    texts = {
        "rich": rendered(error),
        "sentry": capture_locals(error),
        "traceback": "".join(traceback.format_exception(error)),
        "pickle": repr(pickle.dumps(error)) if isinstance(error, errors.FreeRouterError) else "",
    }
    for tool, shown in texts.items():
        found = hunt(shown)
        context = [shown[max(0, shown.find(f) - 300) : shown.find(f) + 80] for f in found[:1]]
        assert not found, f"{tool} shows {found}: …{context}"


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV, KEY)
    monkeypatch.setenv("GROQ_API_KEY", ODD_KEY)


class DidNotFail(Exception):
    """An action that should fail did not."""


def fails(action: Callable[[], object]) -> None:
    try:
        action()
    except BaseException as error:
        check(error)
    else:
        raise DidNotFail


def dead(**options: Any) -> Router:
    """A router whose provider refuses connections."""
    return Router(base_url="http://127.0.0.1:9/v1", timeout=2.0, max_retries=0, **options)


# -- arguments and settings ----------------------------------------------------------------------

NUMBERS = (
    "timeout", "max_retries", "max_wait", "min_context", "max_latency", "daily_cap", "min_quality",
    "max_cost_per_token", "max_failures", "exclude_failed",
)  # fmt: skip
KEYS: list[Any] = [ODD_KEY]


def with_key_as(option: str) -> Callable[[], object]:
    return lambda: Router(**{option: KEYS[0]})


ARGUMENTS: dict[str, Callable[[], object]] = {
    "a wrong option": lambda: Router(api_key=KEY, prefer="cheap"),  # type: ignore[arg-type]
    "an unknown option": lambda: Router(api_key=KEY, modle="x"),  # type: ignore[call-arg]
    "a provider as a dict": lambda: Router(providers=[{"name": "x", "api_key": ODD_KEY}]),  # type: ignore[list-item]
    "providers as a dict": lambda: Router(providers={"openrouter": ODD_KEY}),  # type: ignore[arg-type]
    "a list of providers in a list": lambda: Router(providers=[["groq", ODD_KEY]]),  # type: ignore[list-item]
    "providers as bytes": lambda: Router(providers=ODD_KEY.encode()),  # type: ignore[arg-type]
    "an address that is none": lambda: Router(base_url={"a": ODD_KEY}),  # type: ignore[arg-type]
    "a session that is none": lambda: Router(session_name={"a": ODD_KEY}),  # type: ignore[arg-type]
    "a capability that is none": lambda: Router(capabilities=[{"a": ODD_KEY}]),  # type: ignore[list-item]
    "a key as a capability": lambda: Router(capabilities=[ODD_KEY]),
    "a task that is none": lambda: Router(task={"a": ODD_KEY}),  # type: ignore[arg-type]
    "a strategy that is none": lambda: Router(strategy={"a": ODD_KEY}),  # type: ignore[arg-type]
    "another key as the strategy": lambda: Router(strategy=ODD_KEY),
    "a quality that is none": lambda: Router(quality={"a/b": ODD_KEY}),  # type: ignore[dict-item]
    "a guard that is none": lambda: Router(guards=[{"a": ODD_KEY}]),  # type: ignore[list-item]
    "a key as a guard": lambda: Router(guards=[ODD_KEY]),  # type: ignore[list-item]
    **{f"a key as {name}": with_key_as(name) for name in NUMBERS},
    "a provider's address that is none": lambda: Provider("x", {"a": ODD_KEY}),  # type: ignore[arg-type]
    "a provider's limit that is none": lambda: Provider("x", limits=[{"a": ODD_KEY}]),  # type: ignore[list-item]
    "LangChain, a provider as a dict": lambda: ChatFreeRouter(providers=[{"api_key": ODD_KEY}]),  # type: ignore[list-item]
    "LlamaIndex, a provider as a dict": lambda: FreeRouter(providers=[{"api_key": ODD_KEY}]),  # type: ignore[list-item]
    "LlamaIndex's embeddings": lambda: FreeRouterEmbedding(api_key={"a": ODD_KEY}),
    "LlamaIndex's reranker": lambda: FreeRouterRerank(api_key={"a": ODD_KEY}),  # type: ignore[arg-type]
    "LangChain's embeddings": lambda: FreeRouterEmbeddings(api_key={"a": ODD_KEY}),  # type: ignore[arg-type]
    "LangChain's reranker": lambda: LangChainRerank(api_key={"a": ODD_KEY}),  # type: ignore[arg-type]
    "a key that is none": lambda: Router(api_key=[KEY]),  # type: ignore[arg-type]
    "a key as the model": lambda: Router(model=KEY),
    "a key as a fallback": lambda: Router(fallback_models=["a/b", KEY]),
    "a key as the provider": lambda: Router(providers=[ODD_KEY]).check(),
    "a key as the address": lambda: Router(base_url=ODD_KEY, api_key=KEY).check(),
    "a key as the strategy": lambda: Router(strategy=KEY),
    "a key as the task": lambda: Router(task=KEY),
    "a key with a space": lambda: Router(api_key=f"{ODD_KEY} x").check(),
    "a password in a broken address": lambda: Router(base_url=f"https://b:{PASSWORD}@/v1").check(),
    "a port that is a password": lambda: Router(base_url=f"https://b:{PASSWORD}/@h").check(),
    "other options": lambda: Router(api_key=KEY).with_options(api_key=ODD_KEY, prefer="cheap"),
    "a session": lambda: Router(api_key=KEY).session("x", api_key=ODD_KEY, prefer="cheap"),
    "a filter": lambda: Router(api_key=KEY).set_filter(providers=[ODD_KEY]),
    "a provider without a name": lambda: Provider("", api_key=KEY, headers={"x": ODD_KEY}),
    "a provider with wrong headers": lambda: Provider("x", api_key=KEY, headers=[KEY]),  # type: ignore[list-item]
    "a provider with wrong limits": lambda: Provider("x", api_key=KEY, limits=3),  # type: ignore[arg-type]
    "LangChain": lambda: ChatFreeRouter(api_key=KEY, prefer="cheap"),  # type: ignore[arg-type]
    "LangChain, unknown": lambda: ChatFreeRouter(api_key=KEY, modle="x"),  # type: ignore[call-arg]
    "LangChain, later": lambda: ChatFreeRouter(api_key=ODD_KEY, providers=[KEY]).invoke("x"),
    "LangChain, a wrong key": lambda: ChatFreeRouter(api_key=[KEY]),  # type: ignore[arg-type]
    "LlamaIndex": lambda: FreeRouter(api_key=KEY, prefer="cheap"),  # type: ignore[arg-type]
    "LlamaIndex, unknown": lambda: FreeRouter(api_key=KEY, modle="x"),  # type: ignore[call-arg]
    "LlamaIndex, later": lambda: FreeRouter(api_key=ODD_KEY, providers=[KEY]).complete("x"),
    "a client that is none": lambda: Router(api_key=KEY, http_client=3).chat("x"),  # type: ignore[arg-type]
    "a key in a parameter": lambda: Router().chat(
        ChatRequest([{"role": "user", "content": "x"}], parameters={"api_key": KEY})
    ),
    "a key in a field": lambda: Router().chat(
        ChatRequest([{"role": "user", "content": "x"}], extra_body={"api_key": KEY})
    ),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_wrong_argument_shows_a_key(name: str) -> None:
    fails(ARGUMENTS[name])


FILES: dict[str, dict[str, str]] = {
    "a key in the settings file": {"freerouter.toml": f'openrouter_api_key = "{KEY}"'},
    "a key in a provider": {"freerouter.toml": f'[providers.a]\napi_key = "{ODD_KEY}"'},
    "a key as a variable's name": {
        "freerouter.toml": f'[providers.a]\nbase_url = "https://h/v1"\nkeys = ["{ODD_KEY}"]'
    },
    "a key as a provider's name": {
        "freerouter.toml": f'[providers."{ODD_KEY}"]\nbase_url = "https://h/v1"\nkeys = ["X"]'
    },
    "a key as a setting": {"freerouter.toml": f'openrouter_timeout = "{ODD_KEY}"'},
    "a key as a setting's name": {"freerouter.toml": f'{ODD_KEY} = "x"'},
    "broken toml": {"freerouter.toml": f'openrouter_api_key = "{KEY}" x'},
    "broken yaml": {"freerouter.yaml": f"openrouter_api_key: [{KEY}"},
    "a key as a router's option": {"freerouter.toml": f'[router]\nstrategy = "{KEY}"'},
    "a key as the name of one": {"freerouter.toml": f'[router]\n{ODD_KEY} = "x"'},
    "a key as a provider to ask": {".env": f"FREEROUTER_PROVIDERS={ODD_KEY}"},
    "a key as the timeout": {".env": f"OPENROUTER_TIMEOUT={ODD_KEY}"},
    "a key as the state": {".env": f"FREEROUTER_STATE={ODD_KEY}"},
    "a password in the state": {".env": f"FREEROUTER_STATE=nosuch://u:{PASSWORD}@h"},
    "a key as the address": {".env": f"OPENROUTER_BASE_URL={ODD_KEY}\n{ENV}={KEY}"},
    "the pair": {".env": f"OPENROUTER_BASE_URL=https://u:{PASSWORD}@h/v1"},
    "both in the file": {
        ".env": f"OPENROUTER_BASE_URL=https://u:{PASSWORD}:@h/v1\n{ENV}={KEY}",
    },
    "no text": {".env": f"{ENV}={KEY}\udcff"},
    "no text in the settings": {"freerouter.toml": f'openrouter_api_key = "{KEY}\udcff"'},
    "a key with a letter that no key has": {".env": f"{ENV}='{ODD_KEY} x'"},
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("exported", [True, False])
def test_no_wrong_file_shows_a_key(
    name: str, exported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file, text in FILES[name].items():
        (tmp_path / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    if not exported:
        monkeypatch.delenv(ENV)
    with contextlib.suppress(DidNotFail):  # some fail with the key or without it only
        fails(lambda: Settings.load() and dead().chat("x"))
        return
    check_passed = Settings.load()
    assert not hunt(repr(check_passed))


def test_wrong_variables_show_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (
        "OPENROUTER_TIMEOUT",
        "DEV_MODE",
        "FREE_MODELS_REFRESH",
        "FREEROUTER_PROVIDERS",
        "FREEROUTER_STATE",
        "CHAT_MODEL",
        "CHAT_FALLBACK_MODELS",
    ):
        monkeypatch.setenv(variable, KEY)
        with contextlib.suppress(DidNotFail):
            fails(lambda: dead().chat("x"))
        monkeypatch.delenv(variable)


# -- requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["chat", "achat", "stream", "langchain", "llamaindex"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_failed_request_shows_a_key(fault: str, how: str) -> None:
    model = SimModel("acme/a:free", script=[fault] * 9)
    with World([model], [SimAccount(KEY, None)]) as world:
        router = world.router(timeout=20.0, max_retries=0)
        ways: dict[str, Callable[[], object]] = {
            "chat": lambda: router.chat("x"),
            "achat": lambda: asyncio.run(router.achat("x")),
            "stream": lambda: list(router.stream("x")),
            "langchain": lambda: ChatFreeRouter(router=router).invoke("x"),
            "llamaindex": lambda: FreeRouter(router=router).complete("x"),
        }
        try:
            ways[how]()
        except errors.FreeRouterError as error:
            check(error)


@pytest.mark.parametrize("client", ["own", "users", "bad users"])
def test_no_dead_connection_shows_a_key(client: str) -> None:
    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise RuntimeError(f"cannot send {request.headers['authorization']}")

    clients: dict[str, Any] = {
        "own": None,
        "users": httpx.AsyncHTTPTransport(),
        "bad users": Broken(),
    }
    router = dead(api_key=KEY, model="a/b:free", http_client=clients[client])
    for _ in range(2):  # the first goes through httpx while aiohttp is loaded
        fails(lambda: router.chat("x"))
        fails(lambda: list(router.stream("x")))
        fails(lambda: router.refresh())


@respx.mock
@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("encode", range(7))
def test_no_upstream_that_echoes_the_key_gets_it_shown(status: int, encode: int) -> None:
    respx.get(path__regex="models").mock(httpx.Response(500, text=KEY))
    echo = list(encodings(f"Bearer {KEY}"))[encode]
    body = {
        "error": {"message": f"bad {echo}", "code": status, "metadata": {"raw": echo}},
        echo: echo,
    }
    route = respx.post(path__regex="completions")
    for content in (json.dumps(body).encode(), f"<html>{echo}</html>".encode(), echo.encode()):
        route.mock(httpx.Response(status, content=content, headers={"x-echo": echo, "server": KEY}))
        router = Router(
            model="acme/a:free", fallback_models=(), api_key=KEY, max_retries=0, timeout=3.0
        )
        fails(lambda r=router: r.chat("x"))  # type: ignore[misc]
        router.reset()


@respx.mock
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_echoes_the_key_does_not_show_it(stream: bool) -> None:
    forms = [*encodings(KEY), *encodings(f"Bearer {KEY}"), " ".join(KEY)]
    echo = {f"x{n}": form for n, form in enumerate(forms)}
    message = {
        "role": "assistant",
        "content": "hello",
        "annotations": [{"type": "url_citation", "url_citation": echo}],
        "reasoning_details": [{"type": "reasoning.text", "text": " ".join(forms), **echo}],
    }
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "echo": echo}
    choice = {"index": 0, "finish_reason": "stop", "native_finish_reason": KEY}
    head = {"id": KEY, "model": f"m {KEY}", "provider": KEY, "usage": usage}
    content = json.dumps({**head, "choices": [{**choice, "message": message}]})
    kind = "application/json"
    if stream:
        chunk = json.dumps({**head, "choices": [{**choice, "delta": message}]})
        content, kind = f"data: {chunk}\n\ndata: [DONE]\n\n", "text/event-stream"
    respx.post(path__regex="completions").mock(
        httpx.Response(200, text=content, headers={"content-type": kind})
    )
    router = Router(model="acme/a:free", fallback_models=(), api_key=KEY, timeout=3.0)
    chat, index = ChatFreeRouter(router=router), FreeRouter(router=router)
    shown: list[object] = []
    if stream:
        reading = router.stream("x")
        shown += [*reading, reading.outcome, reading.outcome.journal.render()]
        shown += [*chat.stream("x"), *index.stream_complete("x")]
    else:
        outcome = router.chat("x")
        shown += [outcome, outcome.metadata, outcome.journal.render()]
        shown += [chat.invoke("x"), index.complete("x"), index.complete("x").raw]
    assert not hunt(repr(shown))
    assert "hello" in repr(shown)


# -- what is shown of what holds a key ------------------------------------------------------------


def test_no_repr_dump_or_cache_key_has_the_password_of_an_address() -> None:
    url = f"https://bob:{PASSWORD}@host/v1?key={ODD_KEY}"
    provider = Provider("lab", url, KEY)
    router = Router(base_url=url, api_key=KEY, providers=["openrouter", provider])
    chat = ChatFreeRouter(base_url=url, api_key=KEY, providers=[provider])
    index = FreeRouter(base_url=url, api_key=KEY, providers=[provider])
    account = Account("lab", url, KEY, models=f"{url}/models")
    console = Console(file=(out := io.StringIO()), width=4_000, color_system=None)
    for thing in (provider, router, chat, index, account, router.config):
        console.print(thing)
    shown = [
        out.getvalue(), repr([provider, router, chat, index, account, router.config]),
        str(router.describe()), json.dumps(chat.to_json(), default=str),
        str(chat._identifying_params), chat._get_llm_string(),
        str(chat.model_dump(exclude={"api_key"})),
        index.to_json(), str(index.to_dict()), str(index.to_payload()),
        repr(pickle.dumps(account)), account.address, account.scope, str(router.health),
    ]  # fmt: skip
    assert not hunt("\n".join(shown))
    assert "https://host/v1" in repr(router)


def test_settings_show_no_variable() -> None:
    settings = Settings.load()

    assert not hunt(repr(settings) + repr(settings.environment) + str(vars(settings)))
    assert settings.environment.get("GROQ_API_KEY") == ODD_KEY
    assert not isinstance(settings.environment, Mapping)
    assert not hunt(repr(captured(settings.environment)))


@pytest.mark.parametrize("secret", [KEY, ODD_KEY, f"http://u:{PASSWORD}@h/v1"])
@pytest.mark.parametrize("before", [[], ["models"], ["chat", "x"], ["local"], ["serve"]])
@pytest.mark.parametrize("dashes", ["", "--"])
def test_no_usage_error_of_the_command_shows_a_key(
    secret: str, before: list[str], dashes: str
) -> None:
    result = CliRunner().invoke(cli, [*before, f"{dashes}{secret}"])
    assert result.exit_code == 2
    assert not hunt(result.output)
