"""Every variable users already have set is honoured, in its order of precedence."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from freerouter_core import Limit, Model, Need, Provider, Router, Settings, errors
from freerouter_core.client.resolve import Resolved, resolve
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter


def resolved(**options: Any) -> Resolved:
    return resolve(Router(**{"api_key": "sk-test", **options}).config, Settings.load())


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        (
            "OPENROUTER_BASE_URL",
            "http://127.0.0.1:9/v1",
            "openrouter_base_url",
            "http://127.0.0.1:9/v1",
        ),
        ("OPENROUTER_DEFAULT_MODEL", "a/b:free", "openrouter_default_model", "a/b:free"),
        (
            "OPENROUTER_FALLBACK_MODELS",
            "a/b:free, c/d:free,",
            "openrouter_fallback_models",
            ("a/b:free", "c/d:free"),
        ),
        ("OPENROUTER_TIMEOUT", "7.5", "openrouter_timeout", 7.5),
        ("OPENROUTER_RETRY_ATTEMPTS", "5", "openrouter_retry_attempts", 5),
        ("OPENROUTER_RETRY_BACKOFF_BASE", "0.5", "openrouter_retry_backoff_base", 0.5),
        ("OPENROUTER_RETRY_BACKOFF_MAX", "3", "openrouter_retry_backoff_max", 3.0),
        ("OPENROUTER_RETRY_JITTER", "0", "openrouter_retry_jitter", 0.0),
        ("OPENROUTER_SHOW_FREE_ONLY", "true", "openrouter_show_free_only", True),
        ("OPENROUTER_PREFER_FREE_MODELS", "false", "openrouter_prefer_free_models", False),
        ("OPENROUTER_MAX_COST_PER_TOKEN", "0.000002", "openrouter_max_cost_per_token", 0.000002),
        ("FREE_MODELS_REFRESH", "1h30m", "free_models_refresh", 5400.0),
        ("FREE_MODELS_REFRESH", "30m", "free_models_refresh", 1800.0),
        ("CHAT_MODEL", "a/b:free", "chat_model", "a/b:free"),
        ("CHAT_MODEL", "", "chat_model", None),
        ("CHAT_FALLBACK_MODELS", "c/d:free", "chat_fallback_models", ("c/d:free",)),
        ("FREEROUTER_PROVIDERS", "groq,mistral", "freerouter_providers", ("groq", "mistral")),
        ("DEV_MODE", "true", "dev_mode", True),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env", "secrets.env"])
def test_every_variable_from_everywhere(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: str,
    field: str,
    expected: Any,
    where: str,
) -> None:
    if where == "environment":
        monkeypatch.setenv(name, value)
    else:
        (tmp_path / where).write_text(f"{name}={value}\n")

    assert getattr(Settings.load(), field) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENROUTER_TIMEOUT", "-1"), ("OPENROUTER_TIMEOUT", "soon"), ("OPENROUTER_RETRY_ATTEMPTS", "0"),
        ("OPENROUTER_RETRY_JITTER", "2"), ("FREE_MODELS_REFRESH", "often"), ("FREE_MODELS_REFRESH", "-1h"), ("DEV_MODE", "perhaps"),
    ],
)  # fmt: skip
def test_nonsense_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(errors.BadSetting, match=name) as caught:
        Settings.load()

    assert caught.value.hint


def test_the_environment_is_over_the_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENROUTER_TIMEOUT=1\n")
    monkeypatch.setenv("OPENROUTER_TIMEOUT", "2")

    assert Settings.load().openrouter_timeout == 2


def test_the_key_is_found_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("OPENROUTER_API_KEY=sk-from-file\n")

    assert resolve(Router().config, Settings.load()).accounts["openrouter"].key == "sk-from-file"


def test_without_a_key_the_error_says_what_to_do() -> None:
    with pytest.raises(errors.AuthenticationFailed, match="OPENROUTER_API_KEY") as caught:
        ChatFreeRouter().invoke("x")

    assert "DEV_MODE" in caught.value.hint
    assert caught.value.status_code is None


@pytest.mark.parametrize("key", ["sk-or-…", "sk or", "sk\nor", "sk-\x7f"])
def test_a_key_that_cannot_be_one_is_said_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", key)
    with pytest.raises(errors.BadSetting, match="no key has") as caught:
        Router().check()

    assert key not in str(caught.value)


def test_blanks_around_a_key_are_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", " sk-blank\r\n")

    assert resolve(Router().config, Settings.load()).accounts["openrouter"].key == "sk-blank"


def test_order_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requested, then the default, then the fallback list: FEATURES E2. OPENROUTER_* is over CHAT_*."""
    monkeypatch.setenv("CHAT_MODEL", "chat/default:free")
    monkeypatch.setenv("CHAT_FALLBACK_MODELS", "chat/fallback:free")
    assert resolved().policy.preferred == ("chat/default:free", "chat/fallback:free")
    monkeypatch.setenv("OPENROUTER_DEFAULT_MODEL", "or/default:free")
    monkeypatch.setenv("OPENROUTER_FALLBACK_MODELS", "or/one:free,or/two:free")

    assert resolved(model="x/y:free").policy.preferred == (
        "x/y:free",
        "or/default:free",
        "or/one:free",
        "or/two:free",
    )
    assert resolved(model="x/y:free", fallback_models=["f:free"]).policy.preferred == (
        "x/y:free",
        "f:free",
    )
    only = resolved(model="x/y:free", fallback_models=()).policy
    assert (only.preferred, only.others) == (("x/y:free",), False)


