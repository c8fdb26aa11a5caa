"""The command line where things are not as usual: wrong words, two at once, narrow terminals, closed outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_cli as fuzz
import pytest
from fuzz_files import recording
from typer.testing import CliRunner, Result

import salhw
from salhw.cli import app
from salhw.cli.network_settings import built, settings
from salhw.cli.places import saved, writing_into
from salhw.cli.report import status_of
from salhw.diagnostics import Diagnostic, FileError, SalhwError, explanations
from salhw.io.files import write_text
from salhw.io.recording_file import save
from salhw.registry import builder, builders

SCRIPT = Path(sys.executable).with_name("salhw")


def invoke(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(app, [str(a) for a in arguments])


def process(
    *arguments: str | Path, redirect: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The real command, through a shell; ``redirect`` is behind it."""
    words = ["sh", "-c", f'"$@" {redirect}', "sh", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | (env or {}), timeout=60)


def test_wrong_calls_end_with_a_status_and_a_word() -> None:
    """A fixed sample of what ``fuzz_cli.py`` makes; two of them as processes of their own."""
    calls = list(fuzz.fuzz(30, seed=2))
    assert [(call.words, call.fault) for call in calls if call.fault] == []
    assert {call.status for call in calls} >= {0, 2}
    for words in (("run", "pair", "--duration", "\udcff"), ("check", "a" * 5000, "--json")):
        done = process(*words)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


