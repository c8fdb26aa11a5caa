"""Every command: what it prints, as text and as one JSON document, its exit status, and how errors read."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from proc import busy
from typer.testing import CliRunner, Result

import salhw
from salhw.cli import app
from salhw.cli.pictures import picture_place
from salhw.diagnostics import explanations
from salhw.io.files import write_figure
from salhw.registry import builder, builders

SCRIPT = Path(sys.executable).with_name("salhw")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def document(result: Result, status: int = 0) -> Any:
    """The one JSON document on stdout."""
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    return builder("pair")().save(tmp_path / "pair.json")


@pytest.fixture
def too_fast(tmp_path: Path) -> Path:
    """A network outside the reference's ranges."""
    return builder("pair")(dt=2000.0, tau_ref=20000.0).save(tmp_path / "slow.json")


def test_version() -> None:
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, f"salhw {salhw.__version__}\n")


def test_targets() -> None:
    assert "reference" in invoke("targets").stdout
    known = document(invoke("targets", "--json"))
    assert [entry["name"] for entry in known] == list(salhw.targets())
    assert "GLM" in known[0]["neurons"]


def test_targets_take_less_than_a_second_and_import_nothing_heavy() -> None:
    def took() -> float:
        """Seconds of processors, as other tests share the machine; what else it does can only add to them."""
        with subprocess.Popen([SCRIPT, "targets"], stdout=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return used.ru_utime + used.ru_stime

    assert any(took() < 1.0 for _ in range(3))
    heavy = ("numba", "matplotlib", "h5py", "xarray", "scipy", "neo", "pandas")
    code = f"import sys, salhw.cli as c; c.targets(); sys.exit(', '.join(m for m in {heavy} if m in sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stderr.strip() == ""
    )


def test_networks() -> None:
    listed = document(invoke("networks", "--json"))
    assert [entry["name"] for entry in listed] == list(builders())
    assert all(len(entry["description"]) > 10 for entry in listed)
    assert "sampling" in invoke("networks").stdout
    assert "2 GLM" in invoke("networks", "pair").stdout


@pytest.mark.parametrize("name", list(builders()))
def test_a_network_is_written_and_loads_as_its_builder_made_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    assert document(invoke("networks", name, "--out", path, "--json"))["out"] == str(path)
    assert salhw.load(path) == builder(name)()


def test_check(pair: Path, too_fast: Path) -> None:
    assert "nothing is approximated" in invoke("check", pair, "--target", "reference").stdout
    assert document(invoke("check", "pair", "--json"))["used"] == {"neurons": 2, "synapses": 2}
    refused = invoke("check", too_fast, "--target", "reference")
    assert refused.exit_code == 1
    assert "UnsupportedNetworkError" in refused.stderr
    assert "SAL104" in refused.stderr
    assert "dt = 2000" in refused.stderr
    error = document(invoke("check", too_fast, "--json"), 1)
    assert set(error) == {"error", "diagnostics"}
    assert error["diagnostics"][0]["code"] == "SAL104"


