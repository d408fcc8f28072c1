"""The page at / in a real browser. The service runs over a simulated OpenRouter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from freerouter_core.apps import rest
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.simulator.server import listening

from .conftest import TOKEN, program
from .installed import installed
from .test_clients import SOURCES

CHROMIUM_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
KEY = "sk-or-v1-browser-0123456789"
PICTURE = Path(__file__).parent.parent.parent / "docs" / "images" / "page.png"
HANG = 5.0
"""Seconds that a request for a model hangs which does not answer."""
quick_model = partial(SimModel, first_token=0.02, speed=2_000.0)


SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTH = "document.documentElement.scrollWidth"
BROKEN = """axe.run().then(found => found.violations.map(
  rule => [rule.id, ...rule.nodes.map(node => node.html)]))"""
CROSSING = """() => {
  // What lies over something else: the boxes of all texts, two by two.
  const boxes = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    if (!node.data.trim() || !node.parentElement.checkVisibility()) continue;
    if (node.parentElement.closest(".unseen, script, style, select")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) boxes.push([node.data.trim(), box]);
  }
  const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
    && a.top < b.bottom - 4 && b.top < a.bottom - 4;
  return boxes.flatMap(([text, box], n) => boxes.slice(n + 1)
    .filter(([, other]) => over(box, other)).map(([other]) => `${text} × ${other}`));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, which finds what keeps people from using a page."""
    version = (SOURCES / "axe.txt").read_text("utf-8").strip()
    install = [program("npm"), "install", "--no-audit", "--no-fund", "--silent", version]
    folder = installed("axe", SOURCES / "axe.txt", install)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"), args=list(CHROMIUM_OPTIONS)
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    """A page. The test fails if its script fails or if it loads anything from another site."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 820}, locale="en-GB", timezone_id="UTC"
    )
    page: Page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("http://127.0.0.1", "data:"))
            else problems.append(request.url)
        ),
    )
    page.on(
        "console",
        lambda message: (
            problems.append(message.text) if "Content Security" in message.text else None
        ),
    )
    yield page
    context.close()
    assert not problems


@pytest.fixture
def world() -> World[Clock]:
    models = [
        quick_model("aurora/large:free", context=262_144, script=["502"]),
        quick_model("birch/vision:free", inputs=("text", "image"), script=["empty"]),
        quick_model("cedar/mini:free", tools=False),
        quick_model("dune/70b:free", script=["404-gone"]),
        quick_model("elm/slow:free", context=8_192, script=["hang"] * 9),
        quick_model("fir/pro", prompt_price="0.000001", completion_price="0.000002"),
    ]
    return World(models, [SimAccount(KEY, per_minute=20, per_day=50)], seed=4, clock="real")


@contextmanager
def served(world: World[Clock], **options: Any) -> Iterator[str]:
    """The service over a world. Gives its address."""
    router = world.router(api_key=KEY, hedge="off", strategy="context")
    with world, listening(rest.app(router, **options)) as address:
        yield address


@pytest.fixture
def address(world: World[Clock]) -> Iterator[str]:
    with served(world) as address:
        yield address


def ask(address: str, model: str = "auto", **more: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "a secret wish"}], **more}
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=30)


def leave(address: str, model: str) -> None:
    """Ask a model that hangs, and leave after a while."""
    with suppress(httpx.ReadTimeout):
        body = {"model": model, "messages": [{"role": "user", "content": "a secret wish"}]}
        httpx.post(f"{address}/v1/chat/completions", json=body, timeout=HANG)


