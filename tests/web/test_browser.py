"""What a visitor sees in a real browser, offline: charts are drawn, nothing runs that should not, nothing is asked of others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.db.site_samples import EVIDENCE_BEFORE, Sample
from tests.web.conftest import visit

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PATHS = [
    "/",
    "/-/statement/1",
    "/-/document/1",
    "/-/actor/brandvik",
    "/-/topic/1",
    "/-/search?q=weights",
    "/-/about",
    "/-/dashboards/debate",
    "/-/dashboards/debate/stance",
    "/-/archive/1",
    "/debatewatch",
    "/debatewatch/statements",
    "/debatewatch/actor_statements",
    "/debatewatch?sql=select+1",
]
# What the browser says when the sandbox of an archived page holds.
HELD = "Blocked script execution"


def test_pages_work_under_the_security_policy_and_ask_nothing_of_other_hosts(browser: Any, address: str) -> None:
    seen = visit(browser, address)
    for path in PATHS:
        seen.open(path)
    assert seen.elsewhere == []
    assert [problem for problem in seen.problems if HELD not in problem] == []


def test_the_dashboard_draws_every_chart(browser: Any, address: str) -> None:
    page = visit(browser, address).open("/-/dashboards/debate")
    page.wait_for_function(
        "document.querySelectorAll('.chart[data-drawn]').length === document.querySelectorAll('.chart').length"
    )
    assert page.locator(".chart[data-drawn=failed]").count() == 0
    for chart in ("stance", "share", "topics"):
        assert page.locator(f"#chart-{chart} svg [role=graphics-symbol], #chart-{chart} svg path").count() > 4
    assert page.locator("#chart-statements .metric").inner_text() == "3"
    assert page.locator("#chart-moved td").nth(1).inner_text() == "Tomas Brandvik"


def test_nothing_hostile_runs_on_any_page(browser: Any, hostile_address: str) -> None:
    seen = visit(browser, hostile_address)
    for path in [*PATHS, "/-/dashboards/debate/moved", "/debatewatch/articles", "/debatewatch/changes_of_position"]:
        page = seen.open(path)
        assert page.evaluate("window.hacked === undefined"), path
        assert page.locator("img[src=x]").count() == 0, path
    assert seen.elsewhere == []


def test_an_archived_page_runs_no_script_and_cannot_reach_the_site(browser: Any, address: str) -> None:
    seen = visit(browser, address)
    page = seen.open("/-/archive/1")
    frame = page.frame_locator("iframe.kept")
    assert frame.locator("h1").inner_text() == "Kept page"
    assert page.evaluate("window.hacked === undefined")
    page.goto(address + "/-/archive/1/page")
    assert page.evaluate("document.title === '' && window.origin") == "null"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone(browser: Any, address: str, scheme: str) -> None:
    seen = visit(browser, address, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    for path in PATHS:
        page = seen.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


MEASURE = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const texts = "p, a, li, dt, dd, span, td, th".split(", ").map((name) => `main ${name}`).join(", ");
  const poor = [];
  for (const element of document.querySelectorAll(`${texts}, h1, h2, h3, nav a, footer a`)) {
    if (!element.innerText || !element.offsetParent || element.closest("svg")) continue;
    let behind = element, paper = [255, 255, 255];
    while (behind) {
      const color = parse(getComputedStyle(behind).backgroundColor);
      if (color.length === 3 || color[3] > 0) { paper = color; break; }
      behind = behind.parentElement;
    }
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(paper)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


def test_text_has_contrast_in_both_schemes(browser: Any, address: str) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text, against the nearest background that is not transparent."""
    for scheme in ("light", "dark"):
        seen = visit(browser, address, color_scheme=scheme)
        for path in (
            "/",
            "/-/statement/1",
            "/-/document/1",
            "/-/actor/brandvik",
            "/-/dashboards/debate",
            "/debatewatch/statements",
        ):
            assert seen.open(path).evaluate(MEASURE) == [], (scheme, path)


def test_a_visitor_goes_from_the_front_page_to_the_archived_page_with_the_keyboard(
    browser: Any, address: str, sample: Sample
) -> None:
    page = visit(browser, address).open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label("Search statements, texts and actors").fill("publish weights")
    page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")
    page.locator("ol.statements blockquote a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/-/statement/{sample.before}")
    assert EVIDENCE_BEFORE in page.locator(".passage").inner_text()
    page.get_by_role("link", name="archived page").first.click()
    page.wait_for_url("**/-/archive/*")
    assert page.locator("iframe.kept").count() == 1


def test_every_page_has_one_heading_landmarks_a_language_and_labelled_fields(browser: Any, address: str) -> None:
    seen = visit(browser, address)
    for path in PATHS[:10]:
        page = seen.open(path)
        assert page.locator("h1").count() == 1, path
        assert page.locator("html[lang]").count() == 1
        assert all(page.locator(name).count() >= 1 for name in ("header", "main", "footer", "nav[aria-label]")), path
        unlabelled = page.evaluate(
            """[...document.querySelectorAll('input:not([type=hidden]):not([type=submit]), select')]
               .filter((field) => !field.labels.length).length"""
        )
        assert unlabelled == 0, path
