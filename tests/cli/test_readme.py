"""What the README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

from documents import FENCE, printed

import salhw
from salhw import targets
from salhw.cli import TARGET_COLUMNS, app, target_row, target_summary
from salhw.comparison.wording import overview
from salhw_networks.demo import comparing
from salhw_networks.pairs.network import network as pair

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPARE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [text for written_in, _, text in FENCE.findall(README) if written_in == language]


def test_the_example_prints_what_it_shows() -> None:
    (example,) = blocks("python")
    shown = re.search(r"^prints\n\n```\n(.*?)^```$", README, re.S | re.M)
    assert shown
    assert len(example.splitlines()) <= 15
    assert printed(example, ROOT / "README.md", {"__name__": "__main__"}) == shown[1]


def test_it_begins_with_one_file_on_every_target() -> None:
    """The command is the demo's comparison; the reference's row of the transcript is what it gives now."""
    start = README.partition("\n## ")[0]
    command = re.search(
        r"^salhw compare pair --set learning_rate=(\S+) --duration (\S+) --targets all --out pair$", start, re.M
    )
    assert command
    rate, duration = map(float, command.groups())
    assert (rate, duration) == (comparing.LEARNING_RATE, comparing.DURATION)
    shown = [[cell.strip() for cell in line.split("│")[1:-1]] for line in start.splitlines() if line.startswith("│")]
    assert [row[0] for row in shown if row[0]] == ["reference", *(name for name in targets() if name != "reference")]
    result = salhw.compare(pair(learning_rate=rate), "loihi2", duration=duration, fit=False)  # which is refused at once
    assert result["loihi2"].verdict == "refused"
    columns, (reference, _) = overview(result)
    assert shown[0] == reference
    assert all(column in start for column in columns)
    assert [line for line in start.splitlines() if line.startswith("│") and line not in COMPARE] == []


def test_its_picture_is_small_and_said_in_words() -> None:
    for name, alt in re.findall(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">', README):
        assert 20_000 < (ROOT / name).stat().st_size < 150_000
        assert all(target in alt for target in targets())


def test_the_table_of_targets_is_the_program_s() -> None:
    lines = [TARGET_COLUMNS, *(target_row(target_summary(target)) for target in targets().values())]
    expected = [f"| {' | '.join(line)} |" for line in lines]
    expected.insert(1, "|" + "---|" * len(TARGET_COLUMNS))
    shown = re.search(r"^## Targets\n\n((?:\|.*\n)+)", README, re.M)
    assert shown
    assert shown[1].splitlines() == expected


def test_every_command_is_listed() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    names |= {group.name for group in app.registered_groups}
    assert set(re.findall(r"^\| `salhw ([a-z]+)", README, re.M)) == names


def test_the_two_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"^make ([\w-]+)|`make ([\w-]+)`", README, re.M):
        assert re.search(rf"^{''.join(name)}:", makefile, re.M)
    assert "`salhw demo --out demo`" in README
    assert "salhw demo --out demo" in makefile
