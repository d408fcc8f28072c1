"""Settings, router options and providers from freerouter.toml and freerouter.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freerouter_core import Limit, Router, Settings, errors
from freerouter_core.client.resolve import Resolved, resolve


def resolved(**options: Any) -> Resolved:
    return resolve(Router(**{"api_key": "sk-test", **options}).config, Settings.load())


TOML = """
openrouter_timeout = 7
chat_fallback_models = ["a/b:free", "c/d:free"]

[providers.mine]
base_url = "http://127.0.0.1:9/v1"
keys = ["MINE_KEY"]
free = ["good-*"]
limits = [{ requests = 5, per = 60.0 }]

[providers.groq]
limits = []
"""


YAML = """
openrouter_timeout: 7
chat_fallback_models: a/b:free, c/d:free
providers:
  mine:
    base_url: "http://127.0.0.1:9/v1"
    keys: [MINE_KEY]
    free: ["good-*"]
    limits: [{requests: 5, per: 60.0}]
  groq: {limits: []}
"""


@pytest.mark.parametrize("home", [False, True])
@pytest.mark.parametrize(("name", "text"), [("freerouter.toml", TOML), ("freerouter.yaml", YAML)])
def test_a_file_sets_variables_and_adds_providers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, home: bool
) -> None:
    folder = tmp_path / "config" / "freerouter" if home else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MINE_KEY", "sk-mine")
    monkeypatch.setenv("GROQ_API_KEY", "sk-groq")
    assert Settings.load().openrouter_timeout == 7
    assert Settings.load().fallback_models == ("a/b:free", "c/d:free")
    if not home:  # found in the working directory: a provider of its own waits to be named
        assert list(resolved().accounts) == ["openrouter", "groq"]
        assert list(resolved(providers=["mine"]).accounts) == ["mine"]
        monkeypatch.setenv("FREEROUTER_PROVIDERS", "mine")
    accounts = resolved().accounts
    assert sorted(accounts) == ["groq", "mine", "openrouter"]
    mine = accounts["mine"]
    assert (mine.key, mine.base_url, mine.free) == ("sk-mine", "http://127.0.0.1:9/v1", ("good-*",))
    assert mine.limits == (Limit(requests=5, per=60.0),)
    assert accounts["groq"].limits == () and accounts["groq"].base_url.startswith(
        "https://api.groq.com"
    )
    assert resolved(privacy="no-train").accounts.keys() == accounts.keys()
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
def test_an_error_in_a_file_is_named_without_its_value(
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
        ("freerouter.toml",
         ('[router]\nstrategy = "cost_based"\nmax_latency_ms = 2500\nmax_retries = '
          '2\nexclude_failed = 1800')),
        ("freerouter.yaml",
         ("router: {strategy: cost_based, max_latency_ms: 2500, max_retries: 2, exclude_failed: "
          "1800}")),
    ],
)  # fmt: skip
def test_router_options_of_a_file_replace_defaults(
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


@pytest.mark.parametrize("text", ["- a\n- b", "a: [", ""])
def test_yaml_that_is_not_a_table_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    (tmp_path / "freerouter.yml").write_text(text)
    monkeypatch.chdir(tmp_path)
    if not text:
        assert Settings.load().openrouter_timeout == 60
        return
    with pytest.raises(errors.BadSetting, match=r"freerouter\.yml"):
        Settings.load()


def test_off_in_yaml_is_the_word_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "freerouter.yaml").write_text("router: {hedge: off}")

    assert resolved().policy.hedge == "off"


@pytest.mark.parametrize(
    "row",
    [
        'base_url = "http://127.0.0.1:9/v1"\nkeys = ["OPENROUTER_API_KEY"]',
        'base_url = "http://127.0.0.1:9/v1"\nkeys = ["MINE", "GROQ_API_KEY"]',
        'base_url = "http://127.0.0.1:9/{OPENROUTER_API_KEY}/v1"\nkeyless = true',
        'base_url = "http://127.0.0.1:9/v1"\nmodels = "http://127.0.0.1:9/{MY_TOKEN}"',
    ],
)
def test_a_file_cannot_send_a_providers_key_elsewhere(
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
