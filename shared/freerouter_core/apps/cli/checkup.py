"""`checkup`: what is found out about each provider, its key, its address and its list of models."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ...catalogue.addresses import shown_address
from ...catalogue.provider_rows import ProviderRow, merge_rows
from ...client.router import Router
from ...errors import AuthenticationFailed, FreeRouterError
from ...events import Event, FetchFailed, log
from ...reports import HealthReport
from ...runtime.key_proof import KeyProof
from ...settings.environment import Settings
from ...settings.known_providers import known_providers

MISSING = "missing"
UNREACHABLE = "not reachable"
REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found out about one provider.

    Attributes:
        provider: its name.
        variable: the variable of its key; None: it has none.
        key: "accepted", "refused", "missing", "not proven", "not needed" or "not reachable".
        key_from: where the key comes from; None: there is none.
        detail: why the key, the address or the list is not as it should be.
        address: where it is asked, without secrets.
        address_from: where the address comes from.
        signup: the page where a key is to be had.
        free: its free models; None: it has no list.
    """

    provider: str
    variable: str | None
    key: str
    key_from: str | None
    detail: str = ""
    address: str | None
    address_from: str
    signup: str = ""
    free: int | None = None

    @property
    def fails(self) -> bool:
        """Whether its key or its address is of no use."""
        return self.key in (MISSING, REFUSED, UNREACHABLE)


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What was found out in all.

    Attributes:
        findings: by provider.
        unused: keys that lie in the environment and are not used: (variable, origin, why).
        report: the models; None: there is no list.
        asked: how many models would be asked now.
        problem: why nothing would be asked, where no finding says it.
        hint: what to do about it.
    """

    findings: tuple[Finding, ...]
    unused: tuple[tuple[str, str, str], ...]
    report: HealthReport | None = None
    asked: int = 0
    problem: str | None = None
    hint: str = ""


def checkup() -> Checkup:
    """Look at everything. Sends no chat request.

    Raises:
        BadSetting: a setting is wrong.
    """
    level = log.level
    log.setLevel(logging.ERROR)  # what would be logged is told below, once
    try:
        return _checkup()
    finally:
        log.setLevel(level)


def _checkup() -> Checkup:
    settings, router = Settings.load(), Router()
    rows = merge_rows(known_providers(), settings.providers)
    unused = tuple(_unused(rows, settings))
    try:
        proofs = {proof.provider: proof for proof in router.prove_keys()}
    except AuthenticationFailed:
        return Checkup(findings=tuple(_findings(rows, settings, {})), unused=unused)
    failures = _fetch(router)
    findings = list(_findings(rows, settings, proofs))
    try:
        report, order = router.health(), router.explain("hello").rows
    except FreeRouterError as error:
        findings = [_with_list(finding, failures, None) for finding in findings]
        told = any(finding.detail for finding in findings)
        return Checkup(
            findings=tuple(findings),
            unused=unused,
            problem=None if told else error.message,
            hint="" if told else error.hint,
        )
    findings = [_with_list(finding, failures, report) for finding in findings]
    asked = sum(row.usable for row in order)
    told = any(finding.fails for finding in findings)
    problem = None
    if not asked and not told:
        problem = next((row.state_words for row in order), "no list has a model")
    return Checkup(
        findings=tuple(findings),
        unused=unused,
        report=report,
        asked=asked,
        problem=problem,
        hint="see freerouter models --all, and freerouter config" if problem else "",
    )


def _fetch(router: Router) -> dict[str, str]:
    """Fetch the lists of models. Returns why not, by provider."""
    failures: dict[str, str] = {}

    def observe(event: Event) -> None:
        if isinstance(event, FetchFailed):
            failures[event.provider] = event.reason

    unsubscribe = router.subscribe(observe)
    with contextlib.suppress(FreeRouterError):  # `failures` has it
        router.refresh()
    router.flush()
    unsubscribe()
    return failures


def _findings(
    rows: Mapping[str, ProviderRow], settings: Settings, proofs: Mapping[str, KeyProof]
) -> Iterator[Finding]:
    if settings.dev_mode and proofs:
        return
    named = {*settings.freerouter_providers, *settings.providers}
    for name in dict.fromkeys(["openrouter", *settings.freerouter_providers, *settings.providers]):
        row, proof = rows.get(name, {}), proofs.get(name)
        variable, origin = _key_of(row, settings)
        if proof is None and name not in named and proofs:
            continue  # OpenRouter, of which nobody spoke, while others have keys
        address, address_from = _address_of(name, row, settings)
        yield Finding(
            provider=name,
            variable=variable,
            key=proof.state if proof else MISSING,
            key_from=origin,
            detail=proof.detail if proof else "",
            address=address,
            address_from=address_from,
            signup=str(row.get("signup", "")),
        )


def _key_of(row: ProviderRow, settings: Settings) -> tuple[str | None, str | None]:
    """(the variable of the key, where it is set). The first that is set counts."""
    names = list(row.get("keys", ()))
    for name in names:
        if (settings.environment.get(name) or "").strip():
            return name, settings.origin(name)
    return (names[0] if names else None), None


def _address_of(name: str, row: ProviderRow, settings: Settings) -> tuple[str | None, str]:
    variable = row.get("base_url_variable", "")
    address = settings.environment.get(variable)
    if address:
        return shown_address(address), f"{variable}, {settings.origin(variable)}"
    own = settings.providers.get(name, {}).get("base_url")
    origin = str(settings.file) if own else "built in"
    return shown_address(str(row.get("base_url", ""))), origin


def _with_list(
    finding: Finding, failures: Mapping[str, str], report: HealthReport | None
) -> Finding:
    """A finding with what its list of models says. One cause is told once."""
    if report is not None and finding.provider in report.accounts:
        models = [row.model for row in report.rows if row.model.provider == finding.provider]
        free = sum(model.free and model.chat for model in models)
        finding = replace(finding, free=free)
    reason = failures.get(finding.provider)
    if reason is None or finding.fails:
        return finding
    reached = reason.startswith("HTTP ") or "not JSON" in reason or "on disk" in reason
    return replace(finding, key=finding.key if reached else UNREACHABLE, detail=reason)


def _unused(rows: Mapping[str, ProviderRow], settings: Settings) -> Iterator[tuple[str, str, str]]:
    used = {"openrouter", *settings.freerouter_providers, *settings.providers}
    for name, row in rows.items():
        for variable in row.get("keys", ()):
            present = bool((settings.environment.get(variable) or "").strip())
            if present and name not in used:
                why = row.get("ended") or f"FREEROUTER_PROVIDERS={name} would use it"
                yield variable, settings.origin(variable), str(why)