# exit status ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("check", "pair", "-t", "refrence"), 2, "SAL601"),
        (("run", "pair", "--duration", "nan"), 2, "SAL404"),
        (("run", "pair", "--duration", "0.1"), 2, "SAL404"),
        (("run", "pair", "--duration", "400", "--chips", "3"), 2, "SAL822"),
        (("run", "pair", "--duration", "400", "--calibration", "none.h5"), 2, "SAL501"),
        (("run", "pair", "--duration", "400", "--instances", "2", "--chips", "0:2"), 2, "SAL401"),
        (("run", "pair", "--duration", "400", "--set", "tau=3"), 2, "SAL009"),
        (("run", "pair", "--duration", "400", "--set", "tau_ref=long"), 2, "SAL001"),
        (("check", "none.json", "--set", "tau_ref=12"), 2, "SAL009"),
        (("networks", "pear"), 2, "SAL009"),
        (("explain", "SAL000"), 2, "SAL001"),
        (("conformance", "refrence"), 2, "SAL601"),
        (("conformance", "reference", "--known", "none.toml"), 2, "SAL501"),
        (("conformance", "reference", "--json", "r.txt"), 2, "SAL501"),
        (("export", "pair", "-t", "nset", "--out", "x"), 2, "SAL601"),
        (("export", "pair", "-t", "nest", "--duration", "0.1", "--out", "x"), 2, "SAL404"),
        (("setup", "loihi3"), 2, "SAL601"),
        (("reproduce", "fig99"), 2, "SAL901"),
        (("reproduce", "fig9", "--variant", "none"), 2, "SAL902"),
        (("reproduce", "fig9", "--target", "none", "--out", "x"), 2, "SAL601"),
        (("measure", "wieghts", "pair"), 2, "SAL821"),
        (("measure", "weights", "pair", "--method", "none", "--out", "x"), 2, "SAL802"),
        (("calibrate", "--target", "none", "--out", "x"), 2, "SAL601"),
        (("check", "pair", "--target", "loihi2"), 1, "SAL103"),
        (("check", "pair", "--set", "dt=2000", "--set", "tau_ref=20000"), 1, "SAL104"),
        (("export", "pair", "-t", "reference", "--out", "x"), 1, "SAL608"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else str(value),
)
def test_wrong_usage_is_2_and_falling_short_1(
    arguments: tuple[str, ...], status: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert (result.exit_code, type(result.exception)) == (status, SystemExit), result.output
    assert code in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_every_code_has_a_status() -> None:
    """As the README says: 2 for what the user wrote, 1 for what cannot be done; one of both is 2."""
    status = {code: status_of(SalhwError("x", [Diagnostic(code, "x", "x", "x")])) for code in explanations()}
    assert {status[code] for code in status if code[:4] in ("SAL1", "SAL2", "SAL3")} == {1}
    assert {status[code] for code in status if code[:4] in ("SAL0", "SAL5", "SAL9")} == {2}
    both = [Diagnostic("SAL104", "x", "x", "x"), Diagnostic("SAL601", "x", "x", "x")]
    assert status_of(SalhwError("x", both)) == 2


# two writers ----------------------------------------------------------------------------------------------------------


def test_two_runs_into_one_file(tmp_path: Path) -> None:
    """Both begin before either has written: one has the name, the other is told where its recording is."""
    out = tmp_path / "same.h5"
    words = [SCRIPT, "run", "pair", "--duration", "400", "--no-plot", "--out", str(out)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen([*words, "--seed", str(seed)], **pipes) for seed in (1, 2)]
    told = [run.communicate(timeout=120)[1] for run in runs]
    statuses = [run.returncode for run in runs]
    assert sorted(statuses) == [0, 2], told
    winner = statuses.index(0)
    assert salhw.Recording.load(out).provenance["seed"] == winner + 1
    assert "Traceback" not in told[1 - winner]
    kept = tmp_path / "same-2.h5"
    if kept.exists():  # the other had begun; else it was refused at once
        assert str(kept) in told[1 - winner]
        assert salhw.Recording.load(kept).provenance["seed"] == 2 - winner
    assert {path.name for path in tmp_path.iterdir()} <= {"same.h5", "same-2.h5"}


def test_of_many_who_write_one_name_at_once_nobody_loses_anything(tmp_path: Path) -> None:
    """The race at the end, without the runs before it: eight threads, one name."""
    out, errors = tmp_path / "same.h5", []
    barrier = threading.Barrier(8)

    def one(seed: int) -> None:
        barrier.wait()
        try:
            saved(lambda place: save(recording(seed), place, new=True), out)
        except FileError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [salhw.Recording.load(path).provenance["seed"] for path in tmp_path.iterdir()]
    assert len(errors) == 7
    assert out.exists()
    assert len(found) == len(set(found)) >= 2
    elsewhere = sum("it is in" in error for error in errors)
    assert elsewhere + 1 >= len(found)


def test_a_folder_is_one_command_s(tmp_path: Path) -> None:
    with writing_into(tmp_path / "out"):
        for words in (
            ("measure", "weights", "pair", "--duration", "400"),
            ("calibrate", "pair", "--duration", "400"),
            ("demo",),
            ("reproduce", "fig11", "--scale", "smoke"),
            ("export", "pair", "--target", "nest"),
        ):
            result = invoke(*words, "--out", tmp_path / "out")
            assert result.exit_code == 2
            assert "another salhw is writing into it" in result.stderr
    assert list(tmp_path.iterdir()) == []  # nothing was written, so the folder is gone again


def test_earlier_results_are_kept(tmp_path: Path) -> None:
    """Folders are asked before the work begins; ``--force`` replaces."""
    (tmp_path / "weights.json").write_text("precious")
    (tmp_path / "summary.json").write_text("precious")
    (tmp_path / "fig11.json").write_text('{"scale": "paper"}')
    for words in (("measure", "weights", "pair"), ("demo",), ("reproduce", "fig11", "--scale", "smoke")):
        result = invoke(*words, "--out", tmp_path)
        assert result.exit_code == 2
        assert "--force" in result.stderr
    assert invoke("measure", "weights", "pair", "--duration", "400", "--out", tmp_path, "--force").exit_code == 0
    assert "pair" in (tmp_path / "weights.json").read_text()
    assert (tmp_path / "summary.json").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("run", "pair", "--duration", "400", "--out", "x.txt"), "x.h5"),
        (("run", "pair", "--duration", "400", "--out", "x.json"), "x.h5"),
        (("networks", "pair", "--out", "x.h5"), "x.json"),
        (("conformance", "reference", "--html", "x.pdf"), "x.html"),
        (("conformance", "reference", "--json", "x.html"), "x.json"),
        (("measure", "weights", "pair", "--out", "x.png"), "call it x\n"),
        (("calibrate", "--out", "x.h5"), "call it x\n"),
        (("demo", "--out", "x.png"), "call it x\n"),
        (("export", "pair", "--target", "nest", "--out", "x.py"), "call it x\n"),
        (("reproduce", "fig11", "--out", "x.pdf"), "call it x\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_suffix_that_means_something_else_is_refused(
    arguments: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert name in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_names_without_a_meaning_and_devices_are_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("plain", "run.2024", "x.hdf5"):
        assert invoke("run", "pair", "--duration", "400", "--out", name).exit_code == 0
        assert salhw.Recording.load(name).duration == 400.0
    before = Path("/dev/null").stat()
    assert invoke("networks", "pair", "--out", "/dev/null", "--force").exit_code == 0
    assert Path("/dev/null").stat().st_mode == before.st_mode  # it is still a device
    Path("link.json").symlink_to("there.json")
    assert invoke("networks", "pair", "--out", "link.json", "--force").exit_code == 0
    assert Path("link.json").is_symlink()
    assert salhw.load("there.json") == builder("pair")()


def test_a_pipe_by_the_name_of_a_descriptor_is_written_to_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    """/dev/stdout is a link to what has no name in the file system. Where nobody reads, the file is kept elsewhere."""
    written = tmp_path / "net.json"
    assert invoke("networks", "pair", "--out", str(written)).exit_code == 0
    reading, writing = os.pipe()
    pipe = Path(f"/dev/fd/{writing}")
    try:
        assert invoke("networks", "pair", "--out", str(pipe)).exit_code == 0
        assert os.read(reading, 1 << 16) == written.read_bytes()
        os.close(reading)
        with pytest.raises(FileError, match=r"it is in .*; ") as error:
            saved(lambda path: write_text(path, "x"), pipe)
        kept = Path(str(error.value).partition("it is in ")[2].partition(";")[0])
        assert (kept.parent, kept.read_text()) == (Path(tempfile.gettempdir()), "x")
        kept.unlink()
    finally:
        os.close(writing)


# streams --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("redirect", "status"),
    [("| head -0", 0), ("| true", 0), (">&-", 0), ("> /dev/full", 2), (">&- 2>&-", 0), ("2>&-", 0), ("<&-", 0)],
)
def test_outputs_that_cannot_be_written_to(redirect: str, status: int) -> None:
    """No traceback; a reader who leaves is no error, a full disk is one line and status 2."""
    words = ("explain", "--json") if redirect.startswith("|") else ("targets",)  # more than a pipe holds at once
    done = process(*words, redirect=redirect)
    assert done.returncode == status
    assert done.stderr.count("\n") == (1 if status else 0)
    assert ("SAL501 stdout" in done.stderr) == bool(status)


