"""The page: whole, self-contained, right in its cells; in a browser too, where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from salhw.conformance import ConformanceReport, Figure, Outcome
from salhw.conformance.drawing import on_margin, small, svg, ticks
from salhw.conformance.html import render

VOID = {"meta", "br", "line", "circle", "polyline", "img", "hr", "input", "link"}
FIGURE = Figure(
    "lag (ms)", "share <of> pairs", [-10.0, 0.0, 10.0], {"theory": [0.1, 0.3, 0.1], "measured": [0.11, 0.29, 0.1]},
    {"measured": [0.01, 0.02, 0.01]},
)  # fmt: skip
OUTCOMES = (
    Outcome(
        "pair-stdd", "dynamics", "pass", "as the theory", 0.5, 0.012, 0.02, "total variation", 1e-6, "Lags.", FIGURE
    ),
    Outcome("psp-sign", "dynamics", "fail", "the sign is <wrong>", 0.1, 1.0, 0.0, "wrong"),
    Outcome("lif-rate", "dynamics", "unsupported", "SAL101 neurons", 0.0),
    Outcome("seeds", "interface", "known", "a real chip", 0.2, 0.5, 0.0),
    Outcome("batch", "interface", "unavailable", "SAL603 hxtorch; fix: pip install hxtorch", 0.0),
)


def report(target: str, outcomes: tuple[Outcome, ...] = OUTCOMES, **options: str) -> ConformanceReport:
    return ConformanceReport(target, target, {"python": "3.11", "salhw": "0.1"}, "quick", 0, outcomes, options, {})


class Page(HTMLParser):
    """Balanced tags, ids, links, resources, and the text of the matrix's cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.foreign: list[str] = []
        self.rows: list[list[str]] = []
        self.viewport = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        self.foreign += [tag] if tag in ("script", "link", "iframe") or "src" in given else []
        self.viewport |= given.get("name") == "viewport"
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "tr" and "details" not in self.stack:
            self.rows.append([])
        if tag in ("td", "th") and "details" not in self.stack:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and {"td", "th"} & set(self.stack) and "details" not in self.stack:
            self.rows[-1][-1] += data


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text = render([report("one"), report("two")])
    page = Page(text)
    assert page.stack == []
    assert page.foreign == []
    assert page.viewport
    assert "<!--" not in text
    assert not re.search(r"https?://|@import|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_the_matrix_holds_every_target_and_check() -> None:
    rows = Page(render([report("one"), report("two", OUTCOMES[:2])])).rows
    assert rows[0] == ["check", "one", "two"]
    assert [row[0] for row in rows if len(row) == 1] == ["dynamics", "interface"]
    cells = {row[0]: row[1:] for row in rows if len(row) == 3}
    assert cells["pair-stdd"][0].split() == ["✓", "pass0.012", "/", "0.02", "total", "variation"]
    assert cells["psp-sign"][0].startswith("✗ fail1 / 0 wrong")
    assert cells["lif-rate"] == ["– unsupported", "not run"]
    assert cells["seeds"][0].startswith("≈ known")
    assert cells["batch"][0] == "? unavailable"


def test_outcomes_are_told_apart_without_colour() -> None:
    from salhw.conformance.html import MARKS

    assert len(set(MARKS.values())) == len(MARKS) == 6


def test_text_is_escaped_and_install_hints_are_shown() -> None:
    text = render([report("<b>")])
    assert "the sign is &lt;wrong&gt;" in text
    assert "<b></b>" not in text
    assert "share &lt;of&gt; pairs" in text
    assert text.index("fix: pip install hxtorch") < text.index('id="matrix"')


def test_targets_of_one_name_are_told_apart() -> None:
    rows = Page(render([report("t", algorithm="a"), report("t", algorithm="b"), report("t", algorithm="b")])).rows
    assert rows[0] == ["check", "t (algorithm a)", "t (algorithm b)", "t (algorithm b) #3"]


def test_figures_hold_every_point_and_error() -> None:
    drawn = svg(FIGURE)
    assert drawn.count("<circle") == 3
    assert drawn.count('<line class="c1"') == 3
    assert len(re.findall(r"[\d.]+,[\d.]+", re.findall(r'points="([^"]*)"', drawn)[0])) == 3
    assert 'role="img"' in drawn


@pytest.mark.parametrize(
    "figure",
    [
        Figure("x", "y", [], {}),
        Figure("x", "y", [1.0], {"only": [2.0]}),
        Figure("x", "y", [0.0, 1.0], {"flat": [3.0, 3.0], "short": [1.0], "gap": [float("nan"), 2.0]}),
        replace(FIGURE, errors={"measured": [0.0]}),
    ],
)
def test_odd_figures_are_drawn_too(figure: Figure) -> None:
    drawn = svg(figure)
    assert "nan" not in drawn
    text = render([report("odd", (replace(OUTCOMES[0], figure=figure),))])
    assert Page(text).stack == []


def dot(measured: float, declared: float) -> float:
    """Where a measured value is drawn, and as a share of the way from the left end to the margin."""
    drawn = on_margin(measured, declared)
    at = float(re.findall(r'class="at" cx="([\d.]+)"', drawn)[0])
    end, limit = (float(re.findall(rf'class="{name}" x1="([\d.]+)"', drawn)[0]) for name in ("grid", "limit"))
    return (at - end) / (limit - end)


def test_measured_values_lie_on_a_logarithmic_axis_of_their_margin() -> None:
    assert [round(dot(m, 0.02), 2) for m in (0.0, 2e-5, 2e-4, 2e-3, 0.02, 0.2, 9.0)] == [
        0,
        0,
        0.33,
        0.67,
        1,
        1.33,
        1.33,
    ]
    assert [round(dot(m, 0.0), 2) for m in (0.0, 1.0)] == [0, 1.33]
    assert dot(-0.02, 0.02) == 1.0


def test_a_passing_page_shows_pictures_without_a_click() -> None:
    matrix = render([report("one", OUTCOMES[:1])]).partition('id="matrix"')[2].partition("</table>")[0]
    assert matrix.count('class="margin"') == 1
    assert small(FIGURE) in matrix
    assert "as the theory" in matrix
    assert "as the theory" not in render([report("one"), report("two")]).partition("</table>")[0]


def test_a_page_says_that_its_report_is_not_whole() -> None:
    text = render([replace(report("one", OUTCOMES[:1]), unfinished=("a", "b"))])
    assert "does not conform: 1&nbsp;pass; not whole, 2 not run." in text


def test_coverage_is_a_matrix_of_kinds() -> None:
    details = {"kinds": ["neurons.GLM", "neurons.LIF", "stimuli.Clamp"], "pairs": [["neurons.GLM", "stimuli.Clamp"]],
               "unmeasured": ["neurons.LIF"]}  # fmt: skip
    covered = replace(OUTCOMES[0], name="replay-coverage", outcome="unmeasured", details=details)
    text = render([report("one", (covered,))]).partition("What random networks had")[2]
    assert re.findall(r'class="met" title="([^"]*)"', text) == [
        "neurons.GLM", "stimuli.Clamp with neurons.GLM", "stimuli.Clamp",
    ]  # fmt: skip
    assert "Never: neurons.LIF." in text


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3.2, 7.9), (1e-9, 3e-9), (5, 5), (0, 0), (-2e6, 1e7), (0.1, 0.30001)]
)
def test_ticks_enclose_and_are_few(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 9
    assert found == sorted(set(found))


def browse(path: Path, profile: Path, *flags: str) -> str:
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={profile}", *flags, "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")
def test_in_a_browser(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(render([report("one"), report("a-second-target"), report("a-third-target")]), encoding="utf-8")
    probe = tmp_path / "probe.html"
    probe.write_text(
        """<iframe id=f src="page.html#r0-pair-stdd" style="width:390px;height:800px"></iframe><script>
        onload = () => { const d = f.contentDocument, s = d.getElementById("matrix");
          const shown = id => d.defaultView.getComputedStyle(d.getElementById(id)).display;
          document.body.append("width=" + d.documentElement.scrollWidth, " matrix=" + (s.scrollWidth > s.clientWidth),
            " target=" + shown("r0-pair-stdd"), " other=" + shown("r1-pair-stdd"), " fail=" + shown("r1-psp-sign"),
            " cells=" + d.querySelectorAll(".matrix td").length,
            " svg=" + d.querySelector("article svg").clientWidth); }
        </script>""",
        encoding="utf-8",
    )
    found = browse(probe, tmp_path / "profile", "--allow-file-access-from-files")
    facts = dict(re.findall(r"(\w+)=(\w+)", found[found.rindex("</script>") :]))
    assert int(facts["width"]) <= 390  # the page itself never scrolls sideways on a phone ...
    assert facts["matrix"] == "true"  # ... the matrix does
    assert (facts["target"], facts["other"], facts["fail"]) == ("block", "none", "block")
    assert facts["cells"] == "15"
    assert 200 < int(facts["svg"]) < 390
    dom = browse(page, tmp_path / "profile")
    assert Page(dom.replace("<!DOCTYPE html>", "")).rows == Page(page.read_text(encoding="utf-8")).rows
