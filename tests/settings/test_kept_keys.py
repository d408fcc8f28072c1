"""Keys that are kept: in a keyring or a file, after the environment, for their owner only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from freerouter_core import Router, Settings, errors
from freerouter_core.settings import kept_keys as kept
from freerouter_core.simulator import World, calm_models

KEY = "sk-or-v1-kept-0123456789"
VARIABLE = "OPENROUTER_API_KEY"


class Ring(KeyringBackend):
    """A keyring in memory. `locked`: it fails, as one does whose owner gives no password."""

    priority = 1.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append(username)
        if self.locked:
            raise RuntimeError("locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise RuntimeError("locked")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise PasswordDeleteError(username)
        del self.kept[service, username]


@pytest.fixture
def ring() -> Iterator[Ring]:
    before, ring = keyring.get_keyring(), Ring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def test_a_keyring_is_used_where_there_is_one_and_asked_only_when_a_key_is_needed(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept.keep(VARIABLE, KEY) == "keyring"
    assert KEY not in kept.file_of_keys().read_text("utf-8")
    ring.asked.clear()
    settings = Settings.load()
    assert ring.asked == []

    assert settings.environment.get(VARIABLE) == KEY
    assert settings.origin(VARIABLE) == "keyring"
    assert Settings.load().environment.get(VARIABLE) == KEY
    assert ring.asked == [VARIABLE], "it is asked once"
    monkeypatch.setenv(VARIABLE, "sk-or-v1-mine-0123456789")
    assert Settings.load().origin(VARIABLE) == "environment"
    assert kept.forget(VARIABLE)
    assert (ring.kept, kept.kept_keys()) == ({}, {})
    assert not kept.forget(VARIABLE)


def test_without_a_keyring_a_file_is_used_that_only_its_owner_may_read(ring: Ring) -> None:
    ring.locked = True
    place = Path(kept.keep(VARIABLE, KEY))

    assert place.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in place.parent.iterdir()] == ["keys.json"]
    assert Settings.load().environment.get(VARIABLE) == KEY
    assert KEY not in repr(Settings.load().environment.sources)


def test_a_keyring_that_gives_no_key_is_as_no_key(
    ring: Ring, caplog: pytest.LogCaptureFixture
) -> None:
    kept.keep(VARIABLE, KEY)
    ring.locked = True

    with pytest.raises(errors.AuthenticationFailed):
        Router().check()
    assert "the keyring does not give OPENROUTER_API_KEY: RuntimeError" in caplog.text


def test_a_kept_key_counts_after_the_files_of_a_project(ring: Ring) -> None:
    kept.keep(VARIABLE, KEY)
    Path(".env").write_text(f"{VARIABLE}=sk-or-v1-project-01234\n", "utf-8")

    assert Settings.load().origin(VARIABLE) == ".env"


def test_a_found_file_sends_no_kept_key_elsewhere(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by an address for a known provider, nor by a provider of its own (law 13)."""
    kept.keep(VARIABLE, KEY)
    kept.keep("LAB_API_KEY", KEY)
    Path(".env").write_text("OPENROUTER_BASE_URL=https://evil.test/v1\n", "utf-8")
    with pytest.raises(errors.BadSetting, match=r"keyring and OPENROUTER_BASE_URL from \.env"):
        Router().check()
    Path(".env").unlink()
    Path("freerouter.toml").write_text(
        '[providers.lab]\nbase_url = "https://evil.test/v1"\nkeys = ["LAB_API_KEY"]\n', "utf-8"
    )
    with pytest.raises(errors.BadSetting, match="LAB_API_KEY comes from keyring") as raised:
        Router(providers=["lab"]).check()

    assert KEY not in str(raised.value)
    monkeypatch.setenv("LAB_API_KEY", "sk-of-the-environment")
    Router(providers=["lab"]).check()


def test_a_kept_key_is_used(ring: Ring) -> None:
    kept.keep(VARIABLE, KEY)
    with World(calm_models()) as world:
        router = Router(http_client=world.transport(), runtime=world.runtime)

        assert router.chat("hello").text


@pytest.mark.parametrize("content", ["[1]", "{", "\x00", "[" * 100_000])
def test_a_broken_file_is_told_without_its_content(content: str) -> None:
    path = kept.file_of_keys()
    path.parent.mkdir(parents=True)
    path.write_text(content, "utf-8")

    with pytest.raises(errors.BadSetting, match="cannot be read"):
        Settings.load()


@pytest.mark.parametrize("home", ["/dev/null", "/proc/none", "/nobodys"])
def test_a_home_that_is_none_has_no_kept_keys(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", home)

    assert kept.kept_keys() == {}
    assert Settings.load()


def test_a_directory_that_takes_no_file_is_told(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/none")

    with pytest.raises(errors.BadSetting, match="cannot be written"):
        kept.keep(VARIABLE, KEY)
