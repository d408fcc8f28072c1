"""The notebooks run from top to bottom against the simulator, and say so.

`--renew` saves their outputs anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from freerouter_core.simulator import SimModel, World

from .conftest import Serve

pytestmark = pytest.mark.timeout(300)  # each test starts processes

FOLDER = Path(__file__).parent.parent / "notebooks"
BOOKS = sorted(FOLDER.glob("*.ipynb"))
REAL = re.compile(r"^router = world\.router\(.*\)  # with a real key: (.+)$", re.MULTILINE)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has none


def shown(book: Any) -> list[set[str]]:
    """What kinds of output each cell has."""
    return [
        {kind for out in cell.outputs for kind in out.get("data", {"text/plain": ""})}
        for cell in book.cells
        if cell.cell_type == "code"
    ]


def test_there_are_six_notebooks() -> None:
    names = {"quickstart", "langchain_agent", "llamaindex_rag", "failover", "bulk", "choosing"}

    assert {path.stem for path in BOOKS} == names


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_the_kinds_of_output_it_is_saved_with(
    path: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    saved, fresh = read(path), read(path)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(
        fresh,
        timeout=120,
        kernel_name="python3",
        coalesce_streams=True,  # what a cell prints is one text, however often it flushes
        record_timing=False,
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    if pytestconfig.getoption("--renew"):
        nbformat.write(fresh, path)  # type: ignore[no-untyped-call]  # nbformat has none
        saved = fresh

    assert shown(fresh) == shown(saved)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_with_a_real_router(
    path: Path, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a real key, over an OpenRouter that is served on a port, in real time."""
    models = [
        SimModel(f"real/{name}:free", inputs=("text", "image"), first_token=0.01, speed=1e4)
        for name in "abc"
    ]
    models.append(SimModel("real/tiny-embed:free", dimension=64, first_token=0.01))
    models.append(SimModel("real/rerank:free", reranks=True, first_token=0.01))
    world = World(models, clock="real")
    monkeypatch.setenv("OPENROUTER_BASE_URL", serve(world))
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-notebook-0123456789")
    book = read(path)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.source = REAL.sub(lambda match: match[1], cell.source)
    NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()

    assert 0 < len(world.requests) <= 20


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_that_it_is_simulated_and_which_line_to_change(path: Path) -> None:
    book = read(path)
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    lines = REAL.findall(code)

    assert "simulat" in book.cells[0].source
    assert len(lines) == 1
    assert lines[0].startswith("router = Router(")
    assert "from freerouter_core import Router\n" in code
    compile(lines[0], path.name, "exec")


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_saved_outputs_are_whole_texts_that_one_believes(path: Path) -> None:
    for cell in read(path).cells:
        printed = [out for out in cell.get("outputs", ()) if out.output_type == "stream"]
        text = "".join(out.text for out in printed)

        assert len(printed) <= 1
        assert "You said" not in text
        assert all(out.output_type != "error" for out in cell.get("outputs", ()))


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_to_files(path: Path) -> None:
    for cell in read(path).cells:
        for target in re.findall(r"\]\((?!http)([^)]+)\)", cell.source):
            assert (FOLDER / target).exists(), target
