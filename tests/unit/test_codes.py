"""Every code that the code can report is explained, and nothing else is."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

import salhw
from salhw.diagnostics import counted, explanations

CODE = re.compile(r"SAL[0-9]{3}")


def in_source() -> set[str]:
    """The codes in the source as it is installed, prose in docstrings included."""
    packages = [Path(m.module_finder.path, m.name) for m in pkgutil.iter_modules() if m.name.startswith("salhw")]
    files = [file for package in packages for file in package.rglob("*.py")]
    return {code for file in files for code in CODE.findall(file.read_text(encoding="utf-8"))}


def test_every_code_in_the_source_is_explained_and_every_explanation_has_a_code() -> None:
    assert set(explanations()) == in_source()


@pytest.mark.parametrize("code", sorted(explanations()))
def test_an_explanation_is_a_title_and_two_to_five_sentences_with_a_path(code: str) -> None:
    entry = salhw.explain(code)
    assert entry.code == code
    assert 5 < len(entry.title) < 60
    assert 2 <= len(re.findall(r"[.](?:\s|$)", entry.text)) <= 5
    assert "`" in entry.text  # a path, or what to write


def test_explain_takes_any_case_and_refuses_what_it_does_not_know() -> None:
    assert salhw.explain("sal104") == salhw.explain("SAL104")
    assert "2..30 ms" in salhw.explain("SAL104").text
    with pytest.raises(salhw.DescriptionError, match="SAL001 code = SAL999: one of SAL001, SAL002"):
        salhw.explain("SAL999")


def test_a_diagnostic_is_text_and_data() -> None:
    finding = salhw.Diagnostic("SAL104", "a.tau", "40 ms", "supported 2..30 ms", "tau <= 30 ms")
    assert str(finding) == "SAL104 a.tau = 40 ms: supported 2..30 ms\n       fix: tau <= 30 ms"
    assert finding.as_dict() == {
        "code": "SAL104", "path": "a.tau", "asked": "40 ms", "supported": "supported 2..30 ms",
        "fix": "tau <= 30 ms", "severity": "error",
    }  # fmt: skip
    assert [counted("problem", [0] * n) for n in (0, 1, 2)] == ["0 problems", "1 problem", "2 problems"]
