"""A hook of mkdocs: pages may link to any file of the repository, such as the module they speak of.

Each linked file becomes a page of its own, so that no link leaves the site. A folder's page is its
README; a folder without one is only named. The README of the repository is the first page.
`llms.txt` lists all pages for programs that read them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\[((?:[^][]|!\[[^]]*\]\([^)]*\))*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".toml": "toml", ".md": "markdown"}
SHORTEST = 20
"""Letters of a sentence that tells what a page is about."""
AS_IT_IS = (".ipynb", ".png", ".svg")
"""Files that are no pages: a browser shows or loads them."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README and every file that a page links to."""
    there = {Path("docs", file.src_uri) for file in files}
    todo = [Path("README.md"), *(path for path in there if path.suffix == ".md")]
    files.append(_generated(config, _uri(todo[0]), ROOT / todo[0]))
    there.add(todo[0])
    while todo:
        for target in _targets(todo.pop()):
            if target not in there:
                there.add(target)
                files.append(_generated(config, _uri(target), ROOT / target))
                if target.suffix == ".md":
                    todo.append(target)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at where their files are on the site."""
    source = _source(page.file)
    if source.suffix != ".md":  # code, shown as it is
        return markdown
    here = posixpath.dirname(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        text, where, anchor = link[1], link[2], link[3] or ""
        target = _file(source, where)
        if target is None:
            return text
        return f"[{LINK.sub(moved, text)}]({posixpath.relpath(_uri(target), here or '.')}{anchor})"

    return LINK.sub(moved, markdown)


def on_nav(nav: Navigation, *, config: MkDocsConfig, files: Files) -> Navigation:
    """Prepare `llms.txt` as llmstxt.org describes it: every page of the menu, by its sections."""
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", "", "## Start", ""]
    lines += [_listed(item) for item in nav.items if isinstance(item, Page)]
    for section in nav.items:
        if isinstance(section, Section):
            lines += ["", f"## {section.title}", ""]
            lines += [_listed(item) for item in section.children if isinstance(item, Page)]
    config.extra["llms"] = "\n".join(lines) + "\n"
    return nav


def on_post_build(config: MkDocsConfig) -> None:
    """Write `llms.txt`: before, the site's folder was emptied."""
    Path(config.site_dir, "llms.txt").write_text(config.extra["llms"], "utf-8")


def _listed(page: Page) -> str:
    """A page with its title and its first sentence."""
    text = (ROOT / _source(page.file)).read_text("utf-8")
    title, _, rest = text.partition("\n")
    paragraphs = (part.strip() for part in rest.split("\n\n"))
    prose = (part for part in paragraphs if re.match(r"(\*\*|`(?!`))?[A-Za-z]", part))
    first = " ".join(next(prose, "").replace("**", "").split())
    sentence = re.split(r"(?<=[.:])\s", LINK.sub(r"\1", first))[0].rstrip(".:")
    about = f": {sentence}." if len(sentence) > SHORTEST else ""
    return f"- [{title.lstrip('# ')}]({page.url or './'}){about}"


def _targets(page: Path) -> Iterator[Path]:
    for link in LINK.finditer((ROOT / page).read_text("utf-8")):
        for where in (link[2], *(inner[2] for inner in LINK.finditer(link[1]))):
            target = _file(page, where)
            if target is not None:
                yield target


def _file(page: Path, where: str) -> Path | None:
    """The file that a link means, from the repository's root. None: a folder without a README."""
    target = ROOT / posixpath.normpath(posixpath.join(page.parent.as_posix(), where))
    if target.is_dir():
        target /= "README.md"
        if not target.exists():
            return None
    if not target.exists():
        raise FileNotFoundError(f"{page} links to {where}, which is not there")
    return target.relative_to(ROOT)


def _uri(path: Path) -> str:
    """Where a file of the repository is on the site."""
    if path == Path("README.md"):
        return "index.md"
    if path.parts[0] == "docs":
        return path.relative_to("docs").as_posix()
    place = Path("source", path)
    page = path.suffix in AS_IT_IS or path.suffix == ".md"
    return (place if page else place.with_name(f"{path.name}.md")).as_posix()


def _source(file: File) -> Path:
    """The file of the repository that a page shows."""
    if file.src_uri == "index.md":
        return Path("README.md")
    if file.src_uri.startswith("source/"):
        path = Path(file.src_uri).relative_to("source")
        return path if (ROOT / path).exists() else path.with_suffix("")
    return Path("docs", file.src_uri)


def _generated(config: MkDocsConfig, uri: str, path: Path) -> File:
    if path.suffix == ".md" or path.suffix in AS_IT_IS:
        return File.generated(config, uri, abs_src_path=str(path))
    language = LANGUAGES.get(path.suffix, "text")
    name = path.relative_to(ROOT).as_posix()
    head = (
        f"---\nsearch: {{exclude: true}}\n---\n# `{name}`\n\n~~~~~~ {{ .{language} linenums=1 }}\n"
    )
    text = f"{head}{path.read_text('utf-8')}\n~~~~~~\n"
    return File.generated(config, uri, content=text)
