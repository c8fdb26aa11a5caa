"""The guide: what it shows is what happens, and every kind has its place in it."""

from __future__ import annotations

import contextlib
import inspect
import re
from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest
from documents import FENCE, PICTURE, with_real_output
from matplotlib import pyplot
from matplotlib.testing.compare import compare_images
from pictures import undrawn

from salhw.description.fields import _positional
from salhw.description.kinds import Kind
from salhw.description.markers import Mark, unit_of
from salhw.description.neurons import Neuron
from salhw.description.plasticity import Pairing, constructors

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guide.md").read_text(encoding="utf-8")
MEMBERS = [cls for group in Kind.__subclasses__() for cls in group.members.values()]
KINDS = [cls for cls in MEMBERS if cls.__module__.startswith("salhw.")]  # tests define others
SHORT = [f for name, f in inspect.getmembers(constructors, inspect.isfunction)
         if f.__module__ == constructors.__name__ and not name.startswith("_")]  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The guide with what its code prints now, and the folder with what it wrote. The pictures of a comparison's page,
    which tests/comparison looks at, are left out."""
    folder = tmp_path_factory.mktemp("guide")
    with contextlib.chdir(folder), undrawn():
        shown = with_real_output(DOCS / "guide.md")
    pyplot.close("all")  # what a reader would look at
    return shown, folder


def test_what_it_shows_is_what_its_code_prints(done: tuple[str, Path]) -> None:
    """``make guide`` writes it anew."""
    assert done[0].splitlines() == GUIDE.splitlines()


def test_all_its_code_is_run() -> None:
    assert {language for language, _, _ in FENCE.findall(GUIDE)} == {"python", "console", "text"}
    assert 2 * len(FENCE.findall(GUIDE)) == sum(line.startswith("```") for line in GUIDE.splitlines())


def test_its_pictures_are_what_its_code_draws(done: tuple[str, Path]) -> None:
    """Another seed changes the raster by 39 of 255 (rms over the pixels) and the weights by 22; the same one by 0, and
    other versions of matplotlib by how they set letters."""
    named = [DOCS / name for name in PICTURE.findall(GUIDE)]
    assert set(named) == {*(DOCS / "guide").glob("*")}
    for picture in named:
        assert picture.stat().st_size < 60_000
        assert compare_images(str(picture), str(done[1] / picture.name), tol=10) is None


def rows(name: str, fields: list[str]) -> list[str]:
    """The rows of the guide's tables that are about ``name`` and list these fields, in any order."""
    listed = re.findall(rf"^\| `{name}\((.*?)\)` \|.*$", GUIDE, re.M)
    whole = re.findall(rf"^\| `{name}\(.*$", GUIDE, re.M)
    return [row for row, names in zip(whole, listed, strict=True) if set(names.split(", ")) - {"", "*"} == set(fields)]


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_every_kind_has_one_row_with_its_fields_and_units(cls: type[Kind]) -> None:
    fields = [name for name in cls.model_fields if name != "kind"]
    (row,) = rows(cls.__name__, fields)
    assert all(unit_of(cls, field) in row for field in fields)
    by_position = row.partition("(")[2].partition(")")[0].split(", *")[0].split(", ") if fields else []
    assert by_position == [*_positional(cls)][: len(by_position)]


@pytest.mark.parametrize("constructor", SHORT, ids=lambda constructor: constructor.__name__)
def test_every_constructor_of_a_rule_has_one_row(constructor: object) -> None:
    parameters = inspect.signature(constructor).parameters.values()  # type: ignore[arg-type]
    fields = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name != "pairing"]
    assert len(rows(constructor.__name__, fields)) == 1  # type: ignore[attr-defined]


def test_every_pairing_is_said() -> None:
    assert [pairing for pairing in get_args(Pairing) if f'`"{pairing}"`' not in GUIDE] == []


def test_a_new_kind_has_no_row(kinds_forgotten: None) -> None:
    class Adaptive(Neuron):
        kind: Literal["Adaptive"] = "Adaptive"
        tau_w: Annotated[float, Mark(100, 50, -1, unit="ms")] = 100.0

    assert rows("Adaptive", ["tau_w"]) == []


def test_its_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", re.sub(FENCE, "", GUIDE), re.M)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for file, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", GUIDE):
        assert (DOCS / file).exists() if file else anchor in anchors, f"{file}#{anchor}"