def test_an_argument_is_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_TIMEOUT", "7")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-env")
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://env.test/v1")

    assert resolved().timeout == 7
    assert resolved(timeout=60.0).timeout == 60
    assert resolved(timeout=None).timeout is None
    account = resolved(api_key="sk-arg", base_url="http://arg.test/v1").accounts["openrouter"]
    assert (account.key, account.base_url) == ("sk-arg", "http://arg.test/v1")
    assert ChatFreeRouter()._router.timeout is not None
    assert resolve(ChatFreeRouter(timeout=60.0)._router.config, Settings.load()).timeout == 60
    assert resolve(ChatFreeRouter()._router.config, Settings.load()).timeout == 7


def test_no_setting_turns_paying_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_PREFER_FREE_MODELS", "false")
    monkeypatch.setenv("OPENROUTER_MAX_COST_PER_TOKEN", "1")

    assert not resolved().policy.allow_paid


def test_dev_mode_answers_without_anyone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DEV_MODE", "true")
    monkeypatch.setenv(
        "OPENROUTER_API_KEY", "sk-env"
    )  # lying in the environment, it does not switch DEV_MODE off
    with caplog.at_level(logging.WARNING, "freerouter"):
        message = ChatFreeRouter().invoke("hello")

    assert message.response_metadata["simulated"] is True
    assert "DEV_MODE" in caplog.text


@respx.mock
def test_dev_mode_yields_to_a_key_in_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV_MODE", "true")
    asked = respx.route(host="openrouter.ai").mock(
        httpx.Response(401, json={"error": {"message": "no", "code": 401}})
    )
    with pytest.raises(errors.AuthenticationFailed):
        ChatFreeRouter(api_key="sk-code", model="a/b:free", fallback_models=()).invoke("x")

    assert asked.called


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "best"}, {"prefer": "cheap"}, {"privacy": "none"}, {"timeout": 0}, {"max_retries": -1},
        {"max_failures": 0}, {"tool_streaming": "no"}, {"hedge": "always"}, {"on_stream_break": "carry on"}, {"http_client": httpx.Client()},
    ],
)  # fmt: skip
def test_options_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.BadSetting):
        Router(api_key="k", base_url="http://127.0.0.1:9", **wrong).chat("x")


def test_auto_with_no_fallbacks_leaves_nobody() -> None:
    with pytest.raises(errors.BadSetting, match="leaves no model"):
        Router(api_key="k", fallback_models=()).chat("x")


def test_a_typo_is_no_setting() -> None:
    with pytest.raises(errors.BadSetting, match="temprature") as caught:
        ChatFreeRouter(temprature=0)  # type: ignore[call-arg]  # that is the point

    assert "temperature" in caught.value.hint


