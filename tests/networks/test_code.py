"""What a piece of an experiment depends on: the modules that it imports and its target's backend, and nothing else."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import salhw
from salhw import registry
from salhw_networks.code import _parsed, code_of
from salhw_networks.experiment import Work
from salhw_networks.pairs import stability
from salhw_networks.sampling import on_chips, sweep

SOURCES = {
    "lab/__init__.py": "",
    "lab/piece.py": """
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING
import numpy as np
from lab import near
from lab.deep.below import *
from .sibling import value as other
if TYPE_CHECKING:
    from lab import typed
else:
    import lab.either

def compute(progress):
    import lab.lazy
    return {"a": np.zeros(1)}

def given(function):
    def compute_with(progress):
        return function(progress)
    return compute_with
""",
    "lab/near.py": "import lab.far\n",
    "lab/far.py": "import lab.near\n",
    "lab/deep/__init__.py": "import lab.of_the_package\n",
    "lab/deep/below.py": "",
    "lab/of_the_package.py": "",
    "lab/sibling.py": "value = 1\n",
    "lab/lazy.py": "",
    "lab/either.py": "",
    "lab/typed.py": "",
    "lab/neighbour.py": "def also(progress):\n    import lab.its_own\n",
    "lab/its_own.py": "",
    "acme/__init__.py": """
from pathlib import Path
FAR = {"acme_far": Path(__file__).parent / "far"}

class Backend:
    name = "acme"
    def targets(self):
        return {}
    def lower(self, net, target):
        import acme.lowering
    def open(self, executable, *, chips, ids, seed):
        import nest

backend = Backend()
""",
    "acme/lowering.py": "",
    "acme/table.toml": "",
    "acme/far/engine.py": "import acme_far.helper\n",
    "acme/far/helper.py": "",
    "acme/unused.py": "",
}
NEEDED = (
    "lab/__init__.py", "lab/piece.py", "lab/near.py", "lab/far.py", "lab/deep/__init__.py", "lab/deep/below.py",
    "lab/of_the_package.py", "lab/sibling.py", "lab/lazy.py", "lab/either.py",
    "acme/__init__.py", "acme/lowering.py", "acme/table.toml", "acme/far/engine.py", "acme/far/helper.py",
)  # fmt: skip
NOT_NEEDED = tuple(sorted(SOURCES.keys() - set(NEEDED)))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two packages: an experiment's, and that of a backend that nothing imports."""
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = registry.entry_points

    def entries(group: str) -> Any:
        own = [EntryPoint("acme", "acme:backend", group)] if group == registry.BACKENDS else []
        return [*known(group=group), *own]

    monkeypatch.setattr(registry, "entry_points", entries)
    registry.backends.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    registry.backends.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lab", "acme")]:
        del sys.modules[name]


def piece(name: str = "lab.piece") -> Any:
    return importlib.import_module(name)


def edited(site: Path, name: str, function: Any, backend: str = "acme") -> bool:
    """Whether the digest is another one with a comment more in one file."""
    before = code_of(function, backend).digest
    with (site / name).open("a") as file:
        file.write("# changed\n")
    return code_of(function, backend).digest != before


@pytest.mark.parametrize("name", NEEDED)
def test_what_a_piece_imports_changes_its_digest(site: Path, name: str) -> None:
    """Directly, through others, lazily, as a package around a module, in the backend, or run by it elsewhere. A comment
    is enough: sources are compared, not what they do."""
    assert edited(site, name, piece().compute)


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_what_it_does_not_import_leaves_the_digest(site: Path, name: str) -> None:
    """Neighbours, what only a type checker imports, and of the backend what it does not use."""
    assert not edited(site, name, piece().compute)


def test_on_another_target_the_backend_is_another_one(site: Path) -> None:
    assert not edited(site, "acme/lowering.py", piece().compute, "reference")
    codes = {name: code_of(piece().compute, name) for name in ("reference", "acme")}
    assert "salhw_reference.event_driven" in codes["reference"].files
    assert not any(name.startswith("salhw_reference") for name in codes["acme"].files)
    assert codes["reference"].elsewhere >= {"numpy", "numba"}
    assert "nest" in codes["acme"].elsewhere
    assert "nest" not in codes["reference"].elsewhere


