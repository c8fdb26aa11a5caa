"""``salhw setup``: a Python of the wanted version is found, and an environment is there whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import marked
from typer.testing import CliRunner

from salhw import BackendError, DescriptionError, FileError
from salhw.cli import app
from salhw.worker import environments as registry
from salhw.worker.environments import Environment, find_python, home, interpreter, is_made, make
from salhw.worker.supervisor import wait
from salhw.worker.worker import Worker

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
EMPTY = Environment(name="empty", python=VERSION, imports=("json",))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SALHW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Declare environments as a package would that somebody installed."""
    count = 0

    def add(**values: str) -> None:
        nonlocal count
        count += 1
        site = tmp_path / f"site{count}"
        (site / "declares-0.dist-info").mkdir(parents=True)
        (site / "declares-0.dist-info" / "METADATA").write_text("Name: declares\nVersion: 0\n")
        lines = [f"{name} = {value}" for name, value in values.items()]
        text = "\n".join([f"[{registry.ENVIRONMENTS}]", *lines])
        (site / "declares-0.dist-info" / "entry_points.txt").write_text(text)
        monkeypatch.syspath_prepend(str(site))
        registry.environments.cache_clear()

    yield add
    monkeypatch.undo()
    registry.environments.cache_clear()


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_python_that_only_has_the_name_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim that fails, one of another version, one without venv, one that hangs; then the one among pyenv's."""
    monkeypatch.setattr(registry, "TOO_LONG", 0.5)
    real = find_python(VERSION)[0]
    folders = [tmp_path / name for name in ("shims", "other", "poor", "slow")]
    script(folders[0] / f"python{VERSION}", "echo 'command not found' >&2; exit 127")
    script(folders[1] / f"python{VERSION}", "echo 2.7.18 /usr/bin/python2")
    script(folders[2] / f"python{VERSION}", "echo \"No module named 'ensurepip'\" >&2; exit 1")
    script(folders[3] / f"python{VERSION}", "exec sleep 1000")
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, [*folders, "", "no/such/folder"])))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    with pytest.raises(BackendError) as caught:
        find_python(VERSION)
    assert str(caught.value).splitlines() == [
        f"BackendError: no Python {VERSION} that works",
        f"SAL609 python = {VERSION}: none on the PATH, nor among the versions of pyenv and uv",
        f"       fix: install one, e.g. with `uv python install {VERSION}` or `pyenv install {VERSION}`, "
        "or name one with --python",
    ]
    uv = script(tmp_path / "bin" / "uv", f'test "$1 $2 $4" = "python find {VERSION}" && echo {real}')
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{uv.parent}")
    assert find_python(VERSION)[0] == real
    own = script(tmp_path / "pyenv" / "versions" / f"{VERSION}.99" / "bin" / "python", f'exec {real} "$@"')
    assert find_python(VERSION) == (real, find_python(VERSION, str(own))[1])  # what is behind the shim


def test_the_python_that_loihi_needs_is_found_where_the_tests_run() -> None:
    path, version = find_python("3.10")
    said = subprocess.run([path, "-V"], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["Python", version]
    assert version.startswith("3.10.")


def test_a_chosen_python_must_fit(tmp_path: Path) -> None:
    shim = script(tmp_path / "python3", "exit 127")
    for chosen, said in (
        (sys.executable, f"it is {VERSION}"),
        (str(shim), "does not run"),
        ("no-such", "does not run"),
    ):
        with pytest.raises(BackendError, match=f"SAL609 python = .*{said}"):
            find_python("3.99", chosen)


def wheel(folder: Path, version: str) -> None:
    """A package ``tiny``, for pip to install."""
    about = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", f"def version():\n    return {version!r}\n")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{about}/WHEEL", tag)
        archive.writestr(f"{about}/RECORD", f"tiny.py,,\n{about}/METADATA,,\n")


