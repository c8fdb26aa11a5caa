"""``salhw compare``, and the page that it leaves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from comparison_examples import Broken, Elsewhere, Gone, Strong, installed
from pictures import undrawn
from typer.testing import CliRunner, Result

import salhw
from salhw.cli import app
from salhw.cli.compare import remarks
from salhw.comparison import Comparison
from salhw.comparison.comparison import MEANINGS, Predicted
from salhw.comparison.html import MARKS, render
from salhw.registry import builder

VOID = {"meta", "br", "img"}
PIXEL = {"rates.png": ("Rates <of> neurons", b"\x89PNG")}


def invoke(*arguments: str | Path) -> Result:
    """The command, whose pictures ``compared`` draws."""
    with undrawn():
        return CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture
def some(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch, Elsewhere("plain"), Gone("gone"), Broken("broken")):
        yield


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    """A learning pair on a plain, a missing and a wrong target, with everything that it leaves in its folder."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch, installed(patch, Elsewhere("plain"), Gone("gone"), Strong("strong")):
        net = builder("pair")(update="every 40 ms", learning_rate=0.005)
        return salhw.compare(net, duration=800.0, instances=6, out=folder), folder


def test_the_table_the_files_and_the_status(some: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    result = invoke("pair", "--targets", "plain,gone", "--duration", 400, "--instances", 4, "--out", tmp_path / "c")
    assert result.exit_code == 0, result.output
    assert "plain, 4 instances: undecided" in result.stdout
    assert re.search(r"│ reference +│ 16 instances +│ [\d.]+ -> [\d.]+ ± [\d.]+ +│ +│", result.stdout)
    assert re.search(r"│ plain +│ 4 instances +│ [\d.]+ -> [\d.]+ ± [\d.]+ +│ \d+ undecided", result.stdout)
    assert re.search(r'│ gone +│ unavailable +│ +│ to install it: pip install "salhw\[it\]" +│', result.stdout)
    assert re.search(r"│ rate of neurons +│ +[\d.]+ ± [\d.]+ │ +[\d.]+ ± [\d.]+ │ +[\d.]+ / [\d.]+ Hz │", result.stdout)
    assert 'gone unavailable: SAL603 open = thesimulator: an installed package fix: pip install "salhw[it]"' in (
        " ".join(result.stdout.split())
    )
    assert "would tell" in result.stdout
    assert "in at most 1 % of comparisons" in " ".join(result.stdout.split())
    assert {p.name for p in (tmp_path / "c").iterdir()} >= {
        "index.html",
        "comparison.json",
        "plain.h5",
        "weights-pair.png",
    }
    again = invoke("pair", "--targets", "plain", "--duration", 400, "--out", tmp_path / "c")
    assert again.exit_code == 2
    assert "--force to replace" in again.stderr


def test_json_is_one_document_and_a_broken_target_status_1(some: None, tmp_path: Path) -> None:
    options = ("--duration", 400, "--instances", 2, "--out", tmp_path, "--json", "--margin", "rate=0.5", "--seed", 3)
    result = invoke("pair", "--targets", "plain,broken", *options)
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["version"] == 1
    assert (document["seed"], document["margins"]["rate"]) == (3, 0.5)
    assert [o["verdict"] for o in document["outcomes"]] == ["undecided", "failed"]
    assert document["reference"]["instances"] == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--margin", "rate"), "NAME=VALUE"),
        (("--margin", "rates=1"), "did you mean rate"),
        (("--targets", "plane"), "did you mean plain"),
        (("--chips", "5:2"), "A:B with whole numbers"),
        (("--chips", "0:999999999999"), "SAL221 chips"),
        (("--chips", "0:4"), "targets whose chips differ"),
        (("--targets", "reference"), "a target beside the reference"),
        (("--targets", ","), "a target beside the reference"),
        (("--duration", "0.1"), "duration = 0.4 ms"),
    ],
)
def test_wrong_usage_is_status_2_and_leaves_nothing(
    some: None, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = invoke("pair", *options, "--out", tmp_path / "c")
    assert result.exit_code == (1 if "SAL221" in message else 2)
    assert message in result.stderr
    assert not (tmp_path / "c").exists()


def test_narrow_terminals_show_one_cell_a_line(some: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    options = ("--targets", "plain,gone", "--duration", 400, "--instances", 2, "--out", tmp_path)
    lines = invoke("pair", *options).stdout.splitlines()
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 44
    assert any(line.strip().startswith("verdict: undecided") for line in lines)


def test_the_reference_alone_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with installed(monkeypatch):
        result = invoke("pair", "--duration", 400, "--instances", 2, "--out", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.startswith("No target beside the reference is installed")
    assert (tmp_path / "stdd.png").exists()


class Page(HTMLParser):
    """Balanced tags, ids, links and resources."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[str] = []
        self.resources: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.resources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(compared: tuple[Comparison, Path]) -> None:
    result, folder = compared
    text = (folder / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.stack == []
    assert "<!--" not in text
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert all(source.startswith("data:image/png;base64,") for source in page.resources)
    assert not re.search(r"https?://|@import|url\(", text)
    assert page.tags.count("img") == len([*folder.glob("*.png")]) == 7
    assert "prefers-color-scheme: dark" in text
    for outcome in result.outcomes:
        assert f"<b>{outcome.target}</b> {outcome.verdict}" in text
    assert "fix: pip install &quot;salhw[it]&quot;" in text
    assert text.index("<img") < text.index('id="matrix"')


def test_every_quantity_of_every_target_has_its_cell(compared: tuple[Comparison, Path]) -> None:
    result, _ = compared
    text = render(result, {})
    rows = [row for outcome in result.outcomes for row in outcome.rows]
    assert len(re.findall(r'<span class="verdict">', text)) == len(rows) > 15
    assert text.count(" different</span>") == sum(row.verdict == "different" for row in rows) > 0


def test_text_is_escaped_and_predictions_stand_beside_measurements(compared: tuple[Comparison, Path]) -> None:
    result, _ = compared
    predicted = Predicted(
        "p.pairing = all -> <x>", "drift", "projections.pair", 0.1, 0.15, 0.01, "1/s", "theory", 0.04, 0.002
    )
    odd = replace(result.outcomes[0], target="<b>", predicted=(predicted,), changes=("p = 1 -> <2>",))
    text = render(replace(result, outcomes=(odd,)), PIXEL)
    assert Page(text).stack == []
    assert "<b></b>" not in text
    assert "Rates &lt;of&gt; neurons" in text
    assert "p.pairing = all -&gt; &lt;x&gt;" in text
    assert "+0.05 ± 0.01 1/s (theory)" in text
    assert "0.0400 ± 0.0020" in text


def test_what_is_undecided_in_several_pairs_is_told_with_the_pair(compared: tuple[Comparison, Path]) -> None:
    rows = compared[0]["plain"].rows
    (row,) = (row for row in rows if row.quantity == "stdd")
    row = replace(row, verdict="undecided", more=3.0)
    outcome = replace(compared[0]["plain"], rows=(row, replace(row, path="projections.pair[1, 0]")))
    (line,) = (line for line in remarks(outcome, compared[0]) if "undecided in 2" in line)
    assert re.findall(r"(stdd of [^:]+): about", line) == ["stdd of pair[0, 1]", "stdd of pair[1, 0]"]


def test_verdicts_are_told_apart_without_colour() -> None:
    assert len({MARKS[name] for name in MEANINGS}) == len(MEANINGS)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")
def test_in_a_browser(compared: tuple[Comparison, Path], tmp_path: Path) -> None:
    """On a telephone the page does not scroll sideways, and pictures are as wide as it."""
    (tmp_path / "page.html").write_bytes((compared[1] / "index.html").read_bytes())
    (tmp_path / "probe.html").write_text(
        """<iframe id=f src="page.html" style="width:390px;height:800px"></iframe><script>
        onload = () => { const d = f.contentDocument, i = d.querySelectorAll("img");
          document.body.append("width=" + d.documentElement.scrollWidth, " pictures=" + i.length,
            " first=" + i[0].clientWidth, " whole=" + [...i].every(p => p.complete && p.naturalWidth > 500)); }
        </script>""",
        encoding="utf-8",
    )
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               f"--user-data-dir={tmp_path / 'profile'}", "--allow-file-access-from-files", "--dump-dom",
               (tmp_path / "probe.html").as_uri()]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    facts = dict(re.findall(r"(\w+)=(\w+)", found[found.rindex("</script>") :]))
    assert int(facts["width"]) <= 390
    assert facts["pictures"] == "7"
    assert 300 < int(facts["first"]) <= 390
    assert facts["whole"] == "true"
