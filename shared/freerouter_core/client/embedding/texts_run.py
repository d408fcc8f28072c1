"""`EmbedRun` and `RerankRun`: one request about texts, from a router to its outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...catalogue.model import Catalogue, Mode, Model
from ...catalogue.providers import Account
from ...catalogue.served_rows import serving_models
from ...catalogue.serving import Serving
from ...catalogue.spaces import space_of
from ...routing.named import find_named
from ...routing.need import Need
from ...routing.policy import STRATEGIES, Policy
from ...routing.texts_need import need_of_texts
from ...settings.known_providers import known_providers
from ...wire.embeddings import EmbedRequest
from ...wire.rerank import RerankRequest
from ..context import Context
from ..operation_run import Left, OperationRun
from ..resolve import Resolved

LIST_WAIT = 10.0
"""The most seconds to wait for lists of models besides chat: rows are known without them."""


class EmbedRun(OperationRun[EmbedRequest]):
    """One request for vectors."""

    def _policy(self, policy: Policy) -> Policy:
        return texts_policy(policy, self.request.model)

    def _need(self, policy: Policy, *, may_charge: bool) -> Need:
        return need_of_texts(self.request)

    async def _models(self, policy: Policy, left: Left) -> Catalogue:
        return await models_of(self.context, "embedding", self.request.model, left())


class RerankRun(OperationRun[RerankRequest]):
    """One request for an order of texts."""

    def _policy(self, policy: Policy) -> Policy:
        return texts_policy(policy, self.request.model)

    def _need(self, policy: Policy, *, may_charge: bool) -> Need:
        return need_of_texts(self.request)

    async def _models(self, policy: Policy, left: Left) -> Catalogue:
        return await models_of(self.context, "rerank", self.request.model, left())


def texts_policy(policy: Policy, named: str | None) -> Policy:
    """The router's policy without what is about chats. `named`: the model to ask first."""
    return replace(
        policy,
        preferred=(named,) if named else (),
        kept=None,
        others=True,
        strategy=policy.strategy if policy.strategy in STRATEGIES else "adaptive",
        prefer="balanced",
        capabilities=frozenset(),
        min_context=0,
        min_quality=0.0,
        min_safety=0.0,
        task=None,
        max_latency=None,
        memory=0,
        order={},
    )


async def models_of(
    context: Context,
    mode: Mode,
    named: str | None = None,
    left: float | None = None,
    *,
    resolved: Resolved | None = None,
) -> Catalogue:
    """The models of a mode. A named one is believed if no list and no row has it.

    Only those accounts are asked for a list whose list may have such models. `resolved`: the
    context's own, if None.
    """
    resolved = resolved or context.resolved
    accounts = list(resolved.accounts.values())
    listing = [account.of_others for account in accounts if _may_list(account)]
    catalogue = Catalogue()
    if listing:
        wait = LIST_WAIT if left is None else min(left, LIST_WAIT)
        listed = await context.runtime.discovery.catalogue(
            listing,
            context.transport,
            resolved.settings.free_models_refresh,
            wait=wait,
            required=False,
        )
        catalogue = listed
    found = serving_models(mode, catalogue, accounts)
    return with_named(found, named, mode, resolved) if named else found


def with_named(found: Catalogue, named: str, mode: Mode, resolved: Resolved) -> Catalogue:
    """The models, with one that the caller named by its provider, unless a list of all such models
    lacks it."""
    model = find_named(named, found, resolved.accounts)
    if model is None or model.listed:
        return found
    if resolved.accounts[model.provider].other_models and found.fetched:
        return found
    space = space_of(model.wire_name) if mode == "embedding" else None
    believed: Model = replace(
        model, mode=mode, chat=False, serving=Serving(space=space), free=_is_free(model, resolved)
    )
    return Catalogue.of((*found, believed), found.fetched)


def _is_free(model: Model, resolved: Resolved) -> bool:
    """Whether an unlisted model is free: the rules of providers.toml are about chat models, so they
    count only where nothing is charged for."""
    account = resolved.accounts[model.provider]
    return model.free and (account.local or account.free in ("all", "suffix"))


def _may_list(account: Account) -> bool:
    """Whether its list of models may have others than chat models that no row has."""
    row = known_providers().get(account.provider, {})
    return bool(account.other_models) or account.local or not row


def usable(models: Iterable[Model], accounts: dict[str, Account]) -> list[Model]:
    """The models whose account is among the router's."""
    return [model for model in models if model.provider in accounts]
