"""`RouterOpenAI`: OpenAI's own client over a router, in process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import RouterBase

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI
else:
    AsyncOpenAI = OpenAI = Any  # an extra; the annotations still resolve at run time


class RouterOpenAI(RouterBase):
    """A router's clients of OpenAI's kind."""

    def openai_client(self, **options: Any) -> OpenAI:
        """An `openai.OpenAI` whose requests this router answers: in process, without a port.

        Frameworks that take such a client run on it. A stream that is closed cancels its request.

        Args:
            options: arguments of `openai.OpenAI`. Its timeouts are the router's: `timeout`.

        Raises:
            MissingExtra: openai or FastAPI is not installed.
        """
        from ..apps.in_process import openai_client

        return openai_client(self, lambda: self._runtime, options)

    def async_openai_client(self, **options: Any) -> AsyncOpenAI:
        """An `openai.AsyncOpenAI`, as `openai_client` makes one. Any event loop may use it."""
        from ..apps.in_process import async_openai_client

        return async_openai_client(self, lambda: self._runtime, options)