def test_routers_are_equal_by_policy_and_frozen() -> None:
    one = Router(
        api_key="k",
        fallback_models=["a"],
        providers=[Provider("openrouter", limits=[Limit(requests=1)])],
    )
    two = Router(
        api_key="k",
        fallback_models=("a",),
        providers=(Provider("openrouter", limits=[Limit(requests=1)]),),
    )

    assert one == two
    assert hash(one) == hash(two)
    with pytest.raises(AttributeError):
        one.model = "x"  # type: ignore[misc]


def test_a_strategy_of_ones_own() -> None:
    from freerouter_core.simulator import SimModel, World

    def by_name(need: Need, models: Sequence[Model]) -> list[Model]:
        return sorted((m for m in models if "b" not in m.id), key=lambda m: m.id, reverse=True)

    with World(
        [SimModel(f"{x}/m:free", script=["502"] if x == "d" else []) for x in "abcd"]
    ) as world:
        world.router(strategy=by_name).chat("x")

        assert world.asked == ["d/m:free", "c/m:free"]


@pytest.mark.parametrize(
    "strategy",
    ["adaptive", "round_robin", "random", "context", "performance", "cost", "availability"],
)
def test_strategies_by_name(strategy: str) -> None:
    from freerouter_core.simulator import SimModel, World

    models = [SimModel(f"{x}/m:free", context=(n + 1) * 40_000) for n, x in enumerate("abcd")]
    with World(models) as world:
        router = world.router(strategy=strategy)
        for _ in range(8):
            router.chat("x")
        asked = world.asked

    if strategy == "round_robin":
        assert sorted(asked) == sorted([m.id for m in models] * 2)
        assert len(set(asked[:4])) == 4
    if strategy == "context":
        assert set(asked) == {"d/m:free"}
    if strategy == "random":
        assert len(set(asked)) > 1


@pytest.mark.parametrize("timeout", [None, 60.0, 7.0])
def test_a_described_router_comes_back_as_it_was(timeout: float | None) -> None:
    router = Router(
        api_key="k", timeout=timeout, providers=[Provider("openrouter", limits=[Limit(requests=2)])]
    )
    options: dict[str, Any] = {"api_key": "k", "router": router.describe()}
    again = ChatFreeRouter(**options).make_router()

    assert again.timeout == timeout
    assert again.providers == router.providers
    assert "timeout" not in Router(api_key="k").describe()


def test_thinking_is_not_switched_off_where_a_model_must_think() -> None:
    from freerouter_core.catalogue.providers import Account
    from freerouter_core.wire.body import build_body
    from freerouter_core.wire.request import ChatRequest

    account = Account("openrouter", "https://x.test/v1", "k", "openrouter")
    parameters = frozenset({"reasoning"})
    free, bound = (
        Model("m", parameters=parameters, reasoning_mandatory=must) for must in (False, True)
    )
    request = ChatRequest.of("x").but(reasoning=False)

    assert build_body(request, free, account, stream=False)[0]["reasoning"] == {"enabled": False}
    assert "reasoning" not in build_body(request, bound, account, stream=False)[0]


def test_observers_are_told_in_order_and_flush_waits_for_them() -> None:
    from freerouter_core import events
    from freerouter_core.simulator import SimModel, World

    told: list[object] = []
    with World(
        [SimModel("a/m:free", context=900_000, script=["empty"]), SimModel("b/m:free")]
    ) as world:
        router = world.router(strategy="context")
        stop = router.subscribe(told.append)
        router.chat("x")
        world.runtime.flush()
        kinds = [type(event) for event in told]
        stop()
        router.chat("y")
        world.runtime.flush()

    assert kinds == [
        events.ModelsFetched,
        events.ModelChosen,
        events.AttemptFailed,
        events.ModelChosen,
        events.Answered,
    ]
    assert len(told) == len(kinds)


TOML = """
openrouter_timeout = 7
chat_fallback_models = ["a/b:free", "c/d:free"]

[providers.mine]
base_url = "http://127.0.0.1:9/v1"
keys = ["MY_KEY"]
free = ["good-*"]
limits = [{ requests = 5, per = 60.0 }]

[providers.groq]
limits = []
"""
YAML = """
openrouter_timeout: 7
chat_fallback_models: a/b:free, c/d:free
providers:
  mine: {base_url: "http://127.0.0.1:9/v1", keys: [MY_KEY], free: ["good-*"], limits: [{requests: 5, per: 60.0}]}
  groq: {limits: []}
"""


