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
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
else:
    try:
        second = find_spec("mcp.server.mcpserver") is not None
        _sdk = import_module("mcp.server.mcpserver" if second else "mcp.server.fastmcp")
        MCPServer = _sdk.MCPServer if second else _sdk.FastMCP
        ToolError = import_module(f"{_sdk.__name__}.exceptions").ToolError
    except ImportError as error:
        raise MissingExtra(
            "the MCP server needs the mcp package, version 1.30 or later",
            hint="pip install 'freerouter-llm[mcp]'",
        ) from error

__all__ = ["MCPServer", "ToolError", "new_server"]


def new_server(name: str, instructions: str, tools: Iterable[Callable[..., Any]]) -> MCPServer[Any]:
    """A server with these tools. A model reads their names, arguments and docstrings."""
    options: dict[str, Any] = {"instructions": instructions}
    if "version" in inspect.signature(MCPServer.__init__).parameters:  # the second major
        options["version"] = __version__
    server: MCPServer[Any] = MCPServer(name, **options)
    for tool in tools:
        server.add_tool(tool, description=inspect.getdoc(tool))
    return server