def test_models_limits_and_requests_update_without_a_reload(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#usable")).to_have_text("5 of 5 free models usable")
    expect(page.locator("#models tr")).to_have_count(5)
    expect(page.locator("#requests")).to_have_text("None yet.")

    ask(address, "aurora/large:free")
    expect(page.locator(".request")).to_have_count(1, timeout=10_000)  # without a reload

    request = page.locator(".request").first
    expect(request.locator(".trail")).to_be_hidden()
    request.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(request.locator(".attempt").first).to_contain_text("aurora/large:free: busy (server)")
    expect(request.locator(".attempt").last).to_contain_text("answered")
    ask(address)
    expect(page.locator(".request")).to_have_count(2, timeout=10_000)
    expect(page.locator(".trail").last).to_be_visible()  # what is open stays so
    expect(page.locator("#limits")).to_contain_text("of 20 left")
    expect(page.locator("#usable")).not_to_contain_text("5 of 5")
    benched = page.locator("#models tr", has_text="aurora/large:free")
    expect(benched).to_contain_text("back in")
    assert KEY not in page.content()
    assert "secret wish" not in page.content()


def test_a_model_that_is_gone_is_marked(page: Page, address: str) -> None:
    ask(address, "dune/70b:free")
    page.goto(address)

    expect(page.locator("#models tr", has_text="dune/70b:free")).to_contain_text("gone")


def test_the_filter_selects_models(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("Search models").fill("IMAGE")

    expect(page.locator("#models tr")).to_have_count(1)
    expect(page.locator("#models")).to_contain_text("birch/vision:free")


def test_what_runs_and_what_waits_is_shown_while_it_lasts(page: Page) -> None:
    world = World([quick_model("slow/m:free", script=["502", *["hang"] * 9])], clock="real")
    with served(world) as address, ThreadPoolExecutor() as pool:
        page.goto(address)
        expect(page.locator("#idle")).to_be_visible()
        asked = pool.submit(leave, address, "slow/m:free")
        running = page.locator("#running article")
        expect(running).to_contain_text("slow/m:free: busy (server)", timeout=10_000)
        expect(running).to_contain_text(re.compile("waits|no token yet"))
        expect(page.locator("#line-count")).to_have_text(re.compile("^1 (running|waiting)$"))
        asked.result()
        expect(page.locator("#idle")).to_be_visible(timeout=10_000)


def test_a_wait_counts_down(page: Page) -> None:
    """The second request of a minute that allows one waits, and the page tells how long still."""
    world = World([quick_model("acme/a:free")], [SimAccount(KEY, per_minute=1)], clock="real")
    with served(world) as address, ThreadPoolExecutor() as pool:
        ask(address)
        page.goto(address)
        asked = pool.submit(leave, address, "auto")
        waiting = page.locator("#running .wait .time")
        expect(waiting).to_have_text(re.compile(r"^\d+ s$"), timeout=10_000)
        before = int(waiting.inner_text().split()[0])
        expect(page.locator("#line-count")).to_have_text("1 waiting")
        expect(page.locator("#running .wait .what")).to_contain_text("wait")
        less = "|".join(map(str, range(before)))
        expect(waiting).to_have_text(re.compile(rf"^({less}) s$"), timeout=10_000)
        asked.result()


def test_the_quota_through_the_day_is_a_plot(page: Page, address: str) -> None:
    """A step for each look, from a day ago to now, inside its frame."""
    ask(address, "cedar/mini:free")
    _with_a_day(page, [0, 4, 9, 9, 21, 37])
    page.goto(address)
    plot = page.get_by_role("img", name=re.compile(r"^Used since \d\d:\d\d: at most 37 of 50$"))

    expect(plot).to_be_visible()
    drawn = plot.locator(".used").get_attribute("d") or ""
    heights = [float(y) for y in re.findall(r"V([\d.]+)", drawn)]
    places = [float(x) for x in re.findall(r"H([\d.]+)", drawn)]
    assert heights == sorted(heights, reverse=True)  # more is used, so the line climbs
    assert heights[-1] == pytest.approx(30 - 29 * 37 / 50, abs=0.01)
    assert places == sorted(places)
    assert places[-1] == 100
    assert page.locator("#limits").inner_text().count("Used since") == 1, (
        "of the day, not the minute"
    )


def test_a_job_tells_its_progress(page: Page, tmp_path: Path) -> None:
    world = World([quick_model("acme/a:free", first_token=0.5)], clock="real")
    job = world.router(api_key=KEY).bulk(
        [f"Label {n}" for n in range(400)], tmp_path / "labels.job"
    )
    with served(world) as address, ThreadPoolExecutor() as pool:
        page.goto(address)
        done = pool.submit(lambda: sum(result.ok for result in job))
        card = page.locator("#jobs article")
        expect(card).to_contain_text("labels.job", timeout=10_000)
        expect(card).to_contain_text(re.compile(r"[1-9]\d* of 400 rows done"), timeout=10_000)
        expect(card).to_contain_text(re.compile(r"\d+ %"))
        width = page.locator("#jobs .bar i").evaluate("fill => parseFloat(fill.style.width)")
        assert 0 < width <= 100
        job.close()
        assert done.result() <= 400


def _with_a_day(page: Page, used: list[float]) -> None:
    """Let the service's overview tell what was used in equal steps of the last day."""

    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        step = 86_000 / len(used)
        for line in body["history"]:
            begin = body["now"] - 86_000
            line["points"] = [[begin + n * step, each] for n, each in enumerate(used)]
        route.fulfill(response=response, json=body)

    page.route("**/api/v1/overview", answer)


def test_many_models_are_sorted_searched_and_paged(page: Page) -> None:
    models = [quick_model(f"grove/m{n:03}:free", context=1000 + 8 * n) for n in range(400)]
    with served(World(models, clock="real")) as address:
        page.goto(address)
        names = page.locator("#models td.name")
        expect(page.locator("#place")).to_have_text("1 to 25 of 400")
        page.get_by_role("button", name="Model", exact=True).press("Enter")
        expect(names.first).to_have_text("grove/m000:free")
        expect(page.get_by_role("columnheader", name="Model")).to_have_attribute(
            "aria-sort", "ascending"
        )
        page.get_by_role("button", name="Next models").click()
        expect(names.first).to_have_text("grove/m025:free")
        page.get_by_role("button", name="Model", exact=True).click()
        expect(names.first).to_have_text("grove/m399:free")
        page.get_by_label("Search models").fill("m39 grove")
        expect(names).to_have_count(10)
        expect(page.get_by_role("status")).to_have_text("10 models")


def test_every_width_and_scheme_is_clean(page: Page, address: str, axe: str) -> None:
    """No rule of axe is broken, nothing is wider than the window, and no label crosses another."""
    ask(address, "aurora/large:free")
    found = {}
    page.goto(address)
    with ThreadPoolExecutor() as pool:
        pool.submit(leave, address, "elm/slow:free")
        expect(page.locator("#running article")).to_have_count(1)
        page.locator(".request summary").first.click()
        page.evaluate(axe)
        for width in (360, 1100, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                found[width, scheme] = page.evaluate(BROKEN), page.evaluate(WIDTH)
            assert page.evaluate(CROSSING) == []

    assert found == {(width, scheme): ([], width) for width, scheme in found}


def test_the_page_asks_for_the_token_and_keeps_it(page: Page, world: World[Clock]) -> None:
    with served(world, token=TOKEN) as address:
        page.goto(address)
        expect(page.locator("#content")).to_be_hidden()
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Enter").click()
        expect(page.locator("#status")).to_have_text("wrong token")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Enter").click()
        expect(page.locator("#models tr")).to_have_count(5)
        expect(page.get_by_label("Token")).to_be_hidden()
        page.reload()
        expect(page.locator("#models tr")).to_have_count(5)


def test_the_page_says_that_the_service_has_ended(page: Page, world: World[Clock]) -> None:
    with served(world) as address:
        page.goto(address)
        expect(page.locator("#models tr")).to_have_count(5)

    expect(page.locator("#status")).to_have_text("the service does not respond", timeout=10_000)
    expect(page.get_by_role("status")).to_have_text("the service does not respond")
    expect(page.locator("#gone")).to_contain_text("This is how it was at")
    assert page.evaluate("getComputedStyle(content).filter") == "grayscale(1)"


def test_a_model_name_with_html_is_shown_as_text(page: Page) -> None:
    name = "a/<img src=x onerror=alert(1)>" + "W" * 90 + ":free"
    hostile = World([quick_model(name, script=["502"])], clock="real")
    page.set_viewport_size({"width": 360, "height": 800})
    with served(hostile) as address:
        ask(address)
        page.goto(address)
        expect(page.locator("#models tr")).to_have_count(1)
        page.locator(".request summary").last.click()
        expect(page.locator(".attempt").last).to_contain_text("a/<img src=x")

        assert page.locator("img").count() == 0
        assert page.evaluate(WIDTH) <= 360


def test_a_screenshot_shows_the_page(page: Page, address: str, pytestconfig: pytest.Config) -> None:
    for model in (
        "auto",
        "aurora/large:free",
        "auto",
        "birch/vision:free",
        "dune/70b:free",
        "auto",
    ):
        ask(address, model, stream=model == "auto")
    page.goto(address)
    expect(page.locator(".request")).to_have_count(6)
    with ThreadPoolExecutor() as pool:
        pool.submit(leave, address, "elm/slow:free")
        expect(page.locator("#running article")).to_have_count(1)
        page.locator(".request summary").last.click()
        path = PICTURE if pytestconfig.getoption("--renew") else None
        picture = page.screenshot(path=path, full_page=True)

    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000