@pytest.mark.parametrize("home", [False, True])
@pytest.mark.parametrize(("name", "text"), [("freerouter.toml", TOML), ("freerouter.yaml", YAML)])
def test_settings_and_providers_of_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, home: bool
) -> None:
    folder = tmp_path / "config" / "freerouter" if home else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MY_KEY", "sk-mine")
    monkeypatch.setenv("GROQ_API_KEY", "sk-groq")
    assert Settings.load().openrouter_timeout == 7
    assert Settings.load().fallback_models == ("a/b:free", "c/d:free")
    accounts = resolved().accounts
    assert list(accounts) == ["openrouter", "mine", "groq"]
    mine = accounts["mine"]
    assert (mine.key, mine.base_url, mine.free) == ("sk-mine", "http://127.0.0.1:9/v1", ("good-*",))
    assert mine.limits == (Limit(requests=5, per=60.0),)
    assert accounts["groq"].limits == () and accounts["groq"].base_url.startswith(
        "https://api.groq.com"
    )
    assert list(resolved(privacy="no-train").accounts) == ["openrouter", "mine", "groq"]
    monkeypatch.setenv("OPENROUTER_TIMEOUT", "3")
    assert Settings.load().openrouter_timeout == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("openrouter_timout = 7", "did you mean openrouter_timeout"),
        ("openrouter_timeout = -7", "OPENROUTER_TIMEOUT"),
        ('openrouter_api_key = "sk-secret"', "does not belong in this file"),
        (
            '[providers.mine]\nbase_url = "http://h/v1"\napi_key = "sk-secret"',
            "does not belong in this file",
        ),
        ('[providers.mine]\nbase_url = "ftp://sk-secret"', "providers.mine.base_url"),
        ('[providers.mine]\nlimit = "sk-secret"', "providers.mine.limit"),
        ("[providers.mine]\nlimits = [{ request = 5 }]", "request"),
        ("[providers.mine]\nlimits = [{ requests = 5, tokens = 6 }]", "exactly one"),
        ("[providers.mine]\nfree = 'all'", "base_url"),
        ("providers = 3", "providers"),
        ("= sk-secret", "freerouter.toml cannot be read"),
        ("[router]\nstratgy = 'sk-secret'", "router.stratgy"),
        ("[router]\nstrategy = 'sk-secre'", "[router] table"),
        ("[router]\nmax_retries = '3'", "router.max_retries"),
        ("[router]\nmax_retries = -3", "must not be negative"),
        ("[router]\nallow_paid = true", "nothing but code allows paying"),
        ("router = 3", "router"),
    ],
)
def test_a_file_that_is_wrong_says_what_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "freerouter.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.BadSetting) as caught:
        resolved()
    assert words in f"{caught.value} {caught.value.hint}"
    assert "sk-secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("freerouter.toml", '[router]\nstrategy = "cost_based"\nmax_latency_ms = 2500\nmax_retries = 2\nexclude_failed = 1800'),
        ("freerouter.yaml", "router: {strategy: cost_based, max_latency_ms: 2500, max_retries: 2, exclude_failed: 1800}"),
    ],
)  # fmt: skip
def test_options_of_a_file_stand_for_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-test")
    policy = resolved().policy
    mine = resolved(strategy="random", max_retries=7, max_latency=1.0).policy

    assert (policy.strategy, policy.max_latency, policy.max_retries, policy.exclude_failed) == (
        "cost",
        2.5,
        2,
        1800,
    )
    assert (mine.strategy, mine.max_latency, mine.max_retries, mine.exclude_failed) == (
        "random",
        1.0,
        7,
        1800,
    )
    assert Settings.load().policy["strategy"] == "cost_based"


@pytest.mark.parametrize("name", ["performance", "cost", "availability"])
def test_strategies_have_the_names_others_know(name: str) -> None:
    assert Router(strategy=f"{name}_based") == Router(strategy=name)


