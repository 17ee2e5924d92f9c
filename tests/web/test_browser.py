"""A person with a real browser gets through an incident, with JavaScript or without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.service import until
from tests.web.scene import browser, mend, prepare, site_with
from tests.web.site import LEDGER, Site

pytestmark = pytest.mark.browser

# Text must stand out from what it is on (WCAG 1.4.3), buttons be hit by a thumb, fields be named.
AUDIT = """
() => {
  const number = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const lightness = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = number(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const pair = [number(style.color).slice(0, 3), behind(element)].map(lightness);
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    texts += 1;
    if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(2)}: ${walker.currentNode.textContent}`);
  }
  if (texts < 5) found.push(`only ${texts} texts seen`);
  const hit = "button, .button, summary, nav a, .tick, textarea";
  for (const e of document.querySelectorAll(hit)) {
    if (innerWidth < 768 && e.checkVisibility() && e.getBoundingClientRect().height < 44)
      found.push(`${e.getBoundingClientRect().height} px high: ${e.outerHTML.slice(0, 80)}`);
  }
  for (const e of document.querySelectorAll("input:not([type=hidden]), textarea"))
    if (!e.labels.length) found.push(`no label: ${e.outerHTML}`);
  if (document.querySelectorAll("h1").length !== 1) found.push("not exactly one h1");
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  found.push(...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `id twice: ${id}`));
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) found.push(`${wide} px too wide`);
  return found;
}
"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def broken(tmp_path: Path, credits_url: str) -> Iterator[tuple[Site, str]]:
    """The service with an incident on a credits app whose balances are wrong; and that app."""
    prepare(credits_url, broken=True)
    with site_with(f"sqlite:///{tmp_path / 'responder.db'}", credits_url) as site:
        yield site, credits_url


def until_shown(page: Page, text: str) -> None:
    """Reload until the page says something; it does not change by itself."""
    for _ in range(60):
        if page.get_by_text(text).count():
            return
        page.wait_for_timeout(250)
        page.reload()
    raise AssertionError(f"{page.url} never said {text!r}:\n{page.locator('main').inner_text()}")


@pytest.mark.parametrize(
    ("javascript", "width"), [(True, 1280), (False, 360)], ids=["javascript", "without"]
)
def test_an_incident_to_its_end(
    chrome: Browser, broken: tuple[Site, str], javascript: bool, width: int
) -> None:
    site, credits_url = broken
    incident = site.incident()
    site.settled(incident)
    context = chrome.new_context(
        java_script_enabled=javascript,
        viewport={"width": width, "height": 760},
        base_url=site.url,
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(site.link())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Incidents")).to_be_visible()
    page.get_by_role("link", name=LEDGER).click()
    expect(page.get_by_role("heading", name=LEDGER)).to_be_visible()
    expect(page.get_by_role("region", name="Paused now")).to_contain_text(
        "refuses inserts, and no earlier transaction is open"
    )

    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("acknowledged by Rosa Okafor").first).to_be_visible()

    # The check found two balances that are wrong. Look, mend, retry.
    step = page.locator(".step", has_text="Balances equal the ledger")
    expect(step).to_contain_text("2 offending rows")
    step.get_by_text("2 rows", exact=True).click()
    expect(step.get_by_role("cell").filter(has_text=re.compile(r"^ada$"))).to_be_visible()
    mend(credits_url)
    failing = page.locator(".step.is-failed")
    while failing.count():
        failing.first.get_by_role("button", name="Retry").click()
        site.settled(incident)
        page.reload()

    boxes = page.get_by_role("checkbox")
    for at in range(boxes.count()):
        boxes.nth(at).check()
    page.get_by_role("button", name="Save Review by a person").click()
    until_shown(page, "On approval:")
    page.get_by_label("Reason (optional)").fill("balances add up")
    page.get_by_label("Reason (optional)").press("Enter")  # must not press Approve
    expect(page.get_by_role("button", name="Approve Resume")).to_be_visible()
    assert site.step(incident, "resume")["state"] == "waiting"
    page.get_by_role("button", name="Approve Resume").click()
    until_shown(page, "Every step is done.")
    expect(page.get_by_role("region", name="Paused now")).to_have_count(0)

    page.get_by_role("button", name="Resolve").click()
    page.get_by_role("link", name="Read its post-mortem").click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.get_by_text("balances add up")).to_be_visible()
    assert complaints == [], "the content security policy or a missing file"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_unconfirmed_pause_is_red_and_can_be_read(
    chrome: Browser, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    unreachable = "postgresql://127.0.0.1:1/none"
    with site_with(f"sqlite:///{tmp_path / 'responder.db'}", unreachable) as site:
        incident = site.incident()
        until(lambda: site.step(incident, "stop"), lambda step: step["error"])
        context = chrome.new_context(color_scheme=scheme, base_url=site.url)
        page = context.new_page()
        page.goto(site.link())
        page.get_by_role("button", name="Sign in").click()
        page.goto(f"/incidents/{incident}")
        notice = page.get_by_role("region", name="Pause not confirmed")
        edge = notice.evaluate("e => getComputedStyle(e).borderLeftColor")
        red, green, blue = map(int, re.findall(r"\d+", edge))
        assert red > 1.4 * max(green, blue), edge
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 760})
            assert page.evaluate(AUDIT) == []
        context.close()


def test_the_keyboard_is_enough(chrome: Browser, broken: tuple[Site, str]) -> None:
    site, _ = broken
    site.settled(site.incident())
    page = chrome.new_page(base_url=site.url)
    page.goto(site.link())
    page.get_by_role("button", name="Sign in").press("Enter")
    page.wait_for_url("**/incidents")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent")
        outline = page.evaluate(
            "[getComputedStyle(document.activeElement).outlineStyle,"
            "getComputedStyle(document.activeElement, '::after').outlineStyle]"
        )
        assert "solid" in outline, f"no visible focus on {focused}"
        if focused == LEDGER:
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents/1")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_and_hit_by_everybody(
    chrome: Browser, broken: tuple[Site, str], scheme: Literal["light", "dark"]
) -> None:
    site, _ = broken
    context = chrome.new_context(color_scheme=scheme, base_url=site.url)
    page = context.new_page()

    def audit() -> dict[str, Any]:
        found = {}
        for width in (360, 768, 1280):
            page.set_viewport_size({"width": width, "height": 760})
            if problems := page.evaluate(AUDIT):
                found[f"{page.url} at {width}"] = problems
        return found

    page.goto("/sign-in")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.goto(site.link())
    page.get_by_role("button", name="Sign in").click()
    wrong: dict[str, Any] = {}
    for path in ("/incidents", "/deliveries", "/post-mortems", "/nowhere"):  # while empty
        page.goto(path)
        wrong |= audit()
    incident = site.incident(title=LEDGER + " in averyveryverylongwordwithoutanyspace" * 3)
    site.settled(incident)
    for path in (
        "/incidents",
        f"/incidents/{incident}",
        "/switches",
        "/deliveries",
        "/deliveries/1",
        "/noise",
        "/objectives",
    ):
        page.goto(path)
        for summary in page.locator("summary").all():
            summary.click()
        wrong |= audit()
    site.post("/switches/credit-transactions/release", reason="test", incident=incident)
    assert site.post(f"/incidents/{incident}/resolve").is_success
    for path in (f"/incidents/{incident}", "/post-mortems", "/post-mortems/1"):
        page.goto(path)
        wrong |= audit()
    assert not wrong, "\n".join(f"{where}: {what}" for where, what in wrong.items())
    context.close()
