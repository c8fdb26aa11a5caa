"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from documents import FENCE

from salhw import targets
from salhw.cli import TARGET_COLUMNS, app, target_row, target_summary

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [text for written_in, _, text in FENCE.findall(README) if written_in == language]


def test_the_example_prints_what_it_shows() -> None:
    (example,) = blocks("python")
    shown = re.search(r"^prints\n\n```\n(.*?)^```$", README, re.S | re.M)
    assert shown
    assert len(example.splitlines()) <= 15
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    assert done.stdout == shown[1]


def test_the_table_of_targets_is_the_program_s() -> None:
    lines = [TARGET_COLUMNS, *(target_row(target_summary(target)) for target in targets().values())]
    expected = [f"| {' | '.join(line)} |" for line in lines]
    expected.insert(1, "|" + "---|" * len(TARGET_COLUMNS))
    shown = re.search(r"^## Targets\n\n((?:\|.*\n)+)", README, re.M)
    assert shown
    assert shown[1].splitlines() == expected


def test_every_command_is_listed() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert set(re.findall(r"^\| `salhw ([a-z]+)", README, re.M)) == names


def test_the_two_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"^make (\w+)", README, re.M):
        assert re.search(rf"^{name}:", makefile, re.M)
    assert "`salhw demo --out demo`" in README
    assert "salhw demo --out demo" in makefile
