"""The house: which folder may import what, how large a module may grow, and what is public."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "shared" / "freerouter_core"
PACKAGES = [CORE, ROOT / "langchain_freerouter", ROOT / "llamaindex_freerouter"]

PURE_STDLIB = {
    "__future__", "abc", "base64", "binascii", "collections", "collections.abc", "contextlib",
    "dataclasses", "email.utils", "enum", "ipaddress", "urllib.parse",
    "array", "bisect", "functools", "hashlib", "itertools", "json", "math", "operator", "random",
    "re", "reprlib", "struct", "tomllib", "types", "typing",
}  # fmt: skip
"""What a pure folder may import besides its own. `random` for the type of what is handed in."""

PURE = ("routing", "wire", "catalogue")
GROUND = {"_version", "errors", "events", "checks"}
"""The files of the root. Every other file of the core has a room."""

BELOW: dict[str, set[str]] = {
    "_version": set(),
    "errors": set(),
    "events": set(),
    "checks": {"errors"},
    "catalogue": {"errors"},
    "wire": {"catalogue", "errors", "events"},
    "routing": {"wire", "catalogue", "errors", "events"},
    "settings": {"wire", "catalogue", "errors", "checks"},
    "guards": {"routing", "wire", "catalogue", "errors", "checks"},
    "reports": {"routing", "wire", "catalogue", "errors", "events"},
    "runtime": {"routing", "wire", "catalogue", *GROUND},
    "client": {
        "runtime", "guards", "reports", "settings", "routing", "wire", "catalogue", "simulator",
        *GROUND,
    },
    "apps": {
        "client", "runtime", "guards", "reports", "settings", "routing", "wire", "catalogue",
        "simulator",
        *GROUND,
    },
    "simulator": {"client", "runtime", "wire", "catalogue", "errors"},
}  # fmt: skip
"""What a room or a root file may import, besides itself. An arrow points down only; arrows for type
checkers and inside functions count. Three arrows point up, all inside functions: `world.router()`
hands out a client, DEV_MODE answers from the simulator, and `UP`."""

UP = ("freerouter_core.client.router_openai", "freerouter_core.apps.in_process")
"""`router.openai_client()` hands out a client of the service."""


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


@functools.cache
def imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """(absolute name, whether only for type checking) of everything a module imports."""
    return tuple(read_imports(path))


def read_imports(path: Path) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(path.read_text("utf-8"))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    package = (
        ["freerouter_core", *path.relative_to(CORE).with_suffix("").parts[:-1]]
        if CORE in path.parents
        else []
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in guarded
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                submodule = f"{origin}.{alias.name}"
                yield submodule if exists(submodule) else origin, id(node) in guarded


def module_name(path: Path) -> str:
    parts = ["freerouter_core", *path.relative_to(CORE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exists(name: str) -> bool:
    """Whether a name is a module of the core."""
    place = CORE.parent.joinpath(*name.split("."))
    return name.startswith("freerouter_core") and (
        place.with_suffix(".py").exists() or (place / "__init__.py").exists()
    )


def room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("folder", PURE)
def test_law_1_pure_rooms_import_only_pure_modules(folder: str) -> None:
    for path in modules(CORE / folder):
        for name, _ in imports(path):
            allowed = name in PURE_STDLIB or name.startswith("freerouter_core")
            assert allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("folder", PURE)
def test_law_1_pure_rooms_read_no_clock_and_draw_no_random_numbers(folder: str) -> None:
    for path in modules(CORE / folder):
        source = path.read_text("utf-8")
        tree = ast.parse(source)
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        forbidden = {
            c
            for c in calls
            if c in {"open", "print", "Random", "random.random", "input"} or ".now" in c
        }

        assert not forbidden, f"{path.relative_to(ROOT)} calls {forbidden}"


def test_every_file_of_the_core_has_a_room() -> None:
    rooms = {path.name for path in CORE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.stem for path in CORE.glob("*.py")} - {"__init__"}

    assert files == GROUND
    assert rooms | files == set(BELOW)


@pytest.mark.parametrize("room", BELOW)
def test_arrows_point_down(room: str) -> None:
    place = CORE / room
    for path in modules(place) if place.is_dir() else [place.with_suffix(".py")]:
        for name, _ in imports(path):
            if name == "freerouter_core" or not name.startswith("freerouter_core."):
                continue
            if (module_name(path), name) == UP:
                continue
            allowed = {room, *BELOW[room]}
            assert room_of(name) in allowed, f"{path.relative_to(ROOT)} looks up into {name}"


def test_there_is_no_circle_of_imports() -> None:
    """Imports for type checkers and inside functions count. What the simulator imports does not:
    `world.router()` makes a client, and DEV_MODE a simulated world."""
    files = {module_name(path): path for path in modules(CORE)}
    arrows = {
        name: {
            target
            for target, _ in imports(path)
            if target in files and target != name and (name, target) != UP
        }
        for name, path in files.items()
        if room_of(name) != "simulator"
    }

    list(graphlib.TopologicalSorter(arrows).static_order())  # raises CycleError and names it


def test_the_core_imports_neither_framework_and_the_demo_only_inside_functions() -> None:
    for path in modules(CORE):
        top = ast.parse(path.read_text("utf-8")).body
        named = {
            alias.name if isinstance(node, ast.Import) else str(node.module)
            for node in top
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }

        assert not {n for n in named if n.startswith(("langchain", "llama"))}, path


def test_httpx_is_imported_in_two_files() -> None:
    users = {
        str(path.relative_to(CORE))
        for package in PACKAGES
        for path in modules(package)
        if any(name.split(".")[0] in ("httpx", "httpcore") for name, _ in imports(path))
    }

    assert users == {"runtime/http/transport.py", "simulator/transport.py"}


def test_no_module_has_more_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in PACKAGES
        for path in modules(package)
        if (lines := len(path.read_text("utf-8").splitlines())) > 400
    }

    assert not long


def test_public_names_are_exported() -> None:
    import freerouter_core
    import langchain_freerouter
    import llamaindex_freerouter

    assert freerouter_core.__all__ == sorted(
        freerouter_core.__all__, key=lambda n: (n[0].islower(), n)
    )
    for name in freerouter_core.__all__:
        assert getattr(freerouter_core, name) is not None
    assert langchain_freerouter.__all__ == [
        "ChatFreeRouter",
        "FreeRouterEmbeddings",
        "FreeRouterRerank",
    ]
    assert llamaindex_freerouter.__all__ == [
        "FreeRouter",
        "FreeRouterEmbedding",
        "FreeRouterRerank",
    ]
    with pytest.raises(AttributeError):
        _ = freerouter_core.Nothing


def test_each_package_has_a_py_typed() -> None:
    assert all((package / "py.typed").exists() for package in PACKAGES)


def test_annotations_resolve_at_run_time() -> None:
    """`with_fallbacks(...).bind_tools` calls get_type_hints (langchain#35170)."""
    from langchain_freerouter import ChatFreeRouter
    from llamaindex_freerouter import FreeRouter

    for kind, names in (
        (ChatFreeRouter, ("bind_tools", "with_structured_output", "_generate", "_stream")),
        (FreeRouter, ("chat", "_prepare_chat_with_tools", "structured_predict")),
    ):
        for name in names:
            assert typing.get_type_hints(getattr(kind, name))


def test_importing_the_core_loads_neither_httpx_nor_settings() -> None:
    heavy = ("httpx", "pydantic_settings", "pydantic")
    code = f"import sys, freerouter_core; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_importing_an_adapters_options_loads_nothing_that_judges_answers() -> None:
    heavy = ("judge", "rules", "rejection", "embeddings", "rerank")
    code = (
        "import sys, freerouter_core.client.adapter_options;"
        f"print([m for m in {heavy} if f'freerouter_core.wire.{{m}}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