@pytest.mark.parametrize("way", ["closed over", "argument", "keyword"])
def test_a_function_that_is_given_counts(site: Path, way: str) -> None:
    also = piece("lab.neighbour").also
    make = piece().given
    function = {"closed over": make(also), "argument": partial(make, also), "keyword": partial(make, function=also)}[
        way
    ]
    assert edited(site, "lab/its_own.py", function)
    assert not edited(site, "lab/typed.py", function)


def test_a_function_of_others_is_not_looked_into(site: Path) -> None:
    """numpy's functions count by numpy's version, not by its files."""
    found = code_of(piece().given(np.linalg.norm), "acme")
    assert not any(name.startswith("numpy") for name in found.files)
    assert "numpy" in found.elsewhere


def test_the_version_of_numpy_counts(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = code_of(piece().compute, "acme")
    before = found.digest
    monkeypatch.setattr("salhw_networks.code.version", lambda distribution: f"{distribution} 99")
    assert found.digest != before


def test_a_piece_of_a_work_is_kept_under_the_digest_of_its_code(site: Path, tmp_path: Path) -> None:
    """Through ``Work``: two pieces of one experiment depend on different code; a process goes on with the code that it
    has read, and the next one sees what was edited."""
    reference = salhw.target("reference")
    acme, same = reference.replace(backend="acme"), reference.replace(description="in other words")
    work = Work("test", tmp_path / "out", acme, {"a": 1}, 2.0)
    compute, also = piece().compute, piece("lab.neighbour").also
    assert work.digest(compute) == work.digest(partial(compute))
    assert work.digest(compute) != work.digest(also)
    others = [Work("test", tmp_path / "out", target, {"a": 1}, 2.0).digest(compute) for target in (reference, same)]
    assert others[0] == others[1] != work.digest(compute)
    before = work.digest(compute)
    assert edited(site, "lab/near.py", compute)
    assert work.digest(compute) == before


def test_what_the_paper_s_pieces_depend_on() -> None:
    """A pair's piece has nothing to do with sampling networks or their calibration, and a sweep's has nothing to do
    with pairs; that of Fig 4 on chips, which measures effective weights at its ends, has with calibration."""
    pair = set(code_of(partial(stability.measured, "reference"), "reference").files)
    assert {"salhw_networks.pairs.measurements", "salhw.theory._stdd", "salhw_reference.event_driven"} <= pair
    others = ("salhw_networks.sampling", "salhw_networks.dale", "salhw_calibration", "salhw_nest", "salhw.cli")
    assert not {name for name in pair if name.startswith(others)}
    swept = set(code_of(sweep.trained, "brainscales2").files)
    assert {"salhw_brainscales2.engine", "salhw_brainscales2.hardware/profile.toml"} <= swept
    assert {"salhw_nest.engine", "salhw_nest.simulator.engine"} <= swept
    assert not {name for name in swept if "salhw_networks.pairs" in name or "salhw_calibration" in name}
    assert "salhw_calibration.effective" in code_of(on_chips.measured, "brainscales2").files
    assert "salhw_lava.worker.processes.neurons" in code_of(sweep.trained, "lava").files


def test_threads_read_code_at_once() -> None:
    """Pieces that run side by side. Python 3.11 fails where two threads parse at once, called from different depths and
    with garbage to collect in between; with threads that take turns all the time this is sure to happen."""

    sources = [path.read_text() for path in Path(stability.__file__).parent.glob("*.py")]

    def called(deeper: int) -> list[Any]:
        return called(deeper - 1) if deeper else [_parsed(source) for source in sources]

    def collected(phase: str, info: Any) -> None:
        """Python code inside the parser, where threads can change."""

    known, interval, thresholds = called(0), sys.getswitchinterval(), gc.get_threshold()
    gc.callbacks.append(collected)
    gc.set_threshold(50, 10_000)  # the youngest objects only
    sys.setswitchinterval(1e-6)
    try:
        _parsed.cache_clear()
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(called, range(0, 20, 5)))
    finally:
        gc.callbacks.remove(collected)
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
    assert found == [known] * 4
