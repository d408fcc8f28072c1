"""Limits, providers, rows of providers.toml, and the accounts they make."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from freerouter_core import Limit, Provider, errors
from freerouter_core.catalogue.provider_rows import merge_rows, read_rows, resolve_account
from freerouter_core.catalogue.providers import Account

ROWS = read_rows(
    """
    [acme]
    base_url = "https://acme.test/v1/"
    keys = ["ACME_KEY", "ACME_OLD_KEY"]
    base_url_variable = "ACME_URL"
    models = "https://acme.test/list"
    free = ["a", "b*"]
    limits = [{ requests = 3 }, { tokens = 9, scope = "model" }]
    privacy = "trains"
    dialect = "openrouter"

    [open]
    base_url = "https://open.test/v1"
    keys = ["OPEN_KEY"]
    keyless = true

    [mine]
    base_url = "http://localhost:1/v1"
    models = "/api/tags"
    local = true

    [cloud]
    base_url = "https://cloud.test/{CLOUD_ID}/v1"
    models = "https://cloud.test/{CLOUD_ID}/models"
    """
)


def account(provider: Provider, **environment: str) -> Account:
    resolved = resolve_account(provider, ROWS, environment)
    assert resolved is not None
    return resolved


# -- limits and providers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"requests": 1, "tokens": 1},
        {"requests": -1},
        {"requests": 1, "per": 0},
        {"requests": 1, "scope": "world"},
        {"requests": 1, "reset": "yearly"},
    ],
)
def test_a_limit_that_says_too_little_or_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.BadSetting):
        Limit(**wrong)


def test_a_limit_may_be_zero_and_is_of_requests_first() -> None:
    assert Limit(0).requests == 0
    assert Limit(3) == Limit(requests=3, per=60.0, scope="account", reset="rolling")


def test_a_rule_for_free_models_is_a_known_word_or_a_list() -> None:
    assert Provider("acme", free="all").free == "all"
    assert Provider("acme", free="tier=turbo").free == "tier=turbo"
    with pytest.raises(errors.BadSetting, match='free is "suffix", "price", "all", "field=value"'):
        Provider("acme", free="sometimes")


@pytest.mark.parametrize("name", ["", None, 7])
def test_a_provider_needs_a_name(name: Any) -> None:
    with pytest.raises(errors.BadSetting, match="needs a name"):
        Provider(name)


def test_a_provider_takes_what_is_natural_to_write() -> None:
    provider = Provider(
        "acme", "https://h/v1/", "", free=["a"], limits=[Limit(1)], headers={"X": "1"}
    )

    assert provider.base_url == "https://h/v1"
    assert provider.api_key is None
    assert provider.free == ("a",)
    assert provider.limits == (Limit(1),)
    assert provider.headers == (("X", "1"),)
    assert provider == Provider(
        "acme", "https://h/v1", free=["a"], limits=(Limit(1),), headers=[("X", "1")]
    )


def test_a_secret_is_opened_and_is_in_no_repr() -> None:
    class Secret(str):
        def get_secret_value(self) -> str:
            return "opened"

    provider = Provider("acme", api_key=Secret("closed"), headers={"X": "hidden"})

    assert provider.api_key == "opened"
    assert "opened" not in repr(provider)
    assert "hidden" not in repr(provider)


# -- rows ------------------------------------------------------------------------------------------


def test_rows_have_limits_and_lists_that_cannot_change() -> None:
    assert ROWS["acme"]["limits"] == (Limit(3), Limit(tokens=9, scope="model"))
    assert ROWS["acme"]["free"] == ("a", "b*")
    assert "limits" not in ROWS["open"]


def test_own_rows_override_known_ones_and_add_others() -> None:
    rows = merge_rows(ROWS, {"acme": {"privacy": "no-train"}, "other": {"free": "all"}})

    assert rows["acme"] == {**ROWS["acme"], "privacy": "no-train"}
    assert rows["other"] == {"free": "all"}
    assert ROWS["acme"]["privacy"] == "trains"


def test_another_address_inherits_nothing_that_belongs_to_the_old_one() -> None:
    row = merge_rows(ROWS, {"acme": {"base_url": "https://h/v1"}})["acme"]

    assert row["base_url"] == "https://h/v1"
    assert not {"models", "base_url_variable", "ended"} & row.keys()
    assert row["keys"] == ROWS["acme"]["keys"]


# -- accounts --------------------------------------------------------------------------------------


def test_a_row_and_a_key_make_an_account() -> None:
    acme = account(Provider("acme"), ACME_OLD_KEY=" k ")

    assert acme == Account(
        "acme",
        "https://acme.test/v1",
        "k",
        dialect="openrouter",
        free=("a", "b*"),
        limits=(Limit(3), Limit(tokens=9, scope="model")),
        models="https://acme.test/list",
        keys=("ACME_KEY", "ACME_OLD_KEY"),
        privacy="trains",
    )


def test_the_first_key_that_is_set_counts_and_a_providers_own_before_it() -> None:
    keys = {"ACME_KEY": "", "ACME_OLD_KEY": "old"}

    assert account(Provider("acme"), **keys).key == "old"
    assert account(Provider("acme"), **{**keys, "ACME_KEY": "new"}).key == "new"
    assert account(Provider("acme", api_key="own"), **keys).key == "own"


def test_a_provider_without_its_key_is_no_account_unless_it_answers_without_one() -> None:
    assert resolve_account(Provider("acme"), ROWS, {}) is None
    assert account(Provider("open")).key == ""
    assert account(Provider("mine")).key == ""


def test_what_a_provider_states_counts_before_its_row() -> None:
    own = Provider("acme", api_key="k", free="price", limits=[], headers={"X": "1"})
    acme = account(own)

    assert (acme.free, acme.limits, acme.headers) == ("price", (), (("X", "1"),))
    assert account(Provider("open")).free == "all"
    assert account(Provider("open")).privacy == "unknown"
    assert account(Provider("mine")).local
    assert not account(Provider("open")).local


@pytest.mark.parametrize(
    ("base_url", "variable", "address", "models"),
    [
        (None, "", "https://acme.test/v1", "https://acme.test/list"),
        (None, "https://gate/v1", "https://gate/v1", "https://acme.test/list"),
        ("https://own/v1", "https://gate/v1", "https://own/v1", ""),
    ],
)
def test_the_address_is_the_providers_own_or_the_environments_or_the_rows(
    base_url: str | None, variable: str, address: str, models: str
) -> None:
    acme = account(Provider("acme", base_url, "k"), ACME_URL=variable)

    assert (acme.base_url, acme.models) == (address, models)


def test_a_path_to_the_model_list_follows_the_base_url() -> None:
    assert account(Provider("mine")).models == "http://localhost:1/api/tags"
    assert account(Provider("mine", "http://h:2/v1")).models == "http://h:2/api/tags"


def test_variables_in_an_address_are_filled_in_from_the_environment() -> None:
    cloud = account(Provider("cloud"), CLOUD_ID="7")

    assert (cloud.base_url, cloud.models) == (
        "https://cloud.test/7/v1",
        "https://cloud.test/7/models",
    )
    with pytest.raises(errors.BadSetting, match="'cloud' needs CLOUD_ID"):
        resolve_account(Provider("cloud"), ROWS, {"CLOUD_ID": ""})


def test_a_provider_of_which_nothing_is_known_needs_an_address() -> None:
    with pytest.raises(errors.BadSetting, match="'other' is not known"):
        resolve_account(Provider("other"), ROWS, {})
    assert account(Provider("other", "https://h/v1")).base_url == "https://h/v1"


@pytest.mark.parametrize("key", ["kéy", "a b", "a\tb", "a\x00b"])
def test_a_key_with_a_letter_that_no_key_has_is_refused(key: str) -> None:
    with pytest.raises(errors.BadSetting, match="has a character that no key has"):
        resolve_account(Provider("acme", api_key=key), ROWS, {})


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://h/v1", "https://h/v1"),
        ("https://bob:sesame@h/v1", "https://h/v1#"),
        ("https://h/v1?key=sesame", "https://h/v1#"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, address: str) -> None:
    shown = Account("p", url, "k").address

    assert shown.startswith(address)
    assert "sesame" not in shown
    assert len(shown) - len(address) == (0 if url == address else 8)


def test_a_scope_tells_keys_apart_without_showing_them() -> None:
    one, two = Account("p", "https://h/v1", "sk-one"), Account("p", "https://h/v1", "sk-two")

    assert one.scope != two.scope
    assert one.scope == Account("p", "https://h/v1", "sk-one", privacy="trains").scope
    assert Account("p", "https://h/v1", "").scope == "p|https://h/v1|keyless"
    assert "sk-one" not in one.scope + repr(one)


def test_a_pickled_account_has_lost_its_secrets_and_nothing_else() -> None:
    whole = Account(
        "p",
        "https://h/v1",
        "sk-one",
        dialect="openrouter",
        free=("a",),
        limits=(Limit(1),),
        headers=(("X", "hidden"),),
        simulated=True,
        models="https://h/list",
        privacy="trains",
        local=True,
    )
    again = pickle.loads(pickle.dumps(whole))

    assert again == Account(
        "p",
        "https://h/v1",
        "",
        dialect="openrouter",
        free=("a",),
        limits=(Limit(1),),
        simulated=True,
        models="https://h/list",
        privacy="trains",
        local=True,
    )
