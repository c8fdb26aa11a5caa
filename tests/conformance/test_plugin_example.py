"""The example of a third party's backend: by the suite, in a fresh environment, and in the guide."""

from __future__ import annotations

import ast
import itertools
import json
import re
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from documents import FENCE
from long_checks import CONVERGES, REPLAYED

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "plugin_example"
GUIDE = ROOT / "docs" / "write-a-backend.md"
sys.path.insert(0, str(EXAMPLE / "src"))

import salhw_plain  # noqa: E402

import salhw  # noqa: E402
import salhw.plugin  # noqa: E402
from salhw.conformance import catalogue, parametrize  # noqa: E402
from salhw.conformance.accuracy import ACCURACY  # noqa: E402


@pytest.fixture
def _few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random networks: four of twelve, and those beside them. test_whole_suite says what these catch."""
    monkeypatch.setattr("salhw.conformance.replay.surveying.NETWORKS", 4)
    monkeypatch.setattr("salhw.conformance.replay.surveying.CANDIDATES", 0)


LONG = (*CONVERGES, "replay-coverage", "ideal-is-ideal")


@pytest.mark.usefixtures("_few_networks")
@parametrize(salhw_plain.backend, checks=[name for name in catalogue("quick") if name not in LONG])
def test_conformance(check: Callable[[], None]) -> None:
    check()


@pytest.mark.slow  # with a seed of their own, as the few networks above are kept by theirs
@parametrize(salhw_plain.backend, checks=[*CONVERGES, *REPLAYED, "ideal-is-ideal"], seed=1)
def test_long_checks(check: Callable[[], None]) -> None:
    check()


def test_it_is_a_backend_in_some_200_lines() -> None:
    assert isinstance(salhw_plain.backend, salhw.Backend)
    lines = [line for path in EXAMPLE.rglob("*.py") for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) < 215


PAIRINGS = ("all", "nearest_symmetric", "nearest_restricted")
UPDATES = ("spike", "every 40 ms", "run end")
WEIGHTS = {
    "Dense": np.linspace(-0.5, 0.5, 12).reshape(3, 4),
    "Sparse": salhw.Sparse(post=[2, 0, 1], pre=[1, 3, 0], weight=[0.1, 0.2, -0.3]),
    "OneToOne": salhw.OneToOne(weight=[0.1, 0.2, 0.3]),
    "AllToAll": salhw.AllToAll(weight=0.1),
}


@pytest.mark.parametrize(("pairing", "update"), [*itertools.product(PAIRINGS, UPDATES)])
@pytest.mark.parametrize("form", WEIGHTS)
def test_forced_spikes_give_the_weights_of_the_reference(form: str, pairing: str, update: str) -> None:
    random = np.random.default_rng(1)
    post, pre = 3, 3 if form in ("OneToOne", "AllToAll") else 4

    def trains(neurons: int) -> list[np.ndarray]:
        return [np.sort(random.choice(300, 40, replace=False)).astype(float) for _ in range(neurons)]

    rule = salhw.PairSTDP(
        causal=salhw.ExponentialWindow(amplitude=-1.0, tau=6.0),
        anticausal=salhw.ExponentialWindow(amplitude=0.7, tau=9.5),
        pairing=pairing, learning_rate=0.05, update=update, bounds=(-0.6, 0.55),
    )  # fmt: skip
    recurrent = form == "AllToAll"
    net = salhw.Network(
        name="forced", dt=1.0,
        populations=[
            salhw.Population(name="a", size=pre, neuron=salhw.Source()),
            salhw.Population(name="b", size=post, neuron=salhw.GLM(bias=-50.0, tau_ref=2.0)),
        ],
        projections=[
            salhw.Projection(
                name="p", pre="b" if recurrent else "a", post="b", weights=WEIGHTS[form],
                plasticity=[rule, salhw.SAL(0.01, 7.0)],
            )
        ],
        stimuli=[salhw.SpikeTimes("a", trains(pre)), salhw.SpikeTimes("b", trains(post))],
        probes=[salhw.Weights("p", every=7.0), salhw.Spikes("b")],
    )  # fmt: skip
    found = []
    for plugin, target in ((salhw_plain.backend, salhw_plain.backend.targets()["plain"]), (None, "reference")):
        with salhw.compile(net, target, plugin=plugin).open(instances=2) as session:
            runs = [session.run(130.0), session.run(170.0)]
            found.append((runs, session.get("projections.p.weights")))
    (plain, held), (reference, wanted) = found
    np.testing.assert_allclose(held, wanted, rtol=0, atol=1e-12)
    for one, other in zip(plain, reference, strict=True):
        np.testing.assert_allclose(one.weights["p"].values, other.weights["p"].values, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(one.weights["p"].time, other.weights["p"].time)
        for column in ("instance", "neuron", "time"):
            np.testing.assert_array_equal(getattr(one.spikes["b"], column), getattr(other.spikes["b"], column))


SCRIPT = """
import json, salhw
net = salhw.Network(
    name="pair", dt=1.0,
    populations=[salhw.Population(name="a", size=2, neuron=salhw.GLM(bias=0.0))],
    projections=[salhw.Projection(name="p", pre="a", post="a", weights=[[0.0, 1.5], [0.5, 0.0]],
                                  plasticity=salhw.SAL(0.05))],
    probes=[salhw.Spikes("a")],
)
executable = salhw.compile(net, "plain")
with executable.open(instances=8, seed=1) as session:
    recording = session.run(4000.0)
    weights = session.get("projections.p.weights").mean(axis=0)