def test_help_and_errors_on_a_full_disk() -> None:
    for words, said in ((("--help",), 1), (("check", "pair", "-t", "none", "--json"), 1)):
        done = process(*words, redirect="> /dev/full")
        assert (done.returncode, done.stderr.count("\n")) == (2, said), done.stderr


def test_a_closed_output_is_nobody_s_file(tmp_path: Path) -> None:
    """The first file that is opened would get its number, and what is printed would be in it."""
    out = tmp_path / "run.h5"
    done = process("run", "pair", "--duration", "400", "--no-plot", "--out", out, redirect=">&- 2>&- <&-")
    assert done.returncode == 0
    assert salhw.Recording.load(out).duration == 400.0


def test_a_status_outlives_its_reader() -> None:
    code = f"""if True:
        import os, subprocess, sys
        reader, writer = os.pipe()
        os.close(reader)
        sys.exit(subprocess.run([{str(SCRIPT)!r}, "check", "pair", "-t", "loihi2", "--json"], stdout=writer).returncode)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")


LISTS = (
    ("targets",),
    ("explain",),
    ("networks",),
    ("networks", "pair"),
    ("reproduce",),
    ("setup",),
    ("explain", "SAL104"),
)


@cache
def wide(arguments: tuple[str, ...]) -> str:
    """What a list is where every line fits."""
    return invoke(*arguments, COLUMNS="400").stdout


@pytest.mark.parametrize("columns", [118, 80, 40, 20, 1])
@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_narrow_terminals_cut_no_word(arguments: tuple[str, ...], columns: int) -> None:
    """Every word that a wide terminal shows is there in one piece; where words fit, so do lines."""
    narrow = invoke(*arguments, COLUMNS=str(columns))
    assert narrow.exit_code == 0
    words = {word for word in wide(arguments).split() if word.isascii() and word.isalnum()}
    assert words - set(narrow.stdout.replace(":", " ").replace(",", " ").split()) <= {*()}
    longest = max(map(len, narrow.stdout.split()), default=0)
    lines = [line for line in narrow.stdout.splitlines() if not line.startswith("  salhw ")]  # to be copied
    assert max(map(len, lines)) <= max(columns, 20, longest + 4)


def test_a_run_in_a_narrow_terminal() -> None:
    told = invoke("run", "pair", "--duration", "400", COLUMNS="30").stdout
    assert "quantity: rate of neurons (Hz)" in told
    assert "\n  lowest: " in told


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("run", "pair", "--nosuch")], ids=" ".join)
def test_help_in_a_narrow_terminal(words: tuple[str, ...]) -> None:
    done = process(*words, env={"COLUMNS": "40"})
    text = done.stdout + done.stderr
    assert "│" not in text  # no frames, which cut words
    assert ("Usage: salhw" in text) == ("--help" in words or "--nosuch" in words)
    assert max(map(len, text.split())) < 60


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TERM": "dumb"},
        {"NO_COLOR": "1"},
        {"COLUMNS": "x"},
        {"COLUMNS": "0"},
        {"COLUMNS": "99999999999999"},
    ],
    ids=str,
)
def test_terminals_without_letters_colours_or_width(environment: dict[str, str]) -> None:
    done = process(*(("run", "--help") if "COLUMNS" in environment else ("targets",)), env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "reference" in done.stdout


# what commands tell ---------------------------------------------------------------------------------------------------


def test_a_run_of_a_network_with_an_empty_projection(tmp_path: Path) -> None:
    """It has no weights to tell: null in JSON, a word in the table."""
    from salhw import GLM, Network, Population, Projection, Sparse

    neurons = Population(name="a", size=2, neuron=GLM(bias=0.0))
    empty = Projection(name="p", pre="a", post="a", weights=Sparse(post=[], pre=[], weight=[]))
    file = Network(name="n", dt=1.0, populations=[neurons], projections=[empty]).save(tmp_path / "n.json")
    assert json.loads(invoke("run", file, "--duration", "100", "--json").stdout)["weights"] == {"p": None}
    assert "none" in invoke("run", file, "--duration", "100").stdout


def test_codes_are_listed_by_topic() -> None:
    lines = invoke("explain").stdout.splitlines()
    topics = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert [topic for topic in topics if topic][:2] == ["The description", "What a target supports"]
    assert len(topics) == len(explanations())
    assert {entry["topic"] for entry in json.loads(invoke("explain", "--json").stdout)} == {*topics} - {""}


@pytest.mark.parametrize("name", list(builders()))
def test_every_setting_is_listed_and_can_be_set_to_its_default(name: str) -> None:
    """``--set NAME=DEFAULT``, as it is shown, changes nothing."""
    listed = json.loads(invoke("networks", name, "--json").stdout)["settings"]
    assert [item["name"] for item in listed] == [item.name for item in settings(builder(name))]
    assert built(name, [f"{item['name']}={item['default']}" for item in listed]) == builder(name)()
    text = invoke("networks", name).stdout
    assert all(item["name"] in text for item in listed)


def test_settings_do_what_the_builder_s_arguments_do(tmp_path: Path) -> None:
    words = ("--set", "tau_ref=12", "--set", "weights=[1, 0.25]", "--set", "update=run end", "--set", "dt=0.5")
    expected = builder("pair")(tau_ref=12.0, weights=(1.0, 0.25), update="run end", dt=0.5)
    assert invoke("networks", "pair", *words, "--out", tmp_path / "net.json").exit_code == 0
    assert salhw.load(tmp_path / "net.json") == expected
    told = json.loads(invoke("run", "pair", *words, "--duration", "400", "--json").stdout)
    assert told["provenance"]["network_hash"] == salhw.run(expected, duration=400.0).provenance["network_hash"]
    kernel = '{"kind": "Rectangular", "tau_syn": 4}'
    assert built("pair", [f"kernel={kernel}"]).projections[0].kernel == salhw.Rectangular(tau_syn=4.0)


@pytest.mark.parametrize("text", ["size=x", "size", "sise=3", "size=-1", "size=[1]", "size=nan", "size=1e99", "=", ""])
def test_settings_that_mean_nothing_are_refused(text: str) -> None:
    result = invoke("check", "sampling", "--set", text)
    assert result.exit_code == 2
    assert "sampling" in result.stderr


def test_export_says_how_to_run_and_run_where_its_data_are(tmp_path: Path) -> None:
    told = invoke("export", "pair", "--target", "nest", "--out", tmp_path / "a b").stdout
    assert f"python '{tmp_path}/a b/run.py'" in told
    data = json.loads(invoke("export", "pair", "--target", "nest", "--out", tmp_path / "c", "--json").stdout)
    assert data["run"] == f"python {tmp_path}/c/run.py"
    out = tmp_path / "run.h5"
    assert f"Recording.load('{out}')" in invoke("run", "pair", "--duration", "400", "--out", out).stdout
    assert "--out" in invoke("run", "pair", "--duration", "400").stdout
