"""The MCP SDK of either major version. Other packages still ask for the first one, and both serve.

Raises `MissingExtra` at import if there is none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import MissingExtra

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
else:
    try:
        second = find_spec("mcp.server.mcpserver") is not None
        _sdk = import_module("mcp.server.mcpserver" if second else "mcp.server.fastmcp")
        MCPServer = _sdk.MCPServer if second else _sdk.FastMCP
        Context = _sdk.Context
        ToolError = import_module(f"{_sdk.__name__}.exceptions").ToolError
    except ImportError as error:
        raise MissingExtra(
            "the MCP server needs the mcp package, version 1.30 or later",
            hint="pip install 'freerouter-llm[mcp]'",
        ) from error

from mcp.server.transport_security import TransportSecuritySettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["Context", "MCPServer", "ToolError", "http_app", "new_server"]

_UNCHECKED = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""The SDK checks no hosts and origins: what stands before it does."""


def new_server(name: str, instructions: str, tools: Iterable[Callable[..., Any]]) -> MCPServer[Any]:
    """A server with these tools. A model reads their names, arguments and docstrings."""
    options: dict[str, Any] = {"instructions": instructions}
    if _is_second():
        options["version"] = __version__
    else:
        options["transport_security"] = _UNCHECKED
    server: MCPServer[Any] = MCPServer(name, **options)
    if not _is_second():
        vars(server)["_mcp_server"].version = __version__
    for tool in tools:
        server.add_tool(tool, description=inspect.getdoc(tool))
    return server


def http_app(server: MCPServer[Any]) -> ASGIApp:
    """The server over streamable HTTP, at `/mcp`. It checks neither hosts nor tokens."""
    if _is_second():
        return server.streamable_http_app(transport_security=_UNCHECKED)
    return server.streamable_http_app()


def _is_second() -> bool:
    """Whether this is the second major of the SDK."""
    return "version" in inspect.signature(MCPServer.__init__).parameters
