"""The page at / in a real browser. `freerouter serve` runs over a simulated OpenRouter."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimAccount, SimModel, World

from ..conftest import Serve
from .conftest import TOKEN, program, service

CHROMIUM_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
KEY = "sk-or-v1-browser-0123456789"
PICTURE = Path(__file__).parent.parent.parent / "docs" / "images" / "page.png"
quick_model = partial(SimModel, first_token=0.02, speed=2_000.0)


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
        viewport={"width": 1100, "height": 820}, locale="en-GB", timezone_id="UTC"
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
        quick_model("elm/pro", prompt_price="0.000001", completion_price="0.000002"),
    ]
    return World(models, [SimAccount(KEY, per_minute=20, per_day=50)], seed=4, clock="real")


@pytest.fixture
def address(serve: Serve, world: World[Clock], tmp_path: Path) -> Iterator[str]:
    with service(serve(world), tmp_path, key=KEY) as address:
        yield address


def ask(address: str, model: str = "auto", **more: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "a secret wish"}], **more}
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=30)


def test_models_limits_and_requests_update_without_a_reload(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#usable")).to_have_text("4 of 4 free models usable")
    expect(page.locator("#models tr")).to_have_count(4)
    expect(page.locator("#requests")).to_have_text("None yet.")

    ask(address, "aurora/large:free")
    expect(page.locator(".request")).to_have_count(1, timeout=10_000)  # without a reload

    request = page.locator(".request").first
    expect(request.locator(".attempt").first).to_contain_text("aurora/large:free: busy (server)")
    expect(request.locator(".attempt").last).to_contain_text("answered")
    expect(page.locator("#limits")).to_contain_text("of 20 left")
    expect(page.locator("#usable")).not_to_contain_text("4 of 4")
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
    page.get_by_label("filter models").fill("IMAGE")

    expect(page.locator("#models tr")).to_have_count(1)
    expect(page.locator("#models")).to_contain_text("birch/vision:free")


def test_the_page_fits_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    ask(address, "aurora/large:free")
    page.goto(address)
    expect(page.locator(".request")).to_have_count(1)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_asks_for_the_token_and_keeps_it(
    page: Page, serve: Serve, world: World[Clock], tmp_path: Path
) -> None:
    with service(serve(world), tmp_path, "--token", TOKEN, key=KEY) as address:
        page.goto(address)
        expect(page.locator("#content")).to_be_hidden()
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Enter").click()
        expect(page.locator("#status")).to_have_text("wrong token")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Enter").click()
        expect(page.locator("#models tr")).to_have_count(4)
        expect(page.get_by_label("Token")).to_be_hidden()
        page.reload()
        expect(page.locator("#models tr")).to_have_count(4)


def test_the_page_says_that_the_service_has_ended(
    page: Page, serve: Serve, world: World[Clock], tmp_path: Path
) -> None:
    with service(serve(world), tmp_path, key=KEY) as address:
        page.goto(address)
        expect(page.locator("#models tr")).to_have_count(4)

    expect(page.locator("#status")).to_have_text("the service does not respond", timeout=10_000)


def test_a_model_name_with_html_is_shown_as_text(page: Page, serve: Serve, tmp_path: Path) -> None:
    hostile = World([quick_model("a/<img src=x onerror=alert(1)>:free")], clock="real")
    with service(serve(hostile), tmp_path) as address:
        ask(address)
        page.goto(address)
        expect(page.locator("#models tr")).to_have_count(1)

        assert page.locator("#models img").count() == 0


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
    picture = page.screenshot(path=PICTURE if pytestconfig.getoption("--renew") else None)

    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000
