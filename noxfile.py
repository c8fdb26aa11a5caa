"""``make pythons``: the wheel as it is built, in every Python that salhw promises and this machine has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

from salhw.diagnostics import BackendError
from salhw.worker.environments import find_python

ROOT = Path(__file__).parent
VERSIONS = ("3.11", "3.12", "3.13")
# What the tests read beside the installed packages. The source is not there, so it cannot be what is tested.
COPIED = ("tests", "benchmarks", "docs", "README.md", "Makefile", "pyproject.toml")
FOLDERS = ("unit", "theory", "reference", "cli", "targets")

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False  # they are told as skipped


for version in VERSIONS:
    try:
        found, _ = find_python(version)  # each is tried by running it: a shim of pyenv may run nothing
        os.environ["PATH"] = f"{Path(found).parent}{os.pathsep}{os.environ['PATH']}"
    except BackendError as error:
        print(error)


@nox.session(python=VERSIONS, reuse_venv=True)
def pythons(session: nox.Session) -> None:
    """The core's tests, and one run on each target, from the wheel alone."""
    folder = Path(session.create_tmp()).resolve()
    for name in (*COPIED, "wheel"):
        shutil.rmtree(folder / name, ignore_errors=True)
    constraint = f"--constraint={ROOT / 'constraints.txt'}"
    session.run(
        "python", "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder / 'wheel'}", constraint, str(ROOT)
    )
    (wheel,) = (folder / "wheel").glob("*.whl")
    session.install("--quiet", constraint, f"{wheel}[test]")
    session.install("--quiet", "--no-deps", "--force-reinstall", str(wheel))  # of the same version, but made anew
    for name in COPIED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    session.chdir(folder)
    where = session.run("python", "-c", "import salhw; print(salhw.__file__)", silent=True)
    if not Path(str(where).strip()).is_relative_to(session.virtualenv.location):
        session.error(f"not the wheel, but {where}")
    tests = session.posargs or [f"tests/{name}" for name in FOLDERS]
    session.run("python", "-m", "pytest", "--numprocesses=auto", "--dist=loadfile", "-m", "not slow", *tests)