def test_run_saves_what_the_python_interface_gives(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.h5"
    told = document(
        invoke("run", pair, "--target", "reference", "--duration", "2000", "--seed", "5", "--instances", "3", "--out",
               out, "--json")
    )  # fmt: skip
    expected = salhw.run(salhw.load(pair), duration=2000.0, seed=5, instances=3)
    saved = salhw.Recording.load(out)
    assert saved.counts["neurons"].tolist() == expected.counts["neurons"].tolist()
    assert told["spikes"]["neurons"] == expected.counts["neurons"].sum()
    assert told["rates_hz"]["neurons"]["mean"] == pytest.approx(expected.rates["neurons"].values.mean())
    assert (told["instances"], told["duration_ms"], told["provenance"]["seed"]) == (3, 2000.0, 5)
    assert told["weights"]["pair"]["min"] > 0.4  # synapses only, without the zeros of the diagonal


def test_run_saves_a_picture_beside_the_recording(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.h5"
    told = document(invoke("run", pair, "--duration", "400", "--out", out, "--json"))
    assert told["picture"] == str(tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes()[:4] == b"\x89PNG"
    without = tmp_path / "without.h5"
    plain = document(invoke("run", pair, "--duration", "400", "--out", without, "--no-plot", "--json"))
    assert plain["picture"] is None
    assert not without.with_suffix(".png").exists()
    assert document(invoke("run", pair, "--duration", "400", "--json"))["picture"] is None
    assert picture_place(tmp_path / "run.v2", force=False) == tmp_path / "run.v2.png"
    assert picture_place(Path("/dev/null"), force=False) is None


def test_a_picture_that_is_there_is_kept_unless_forced(pair: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "run.h5", tmp_path / "run.png"
    picture.write_text("precious")
    refused = invoke("run", pair, "--duration", "400", "--out", out)
    assert refused.exit_code == 2
    assert "run.png: it exists already" in refused.stderr
    assert (picture.read_text(), out.exists()) == ("precious", False)
    assert invoke("run", pair, "--duration", "400", "--out", out, "--no-plot").exit_code == 0
    assert invoke("run", pair, "--duration", "400", "--out", out, "--force").exit_code == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("failure", ["drawing", "writing"])
def test_a_picture_that_fails_loses_no_recording(
    failure: str, pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In matplotlib, or because somebody took the name while the network ran."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no fonts")

    def taken(path: Path, *rest: Any, **options: Any) -> Path:
        path.write_text("somebody's")
        return write_figure(path, *rest, **options)

    name, instead = {"drawing": ("overview", broken), "writing": ("write_figure", taken)}[failure]
    monkeypatch.setattr(f"salhw.cli.pictures.{name}", instead)
    out = tmp_path / "run.h5"
    result = invoke("run", pair, "--duration", "400", "--out", out)
    assert result.exit_code == 0
    assert "No picture could be saved: " in result.stderr
    assert {"drawing": "no fonts", "writing": "it exists already"}[failure] in result.stderr
    assert salhw.Recording.load(out).duration == 400.0
    told = document(invoke("run", pair, "--duration", "400", "--out", tmp_path / "again.h5", "--json"))
    assert told["picture"] is None
    assert told["picture_failed"]


def test_run_prints_a_table(pair: Path) -> None:
    result = invoke("run", pair, "--duration", "400")
    assert result.exit_code == 0
    assert "rate of neurons (Hz)" in result.stdout


def test_an_existing_file_is_kept_unless_forced(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.h5"
    out.write_text("precious")
    refused = invoke("run", pair, "--duration", "400", "--out", out)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert out.read_text() == "precious"
    assert invoke("run", pair, "--duration", "400", "--out", out, "--force").exit_code == 0
    assert salhw.Recording.load(out).duration == 400.0
    assert invoke("networks", "pair", "--out", pair).exit_code == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_explain() -> None:
    code = next(iter(explanations()))
    entry = document(invoke("explain", code.lower(), "--json"))
    assert entry["code"] == code
    assert entry["text"]
    assert entry["title"] in invoke("explain", code).stdout
    assert len(document(invoke("explain", "--json"))) == len(explanations())


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("check", "missing.json"), 2, "SAL501 missing.json"),
        (("check", "nosuch"), 2, "SAL009"),
        (("networks", "nosuch"), 2, "SAL009"),
        (("networks", "--out", "x.json"), 2, "needs the name"),
        (("explain", "SAL999"), 2, "SAL001"),
        (("check", "pair", "--target", "nosuch"), 2, "SAL601"),
        (("run", "pair", "--duration", "0.1"), 2, "SAL404"),
        (("run", "pair", "--duration", "-400"), 2, "SAL404"),
        (("run", "pair", "--duration", "400", "--out", "/nonexistent/run.h5"), 2, "SAL501"),
        (("run", "pair", "--duration", "400", "--instances", "0"), 2, "instances"),
        (("run", "pair", "--duration", "soon"), 2, "duration"),
        (("run", "pair"), 2, "duration"),
        (("check", "pair", "--nonsense"), 2, "nonsense"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_wrong_usage_and_short_falls(arguments: tuple[str, ...], status: int, words: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == status
    assert words in result.stderr
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)  # nothing else escaped


@pytest.mark.parametrize(
    "arguments", [("check", "missing.json"), ("explain", "SAL999"), ("run", "pair", "--duration", ".1")]
)
def test_errors_as_json(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments, "--json")
    told = json.loads(result.stdout)
    assert result.exit_code in (1, 2)
    assert set(told) == {"error", "diagnostics"}
    assert {"code", "path", "asked", "supported", "fix", "severity"} == set(told["diagnostics"][0])
    assert result.stderr == ""


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00", '{"format": "salhw.network", "version": 99}'])
def test_damaged_files_are_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(content)
    for command in (["check", path], ["run", path, "--duration", "400"]):
        result = invoke(*command)
        assert result.exit_code == 2
        assert "SAL501" in result.stderr


def test_a_wrong_description_names_the_path(pair: Path) -> None:
    text = json.loads(pair.read_text())
    text["network"]["populations"][0]["neuron"]["tau_ref"] = -1.0
    pair.write_text(json.dumps(text))
    result = invoke("check", pair)
    assert result.exit_code == 2
    assert re.search(r"populations\.neurons\.(neuron\.)?tau_ref", result.stderr)


def test_ctrl_c_ends_the_compiler_with_one_line(tmp_path: Path) -> None:
    """Numba's, whose cache is empty; tests/faults/test_interrupts.py has simulations."""
    process = subprocess.Popen(
        [SCRIPT, "run", "sampling", "--duration", "1e9"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
    )
    # Imports take about one second of processor time, compiling a dozen more.
    while process.poll() is None and busy(process.pid) < 2.0:
        time.sleep(0.05)
    assert not [*tmp_path.rglob("*.nbi")], "compiled before it was interrupted"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "Interrupted; nothing more is written.\n")


IMPATIENT = """
import sys
from salhw.cli import main, progress
assert progress.progress_bar.__wrapped__.__defaults__ == (progress.PATIENCE,) == (2.0,)
progress.progress_bar.__wrapped__.__defaults__ = (0.2,)
sys.argv[0] = "salhw"
main()
"""


def test_a_bar_appears_on_a_terminal_after_two_seconds_and_vanishes() -> None:
    """After a fifth of a second here, so that nobody has to wait."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", IMPATIENT, "run", "sampling", "--duration", "2e7", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower) as process:
        os.close(follower)
        assert process.stdout is not None
        shown = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        assert json.loads(process.stdout.read())["duration_ms"] == 2e7
    os.close(leader)
    assert process.returncode == 0
    assert b"sampling on reference" in shown
    assert shown.rstrip().endswith(b"\x1b[2K") or b"\x1b[?25h" in shown  # erased, and the cursor is back


def test_export_says_who_can(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["export", "pair", "--target", "reference", "--out", str(out)])
    assert result.exit_code == 1
    assert "SAL608 target = reference: one of" in result.output
    assert "nest" in result.output
    assert not out.exists()


def test_export_names_what_the_host_works_out(tmp_path: Path) -> None:
    """NEST has an export, but not of this network: a part of it would be missing in the program."""
    net = builder("pair")().replace(traces=[salhw.Trace("rate", "neurons", "spikes", salhw.Boxcar(20.0))])
    out = tmp_path / "out"
    words = ["export", str(net.save(tmp_path / "traced.json")), "-t", "nest", "--fit", "--out", str(out)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "'pair' cannot be exported" in result.output
    assert "SAL101 traces.rate = a trace, by the host" in result.output
    assert not out.exists()


def test_export_keeps_the_folders_of_a_program(tmp_path: Path) -> None:
    """The Lava script comes with packages, and needs no Lava to be written."""
    net = builder("sampling")().replace(projections=[])
    file, out = net.save(tmp_path / "net.json"), tmp_path / "out"
    result = CliRunner().invoke(app, ["export", str(file), "--target", "loihi2", "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    files = [Path(name) for name in json.loads(result.output)["files"]]
    assert all(path.is_file() for path in files)
    assert {path for path in out.rglob("*") if path.is_file()} == {*files}
    assert len({path.parent for path in files}) > 1
    assert out / "run.py" in files
