"""`Context`: a router's configuration with the runtime, the settings and the transports it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..catalogue.model import Catalogue
from ..catalogue.providers import Account
from ..routing.session_memory import SessionMemory, memory_of
from ..runtime.runtime import Runtime
from ..settings.environment import Settings
from .config import RouterConfig
from .resolve import Resolved, resolve

if TYPE_CHECKING:
    from ..runtime.http.transport import HttpClient, Transport


class Context:
    """What every call of a router starts from. A router gets a new one when its filter changes, so
    a call that has begun keeps the configuration it began with."""

    def __init__(
        self, config: RouterConfig, runtime: Runtime | None, http_client: HttpClient | None
    ) -> None:
        self.config, self.http_client = config, http_client
        self.own_runtime = runtime
        self._resolved: Resolved | None = None

    @property
    def runtime(self) -> Runtime:
        """The router's own runtime, or the process's, which is another after a fork."""
        return self.own_runtime if self.own_runtime is not None else Runtime.current()

    @property
    def resolved(self) -> Resolved:
        """The configuration with the environment taken in, read once.

        Raises `AuthenticationFailed` where no provider has a key, `BadSetting` for a setting.
        """
        if self._resolved is None:
            self._resolved = resolve(self.config, Settings.load())
        return self._resolved

    async def opened(self) -> Resolved:
        """`resolved`, after the state that other processes share has been read."""
        resolved, runtime = self.resolved, self.runtime
        if not all(account.simulated for account in resolved.accounts.values()):
            runtime.open_state(resolved.settings.freerouter_state)
        await runtime.state_sync.pull()
        return resolved

    async def catalogue(
        self, resolved: Resolved, *, wait: float | None = None, required: bool = True
    ) -> Catalogue:
        """The models of all accounts. `wait`: seconds to wait for a first list (None: as long as
        fetching takes); `required`: whether to raise `CatalogueUnavailable` when there is none."""
        return await self.runtime.discovery.catalogue(
            resolved.accounts.values(),
            self.transport,
            resolved.settings.free_models_refresh,
            wait=wait,
            required=required,
        )

    def transport(self, account: Account) -> Transport:
        """How to reach an account: the simulator in DEV_MODE, the router's own client, the
        runtime's, or the network."""
        runtime = self.runtime
        client: Any = self.http_client
        if account.simulated and runtime.client is None:
            client = _development(runtime)
        return runtime.transport_for(client)

    def session_memory(self) -> SessionMemory | None:
        """What is remembered of this router's session; None where it has none."""
        if self.config.session_name is None:
            return None
        runtime = self.runtime
        return memory_of(runtime.sessions, self.config.session_name, runtime.clock.now())


def _development(runtime: Runtime) -> object:
    """The simulated world that answers in DEV_MODE, one for each runtime."""
    if runtime.dev_transport is None:
        from ..simulator import development_world

        runtime.dev_transport = development_world(runtime.clock).transport()
    return runtime.dev_transport