def test_made_once_as_pinned_and_used_by_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declare: Any
) -> None:
    """A wheel is installed and imported; the second time nothing happens; another declaration is another one."""
    wheel(tmp_path, "1.0")
    wheel(tmp_path, "2.0")
    (tmp_path / "pins.txt").write_text("# not the newest\n\ntiny==1.0\n")
    (tmp_path / "environment.toml").write_text(
        f'name = "tiny"\npython = "3.10"\npins = "pins.txt"\nimports = ["tiny"]\n'
        f'requirements = ["tiny", "--no-index", "--find-links={tmp_path}"]\n'
    )
    (tmp_path / "declared.py").write_text(
        "from pathlib import Path\nfrom salhw.worker.environments import Environment\n"
        'environment = Environment.from_toml(Path(__file__).with_name("environment.toml"))\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    declare(tiny="declared:environment")
    with pytest.raises(BackendError, match=r"(?s)SAL603 environment tiny: not set up.*fix: salhw setup tiny"):
        interpreter("tiny")
    with pytest.raises(BackendError, match="SAL603 environment empty"):
        interpreter(EMPTY)
    first = CliRunner().invoke(app, ["setup", "tiny", "--json"])
    assert first.exit_code == 0, first.output
    folder = f"{home()}/environments/tiny"
    assert json.loads(first.output) == {"name": "tiny", "made": True, "folder": folder, "python": interpreter("tiny")}
    with Worker(interpreter("tiny")) as worker:
        assert worker.call("tiny:version", limit=20.0) == "1.0"
        assert worker.call("platform:python_version", limit=20.0).startswith("3.10.")
    start = time.process_time()
    again = CliRunner().invoke(app, ["setup", "tiny"])
    assert again.output == f"tiny is there already: {folder}\n"
    assert time.process_time() - start < 0.5
    (tmp_path / "pins.txt").write_text("tiny==2.0\n")
    other = Environment.from_toml(tmp_path / "environment.toml")
    assert other.pins == ("tiny==2.0",)
    assert is_made(registry.environment("tiny"))
    assert not is_made(other)
    with pytest.raises(BackendError, match="SAL603 environment tiny: it was made for another version"):
        interpreter(other)


def test_setup_lists_explains_and_forces(declare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    declare(empty=f"{__name__}:EMPTY")
    listed = json.loads(runner.invoke(app, ["setup", "--json"]).output)
    assert [(e["name"], e["made"]) for e in listed if e["name"] == "empty"] == [("empty", False)]
    made = runner.invoke(app, ["setup", "empty", "--python", sys.executable])
    assert made.exit_code == 0, made.output
    assert made.stdout == f"empty is ready: {EMPTY.folder}\n"
    assert "a virtual environment of Python" in made.stderr
    leftover = EMPTY.folder / "leftover"
    leftover.touch()
    assert json.loads(runner.invoke(app, ["setup", "empty", "--force", "--json"]).output)["made"]
    assert not leftover.exists()
    assert "empty" in runner.invoke(app, ["setup"]).output
    unknown = runner.invoke(app, ["setup", "emtpy"])
    assert unknown.exit_code == 2
    assert "did you mean empty?" in unknown.output


def test_an_import_that_fails_is_told(own_home: Path) -> None:
    broken = EMPTY.model_copy(update={"imports": ("no_such_module_at_all",)})
    with pytest.raises(BackendError, match=r"(?s)SAL609 environment empty.*No module named 'no_such_module_at_all'"):
        make(broken)
    assert not is_made(broken)
    assert make(EMPTY)  # what it left is replaced


# argv: the version, and an interpreter to use.
MAKE = """
import sys
from salhw.worker.environments import Environment, make
wanted = Environment(name="empty", python=sys.argv[1], imports=("json",))
print(make(wanted, python=sys.argv[2] if len(sys.argv) > 2 else None))
"""


def test_killed_half_way_and_run_again(tmp_path: Path, mark: str) -> None:
    """What the killed one had started goes on in the folder; the next one waits for it and starts afresh."""
    real, version = find_python(VERSION)
    slow = (
        f'case "$*" in *ensurepip*) echo "{version} $0";; *) touch {tmp_path}/begun; sleep 1; exec {real} "$@";; esac'
    )
    python = script(tmp_path / "slow", slow)
    maker = subprocess.Popen([sys.executable, "-c", MAKE, VERSION, str(python)])
    assert wait(20.0, (tmp_path / "begun").exists)
    maker.send_signal(signal.SIGKILL)
    assert maker.wait() == -signal.SIGKILL
    assert not is_made(EMPTY)
    steps: list[str] = []
    assert make(EMPTY, tell=steps.append)
    assert steps[0] == "waiting for another setup to end"
    assert is_made(EMPTY)
    assert str(tmp_path / "slow") not in (EMPTY.folder / "pyvenv.cfg").read_text()
    assert marked(mark) == []


@pytest.mark.parametrize("step", ["a virtual environment", "import"])
def test_killed_between_two_steps(step: str) -> None:
    tell = f"tell=lambda at: at.startswith({step!r}) and os.kill(os.getpid(), 9)"
    code = MAKE.replace("import sys", "import os, sys").replace("make(wanted,", f"make(wanted, {tell},")
    done = subprocess.run([sys.executable, "-c", code, VERSION])
    assert done.returncode == -signal.SIGKILL
    assert EMPTY.folder.exists() == (step == "import")
    assert not is_made(EMPTY)
    assert make(EMPTY)
    assert is_made(EMPTY)


def test_several_at_once_make_one() -> None:
    command = [sys.executable, "-c", MAKE, VERSION]
    makers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sorted(maker.communicate(timeout=60.0)[0].strip() for maker in makers) == ["False", "False", "True"]
    assert is_made(EMPTY)


def test_where_it_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert home() == tmp_path / "home"
    monkeypatch.delenv("SALHW_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert home() == Path("/data/salhw")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert home() == Path.home() / ".local" / "share" / "salhw"


def test_wrong_declarations(tmp_path: Path, declare: Any) -> None:
    file = tmp_path / "environment.toml"
    with pytest.raises(FileError, match="SAL501"):
        Environment.from_toml(file)
    file.write_text('name = "x"\npython = "3.10"\nrequirement = ["numpy"]\n')
    with pytest.raises(DescriptionError, match="SAL002 requirement: unknown field"):
        Environment.from_toml(file)
    file.write_text('name = "x/../y"\npython = "2.7"\n')
    with pytest.raises(DescriptionError, match=r"(?s)SAL005 name.*SAL005 python"):
        Environment.from_toml(file)
    file.write_text('name = "x"\npython = "3.10"\npins = "absent.txt"\n')
    with pytest.raises(FileError, match="absent"):
        Environment.from_toml(file)
    declare(wrong=f"{__name__}:VERSION")
    with pytest.raises(BackendError, match="SAL602"):
        registry.environments()
    declare(one=f"{__name__}:EMPTY", two=f"{__name__}:EMPTY")
    with pytest.raises(BackendError, match=r"SAL602 .*a second one called 'empty'"):
        registry.environments()
