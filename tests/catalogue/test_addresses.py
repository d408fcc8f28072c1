"""Base URLs: what they are made of, what is shown of them, and what is sent to."""

from __future__ import annotations

import pytest

from freerouter_core import errors
from freerouter_core.catalogue.addresses import (
    address_at_host,
    address_name,
    check_address,
    is_private,
    join_address,
    shown_address,
    split_address,
    without_userinfo,
)
from freerouter_core.catalogue.providers import Provider


@pytest.mark.parametrize(
    ("address", "shown", "secrets"),
    [
        ("https://h/v1", "https://h/v1", ()),
        ("HTTPS://H:8080", "https://H:8080", ()),
        ("http://[::1]:11434/v1/", "http://[::1]:11434/v1", ()),
        ("https://bob:pw@h/v1", "https://h/v1", ("bob:pw", "pw")),
        ("https://bob@h", "https://h", ("bob",)),
        ("https://h?k=s", "https://h", ("k=s", "s")),
        ("https://h/v1?k=s&t=u#f", "https://h/v1", ("k=s&t=u", "s", "u")),
    ],
)
def test_an_address_has_parts(address: str, shown: str, secrets: tuple[str, ...]) -> None:
    parts = split_address(address)

    assert parts is not None
    assert (parts.shown, parts.secrets) == (shown, secrets)
    assert shown_address(address) == shown


@pytest.mark.parametrize(
    "address",
    [
        "",
        "sk-a-key",
        "ftp://h/v1",
        "https://",
        "https:///v1",
        "https://bob:pw@/v1",
        "https://bob:p/w@h/v1",
        "https://a@b@h/v1",
        "https://openrouter.ai\\@evil.test/v1",
        "https://h:port/v1",
        "https://h h/v1",
        "https://[h/v1",
    ],
)
def test_what_is_no_address_is_refused_unseen(address: str) -> None:
    assert split_address(address) is None
    assert shown_address(address) in ("", "(not an address)")
    with pytest.raises(errors.BadSetting, match="base_url of p is not an address") as caught:
        check_address(address, "p")
    assert len(address) <= len("https://") or address not in str(caught.value)


def test_no_address_is_shown_as_none() -> None:
    assert shown_address(None) is None
    assert check_address(" https://h/v1/ ", "p") == "https://h/v1"


@pytest.mark.parametrize(
    ("address", "path", "url"),
    [
        ("https://h/v1", "/models", "https://h/v1/models"),
        ("https://h/v1/", "/models", "https://h/v1/models"),
        ("https://h/v1?k=s", "/models", "https://h/v1/models?k=s"),
        ("https://h/v1?k=s#f", "/models?page=2", "https://h/v1/models?page=2&k=s"),
        ("https://h/v1", "/models/x://evil.test/endpoints", "https://h/v1/models/x://evil.test/endpoints"),
        ("https://h/v1?k=s", "https://other/list", "https://other/list"),
    ],
)  # fmt: skip
def test_a_path_goes_before_the_query(address: str, path: str, url: str) -> None:
    assert join_address(address, path) == url


def test_a_path_at_the_host_keeps_who_asks() -> None:
    assert address_at_host("https://b:p@h:1/v1?k=s", "/api/tags") == "https://b:p@h:1/api/tags?k=s"
    assert address_at_host("https://h", "/api/tags") == "https://h/api/tags"


def test_one_connects_without_user_and_password() -> None:
    assert without_userinfo("https://b:p@h/v1/@cf/x") == "https://h/v1/@cf/x"
    assert without_userinfo("https://@h/v1") == "https://h/v1"
    assert without_userinfo("https://h/v1/@cf/x") == "https://h/v1/@cf/x"
    assert without_userinfo("https://h/v1") == "https://h/v1"
    assert without_userinfo("no@address") == "no@address"


def test_what_is_learnt_is_stored_under_a_hash_of_the_secrets() -> None:
    assert address_name("https://h/v1") == "https://h/v1"
    names = {address_name(f"https://h/v1{end}") for end in ("?k=s", "?k=t", "#s")}
    assert len(names) == 3
    assert all(name.startswith("https://h/v1#") for name in names)


def test_a_provider_shows_no_secret_of_its_address() -> None:
    assert "pw" not in repr(Provider("p", "https://bob:pw@h/v1?k=pw"))
    with pytest.raises(errors.BadSetting, match="api_key must be text, not int"):
        Provider("p", api_key=7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("http://10.0.0.5:8000/v1", True),
        ("http://192.168.1.2/v1", True),
        ("http://[fd00::1]:8000/v1", True),
        ("http://127.0.0.1:1234/v1", True),
        ("http://gpu-box:8000/v1", True),
        ("http://box.local/v1", True),
        ("https://llm.corp.internal/v1", True),
        ("https://api.mistral.ai/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://localhost.evil.example/v1", False),
        ("no address", False),
    ],
)
def test_addresses_of_ones_own_network_are_known(address: str, private: bool) -> None:
    assert is_private(address) is private
