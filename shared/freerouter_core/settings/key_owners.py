"""Which key may go to which address (law 13).

The user's own words may send any key anywhere: code, the environment, and the settings file of the
user's configuration directory. A file that was merely found in the working directory may not:

- An address that it sets for a known provider is used only with a key from the same file.
- It may not move a known provider, nor widen what counts as free there.
- Its own providers use only variables that begin with the provider's name, and are asked only if
  code or the environment names them (`client.accounts`). They get no kept key (`kept_keys`).

`freerouter trust` makes a found file the user's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..catalogue.addresses import shown_address
from ..catalogue.pricing import matches_free_list
from ..catalogue.provider_rows import ProviderRow
from ..catalogue.providers import Provider
from ..errors import BadSetting, shown_name
from .environment import Settings
from .known_providers import known_providers

_SECRET_NAME = re.compile("KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
"""Variables with such names hold secrets, and an address must not contain those."""
_NOT_A_LETTER = re.compile(r"\W")
_VARIABLE = re.compile(r"\{(\w+)\}")
_MOVABLE = frozenset({"free", "limits", "privacy"})
"""What a found file may say of a known provider."""
_TRUST = "or say that the file is yours: `freerouter trust`"


def check_rows(settings: Settings) -> None:
    """Check the providers of the settings file.

    Raises:
        BadSetting: an address contains a secret, or a found file reaches for what is not its own.
    """
    for name, row in settings.providers.items():
        what = f"providers.{shown_name(name)}"
        for variable in _variables_in(row):
            if names_a_secret(variable):
                raise BadSetting(
                    f"{settings.file}: {what} must not have {variable} in an address",
                    hint="name the variable in keys, and it is sent as a key is",
                )
        if not settings.found:
            continue
        if name in known_providers():
            _check_known(what, row, known_providers()[name], settings.file)
        else:
            _check_own(what, name, row, settings.file)


def check_pair(provider: Provider, row: ProviderRow, settings: Settings) -> None:
    """Check that the address of a provider and the key that would go there belong together.

    Raises:
        BadSetting: they do not. Both origins are named, and neither value is shown.
    """
    _check_kept(provider, row, settings)
    variable = row.get("base_url_variable", "")
    address = settings.environment.source_of(variable)
    if provider.base_url or address is None or not address.found:
        return
    if provider.api_key or provider.headers:
        key, key_origin = "the key", "code"
    else:
        key = next((name for name in row.get("keys", ()) if settings.environment.get(name)), "")
        source = settings.environment.source_of(key)
        if source is None or source is address:
            return
        key_origin = source.name
    raise BadSetting(
        f"{key} comes from {key_origin} and {variable} from {address.name}: a file that was found "
        "in the working directory must not say where your key goes",
        hint=f"put both into {address.name}, or set {variable} in the environment, {_TRUST}",
    )


def _check_kept(provider: Provider, row: ProviderRow, settings: Settings) -> None:
    """A kept key is there in every directory, so it goes to no address that a found file names."""
    named_by_file = provider.name in settings.providers and provider.name not in known_providers()
    if not (settings.found and named_by_file) or provider.base_url or provider.api_key:
        return
    for key in row.get("keys", ()):
        source = settings.environment.source_of(key)
        if source is not None and source.kept:
            raise BadSetting(
                f"{key} comes from {source.name} and the address of {shown_name(provider.name)} "
                f"from {settings.file}: a file that was found in the working directory must not "
                "say where your key goes",
                hint=f"set {key} in the environment or in .env, {_TRUST}",
            )
        if source is not None:
            return


def names_a_secret(variable: str) -> bool:
    """Whether a variable's name says that it holds a secret. No address may contain one."""
    return _SECRET_NAME.search(variable) is not None


def is_named_by_user(name: str, settings: Settings) -> bool:
    """Whether the environment, or a file of the user's own, names a provider."""
    source = settings.environment.source_of("FREEROUTER_PROVIDERS")
    return name in settings.freerouter_providers and source is not None and not source.found


def _variables_in(row: ProviderRow) -> list[str]:
    addresses = (str(row.get("base_url", "")), str(row.get("models", "")))
    return [variable for address in addresses for variable in _VARIABLE.findall(address)]


def _check_known(what: str, row: ProviderRow, known: ProviderRow, file: str | None) -> None:
    for field in row.keys() - _MOVABLE:
        keys = ", ".join(known.get("keys", ())) or "what you send"
        raise BadSetting(
            f"{file}: {what} must not set {field} of a known provider"
            f"{_places(row, known) if field == 'base_url' else ''}: {keys} belongs there",
            hint=f"give your provider a name and a variable of its own, {_TRUST}",
        )
    if "free" in row and not _narrows(row["free"], known.get("free", "all")):
        raise BadSetting(
            f"{file}: {what} must not widen what is free at a known provider",
            hint=f"name some of its free models, {_TRUST}",
        )
    if row.get("privacy", "trains") not in ("trains", known.get("privacy")):
        raise BadSetting(
            f"{file}: {what} must not promise more privacy than is known",
            hint=_TRUST,
        )


def _places(row: ProviderRow, known: ProviderRow) -> str:
    return f" ({shown_address(str(known.get('base_url')))} to {shown_address(row['base_url'])})"


def _narrows(free: object, known: object) -> bool:
    """Whether a rule for free models allows nothing that the known one does not."""
    if free == known or known == "all":
        return True
    if not isinstance(free, list | tuple):
        return False
    return all("*" not in str(name) and matches_free_list(str(name), known) for name in free)


def _check_own(what: str, name: str, row: ProviderRow, file: str | None) -> None:
    prefix = _NOT_A_LETTER.sub("_", name).upper()
    owners = _owners()
    for variable in [*row.get("keys", ()), *_variables_in(row)]:
        owner = owners.get(variable)
        if owner is not None:
            raise BadSetting(
                f"{file}: {what} must not use {variable}, which belongs to {owner}",
                hint="give your provider a variable of its own, or pass "
                "Provider(…, api_key=…) in code",
            )
        if variable != prefix and not variable.startswith(f"{prefix}_"):
            raise BadSetting(
                f"{file}: {what} must not use {variable}: the file was found in the "
                f"working directory, so its variables begin with the provider's name",
                hint=f"call the variable {prefix}_API_KEY, {_TRUST}",
            )


def _owners() -> Mapping[str, str]:
    rows: Iterable[tuple[str, ProviderRow]] = known_providers().items()
    return {variable: name for name, row in rows for variable in row.get("keys", ())}