def test_a_failed_model_is_left_out_for_as_long_as_one_says() -> None:
    with World([SimModel("a/x:free", script=["502"]), SimModel("b/y:free")]) as world:
        router = world.router(strategy="context", exclude_failed=1_800)
        router.chat("hello")
        (row,) = [row for row in router.health().rows if row.model.id == "a/x:free"]
        assert row.returns == pytest.approx(1_800, abs=5)
        world.clock.advance(1_790)
        assert router.chat("hello").answer.model == "b/y:free"
        world.clock.advance(20)
        assert router.chat("hello").answer.model == "a/x:free"


@pytest.mark.parametrize("text", ["- a\n- b", "a: [", ""])
def test_yaml_that_is_no_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "freerouter.yml").write_text(text)
    monkeypatch.chdir(tmp_path)
    if not text:
        assert Settings.load().openrouter_timeout == 60
        return
    with pytest.raises(errors.BadSetting, match=r"freerouter\.yml"):
        Settings.load()


@pytest.mark.parametrize(
    "row",
    [
        'base_url = "http://127.0.0.1:9/v1"\nkeys = ["OPENROUTER_API_KEY"]',
        'base_url = "http://127.0.0.1:9/v1"\nkeys = ["MINE", "GROQ_API_KEY"]',
        'base_url = "http://127.0.0.1:9/{OPENROUTER_API_KEY}/v1"\nkeyless = true',
        'base_url = "http://127.0.0.1:9/v1"\nmodels = "http://127.0.0.1:9/{MY_TOKEN}"',
    ],
)
def test_a_file_sends_nobodys_key_to_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, row: str
) -> None:
    (tmp_path / "freerouter.toml").write_text(f"[providers.lab]\n{row}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.BadSetting, match="must not") as caught:
        resolved()
    assert "variable" in caught.value.hint

    for address in ("base_url", "models"):
        (tmp_path / "freerouter.toml").write_text(
            f'[providers.groq]\n{address} = "http://127.0.0.1:9/v1"'
        )
        with pytest.raises(errors.BadSetting, match="GROQ_API_KEY"):
            resolved()
    (tmp_path / "freerouter.toml").write_text("[providers.groq]\nlimits = [{ requests = 5 }]")
    resolved()


def test_where_a_setting_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "freerouter.toml").write_text("openrouter_timeout = 31\nfree_models_refresh = '2h'")
    (tmp_path / ".env").write_text(
        "OPENROUTER_TIMEOUT=12\nOPENROUTER_RETRY_ATTEMPTS=4\nOPENROUTER_API_KEY=sk-env"
    )
    (tmp_path / "secrets.env").write_text("openrouter_timeout=13")
    monkeypatch.setenv("openrouter_retry_jitter", "0.5")
    monkeypatch.setenv("OPENROUTER_API_KEY", "")
    settings = Settings.load()
    origins = {name: settings.origin(name) for name in Settings.model_fields}

    assert (settings.openrouter_timeout, origins["openrouter_timeout"]) == (13, "secrets.env")
    assert origins["openrouter_retry_attempts"] == ".env"
    assert origins["openrouter_retry_jitter"] == "environment"
    assert origins["free_models_refresh"].endswith("freerouter.toml")
    assert origins["chat_model"] == "default"
    assert settings.environment["OPENROUTER_API_KEY"] == "sk-env"
    Router().check()


def test_a_dotenv_file_that_is_no_text_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"OPENROUTER_API_KEY=sk-\xff\xfe")
    with pytest.raises(errors.BadSetting, match=r"\.env cannot be read"):
        Settings.load()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("redis://u:pa@SECRET@h:1/0", "redis://…@h:1/0"),
        ("redis://u:p/w-SECRET@h", "redis://…@h"),
        ("https://h/v1?key=SECRET&x=1", "https://h/v1?key=…&x=…"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("memory", "memory"),
    ],
)
def test_a_url_is_shown_without_what_is_secret(value: str, shown: str) -> None:
    from freerouter_core.apps.cli.config import mask_url

    assert mask_url(value) == shown


def test_yaml_s_off_is_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "freerouter.yaml").write_text("router: {hedge: off}")

    assert resolved().policy.hedge == "off"