import salhw_plain
where = salhw_plain.__file__
print(json.dumps([where, float(recording.rates["a"].mean()), weights[0, 1], weights[1, 0], str(executable.report)]))
"""


def test_a_fresh_environment_finds_it_by_its_entry_point(tmp_path: Path) -> None:
    copy = shutil.copytree(EXAMPLE, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("__pycache__"))
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh" / "bin" / "python"

    def ask(*command: str) -> str:
        done = subprocess.run([str(python), "-I", *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    listing = ("-c", "from salhw.cli import main; main()", "targets", "--json")
    packages = Path(ask("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # salhw and what it needs come from this environment, editable or not; installing numba anew would take minutes.
    lent = "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
    (packages / "lent.pth").write_text(lent)
    assert "plain" not in {entry["name"] for entry in json.loads(ask(*listing))}
    ask(
        "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", str(copy)
    )
    shutil.rmtree(copy)
    listed = {entry["name"]: entry for entry in json.loads(ask(*listing))}
    assert listed["plain"]["backend"] == "plain"
    assert "reference" in listed
    where, rate, w01, w10, report = json.loads(ask("-c", SCRIPT))
    assert Path(where).is_relative_to(packages)
    assert "plain numpy" in report
    assert 20.0 < rate < 80.0  # at most 100 Hz, 50 Hz without input
    assert abs(w01 + w10 - 2.0) < 1e-9
    assert abs(w01 - w10) < 0.5


BLOCKS = [(language, title, text) for language, title, text in FENCE.findall(GUIDE.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("title", "text"), [(title, text) for _, title, text in BLOCKS if title])
def test_what_the_guide_quotes_is_in_the_file(title: str, text: str) -> None:
    assert text in (ROOT / title).read_text(encoding="utf-8")


def test_the_guides_own_code_runs(kinds_forgotten: None) -> None:
    own = [text for language, title, text in BLOCKS if language == "python" and not title]
    assert len(own) == 4
    for text in own:
        exec(compile(text, str(GUIDE), "exec", dont_inherit=True), {"__name__": "guide"})


def imported_from_salhw(text: str) -> dict[str, set[str]]:
    """The modules of the core that Python text imports, with the names it takes from each."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name: set() for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.setdefault(str(node.module), set()).update(alias.name for alias in node.names)
    return {module: names for module, names in found.items() if module.partition(".")[0] == "salhw"}


def test_a_backend_needs_salhw_and_its_plugin_module_only() -> None:
    """The guide and the example import from these two; tests of a backend from ``salhw.conformance`` beside. What
    ``salhw.plugin`` has is what the guide names."""
    files = [path.read_text() for path in EXAMPLE.rglob("*.py")]
    own = [text for language, title, text in BLOCKS if language == "python" and not title]
    used = [imported_from_salhw(text) for text in (*files, *own)]
    assert {module for modules in used for module in modules} <= {"salhw", "salhw.plugin", "salhw.conformance"}
    assert [modules for modules in used if "salhw.conformance" in modules] == [
        {"salhw.conformance": {"Known", "parametrize"}}
    ]
    assert set(salhw.plugin.__all__) >= {name for modules in used for name in modules.get("salhw.plugin", ())}
    guide = GUIDE.read_text(encoding="utf-8")
    assert [name for name in salhw.plugin.__all__ if not re.search(rf"\b{name}\b", guide)] == []
    assert "salhw.session" not in guide.replace('title="salhw/session', "")


def test_the_guide_leaves_no_code_unchecked(tmp_path: Path) -> None:
    from salhw.cli import app
    from salhw.conformance.known import load

    whole = sum(line.startswith("```") for line in GUIDE.read_text(encoding="utf-8").splitlines())
    assert whole == 2 * len(BLOCKS)
    commands = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    for language, title, text in BLOCKS:
        if language == "console":
            said = [line.split()[2] for line in text.splitlines() if line.startswith("$ salhw ")]
            assert set(said) <= commands
        elif language == "toml" and not title:
            (tmp_path / "known.toml").write_text(text)
            assert load(tmp_path / "known.toml")[0].check in catalogue("full")
        else:
            assert title or language == "python"


def test_the_guide_names_every_check_and_every_accuracy() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert [name for name in (*catalogue("full"), *ACCURACY) if f"`{name}`" not in guide] == []
    table = guide.partition("### What a failing check points at")[2]
    named = {name for row in table.splitlines() if row.startswith("| `") for name in row.split("|")[1].split("`")[1::2]}
    assert named == set(catalogue("full"))
