"""OpenAI's own client over a router, without a port: `router.openai_client()`.

The client sends its requests to the paths of the service, on the loop of the router's runtime. So
all that `freerouter serve` does for a client is there, and nothing leaves the process before a
model is asked. httpx's own `ASGITransport` waits for the whole answer; here each piece of it is
handed over as it comes, and a stream that is closed cancels its request.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from ..client.base import RouterBase
from ..client.router import Router
from ..errors import FreeRouterError, MissingExtra
from ..runtime.loop.bridge import StreamBuffer
from ..runtime.loop.portal import Portal, StreamWork
from .http.media_addresses import ANY, allowed_hosts

try:
    import fastapi
    import openai
except ImportError as error:
    raise MissingExtra(
        f"OpenAI's client in process needs {error.name}",
        hint="pip install 'freerouter-llm[openai]'",
    ) from error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

BASE_URL = "http://freerouter/v1"
"""What the client believes that it talks to. No name is looked up."""
API_KEY = "in-process"


def openai_client(
    router: RouterBase, runtime: Callable[[], Portal], options: dict[str, Any]
) -> openai.OpenAI:
    """An `openai.OpenAI` whose requests the router answers, on the loop of `runtime()`. `options`
    are the client's own."""
    transport = _sync_transport(Service(router, runtime))
    client = openai.DefaultHttpxClient(transport=transport)
    return openai.OpenAI(http_client=client, **_defaults(options))


def async_openai_client(
    router: RouterBase, runtime: Callable[[], Portal], options: dict[str, Any]
) -> openai.AsyncOpenAI:
    """An `openai.AsyncOpenAI`, as `openai_client` makes one. Any event loop may use it."""
    transport = _async_transport(Service(router, runtime))
    client = openai.DefaultAsyncHttpxClient(transport=transport)
    return openai.AsyncOpenAI(http_client=client, **_defaults(options))


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    """The router tries again by itself, so the client does not."""
    return {"base_url": BASE_URL, "api_key": API_KEY, "max_retries": 0, **options}


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a response."""

    status: int
    headers: list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a body."""

    body: bytes

    @property
    def size(self) -> int:
        return len(self.body)


Part = Head | Piece


class Service:
    """The paths of the service over a router, without a server."""

    def __init__(self, router: RouterBase, runtime: Callable[[], Portal]) -> None:
        self._runtime, self._app = runtime, _application(cast("Router", router))

    def exchange(self, request: Any) -> StreamWork[Part, None]:
        """What answers a request of httpx's kind, on the runtime's loop: a head, then pieces."""
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": None,
            "server": ("freerouter", 80),
        }
        body = request.content

        async def answer(put: Any) -> None:
            allowed_hosts.set((ANY,))  # whoever asks is the code that made the router
            buffer = cast("StreamBuffer[Part]", put)
            unread = [body]

            async def receive() -> Message:
                if not unread:  # who leaves cancels all of this
                    await asyncio.get_running_loop().create_future()
                return {"type": "http.request", "body": unread.pop(), "more_body": False}

            async def send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    buffer(Head(message["status"], list(message["headers"])))
                elif message.get("body"):
                    buffer(Piece(message["body"]))
                    await buffer.drain()

            await self._app(scope, receive, send)

        return answer

    def parts(self, request: Any) -> Generator[Part, None, None]:
        """The parts of the response, for threads."""
        return self._runtime().stream(self.exchange(request))

    def aparts(self, request: Any) -> AsyncGenerator[Part, None]:
        """The parts of the response, for event loops."""
        return self._runtime().astream(self.exchange(request), lambda _: None)


def _application(router: Router) -> ASGIApp:
    """The paths that clients of models use. Nobody watches, and no limit is the service's own."""
    from .http.bounds import BoundsMiddleware
    from .http.short_way import ShortWay
    from .rest import client_paths

    application = fastapi.FastAPI(openapi_url=None)
    paths = client_paths(lambda: router)
    application.include_router(paths)
    application.add_middleware(ShortWay, paths=paths)
    return BoundsMiddleware(application, most=sys.maxsize)


# httpx or its successor: the client says which one it is made of, so types are not known here.


def _http(client: type) -> Any:
    kind = next(base for base in client.__mro__ if base.__name__ in ("Client", "AsyncClient"))
    return import_module(kind.__module__.partition(".")[0])


def _head(part: Part | None) -> Head:
    if isinstance(part, Head):
        return part
    raise FreeRouterError("the service ended without a response", should_retry=True)


def _sync_transport(service: Service) -> Any:
    http = _http(openai.DefaultHttpxClient)

    class Body(http.SyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, parts: Generator[Part, None, None]) -> None:
            self._parts = parts

        def __iter__(self) -> Iterator[bytes]:
            return (part.body for part in self._parts if isinstance(part, Piece))

        def close(self) -> None:
            self._parts.close()

    class Transport(http.BaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            request.read()
            parts = service.parts(request)
            head = _head(next(parts, None))
            return http.Response(head.status, headers=head.headers, stream=Body(parts))

    return Transport()


def _async_transport(service: Service) -> Any:
    http = _http(openai.DefaultAsyncHttpxClient)

    class Body(http.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, parts: AsyncGenerator[Part, None]) -> None:
            self._parts = parts

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for part in self._parts:
                if isinstance(part, Piece):
                    yield part.body

        async def aclose(self) -> None:
            await self._parts.aclose()

    class Transport(http.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            await request.aread()
            parts = service.aparts(request)
            head = _head(await anext(parts, None))
            return http.Response(head.status, headers=head.headers, stream=Body(parts))

    return Transport()
