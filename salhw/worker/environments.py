"""Environments: other Python interpreters, with packages of their own, that backends run in.

A package declares one as data, in a TOML file that ``Environment.from_toml`` reads, and names the object under the
entry point group ``salhw.environments``. ``salhw setup NAME`` makes it, in the user's data folder; the backend then
finds its interpreter with ``interpreter(NAME)`` and runs a ``Worker`` in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from salhw.description.errors import description_error
from salhw.diagnostics import BackendError, Diagnostic, file_error
from salhw.diagnostics.wording import nearest
from salhw.registry import ENVIRONMENTS, broken, installed

MARKER = "salhw-environment.json"  # written last: where it is, the environment is whole
TOO_LONG = 20.0  # s for an interpreter to say its version
PROBE = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3], sys.executable)"
ELSEWHERE = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
    "PIP_TARGET",
    "PIP_USER",
)


class Environment(BaseModel):
    """What an environment holds: its name, a Python version (``3.10``), requirements in pip's notation, pins in the
    same notation for what these need in turn, and modules that must import when it is done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    python: Annotated[str, Field(pattern=r"^3\.[0-9]+$")]
    requirements: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    description: str = ""

    @classmethod
    def from_toml(cls, path: Path) -> Environment:
        """From a TOML file with the fields above; ``pins`` may also be the name of a file beside it, one per line.

        Raises:
            FileError: it cannot be read, or is no TOML.
            DescriptionError: a field is unknown, missing or wrong.
        """
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
            if isinstance(data.get("pins"), str):
                lines = (path.parent / data["pins"]).read_text(encoding="utf-8").splitlines()
                data["pins"] = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        except (OSError, ValueError) as error:
            raise file_error(path, "", str(error), "mend the file") from None
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise description_error(error, data, cls) from None

    @property
    def fingerprint(self) -> str:
        """Changes with whatever makes the environment another one."""
        text = json.dumps([self.python, self.requirements, self.pins, self.imports])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return home() / "environments" / self.name

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"


def home() -> Path:
    """The user's folder of salhw's data: ``$SALHW_HOME``, or salhw in ``$XDG_DATA_HOME`` or ``~/.local/share``."""
    own = os.environ.get("SALHW_HOME")
    shared = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(own).expanduser().absolute() if own else Path(shared) / "salhw"


def _is_environment(plugin: object) -> TypeGuard[Environment]:
    return isinstance(plugin, Environment)


@cache
def environments() -> Mapping[str, Environment]:
    """Every declared environment by name.

    Raises:
        BackendError: a declaration that cannot be loaded, is none, or repeats a name.
    """
    known: dict[str, Environment] = {}
    supported = "a salhw.worker.environments.Environment"
    for name, where, declared in installed(ENVIRONMENTS, "environment", _is_environment, supported):
        if declared.name in known:
            raise broken("environment", name, where, f"a second one called {declared.name!r}", "names that differ")
        known[declared.name] = declared
    return known


def environment(name: str) -> Environment:
    """The environment of that name.

    Raises:
        BackendError: none is declared under it.
    """
    known = environments()
    if name not in known:
        supported = f"one of {', '.join(sorted(known)) or 'none'}"
        fix = nearest(name, known, "install the package that brings it")
        raise BackendError(
            f"BackendError: no environment {name!r}", [Diagnostic("SAL601", "environment", name, supported, fix)]
        )
    return known[name]


def interpreter(name: str | Environment) -> str:
    """The path of the Python of an environment (itself, or the name of a declared one), for a ``Worker``.

    Raises:
        BackendError: SAL601 not declared, SAL603 not made yet, or made for an earlier declaration.
    """
    wanted = environment(name) if isinstance(name, str) else name
    if not is_made(wanted):
        why = "it was made for another version" if (wanted.folder / MARKER).exists() else "not set up"
        finding = Diagnostic("SAL603", f"environment {wanted.name}", "", why, f"salhw setup {wanted.name}")
        raise BackendError(f"BackendError: the environment {wanted.name!r} is not there", [finding])
    return str(wanted.interpreter)


def is_made(wanted: Environment) -> bool:
    """Whether it is there, whole, and as declared."""
    try:
        marker = json.loads((wanted.folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(marker, dict) and marker.get("fingerprint") == wanted.fingerprint and wanted.interpreter.exists()


def make(
    wanted: Environment,
    *,
    python: str | None = None,
    force: bool = False,
    tell: Callable[[str], None] = lambda step: None,
) -> bool:
    """Make an environment in ``wanted.folder``, unless it is there; True if there was something to do.

    A run that was killed leaves a folder without its marker, which the next one replaces. Of several processes that
    call at once one works, and the others wait for it; pip holds the lock, too, should it outlive its caller.
    ``python`` is an interpreter to use; ``tell`` hears of every step.

    Raises:
        BackendError: SAL609 no fitting interpreter, or pip or an import failed; the message holds what they said.
        OSError: the folder cannot be written.
    """
    if is_made(wanted) and not force:
        return False
    base, version = find_python(wanted.python, python)
    with _lock(wanted.folder.with_name(f"{wanted.name}.lock"), tell) as lock:
        if is_made(wanted) and not force:  # by the process that we waited for
            return False
        shutil.rmtree(wanted.folder, ignore_errors=True)
        tell(f"a virtual environment of Python {version} ({base})")
        _run(
            [base, "-m", "venv", *([] if wanted.requirements else ["--without-pip"]), str(wanted.folder)], wanted, lock
        )
        own = str(wanted.interpreter)
        if wanted.requirements:
            tell(f"pip install {' '.join(wanted.requirements)}")
            pins = wanted.folder / "pins.txt"
            pins.write_text("\n".join(wanted.pins) + "\n", encoding="utf-8")
            pip = [own, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--constraint", str(pins)]
            _run([*pip, *wanted.requirements], wanted, lock)
        if wanted.imports:
            tell(f"import {', '.join(wanted.imports)}")
            _run([own, "-c", f"import {', '.join(wanted.imports)}"], wanted, lock)
        marker = {"name": wanted.name, "python": version, "base": base, "fingerprint": wanted.fingerprint}
        fresh = wanted.folder / f"{MARKER}.new"
        fresh.write_text(json.dumps(marker, indent=1), encoding="utf-8")
        fresh.replace(wanted.folder / MARKER)
    return True


@contextmanager
def _lock(path: Path, tell: Callable[[str], None]) -> Iterator[int]:
    """An exclusive lock that ends with the last process that holds its descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another setup to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _run(command: list[str], wanted: Environment, lock: int) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_clean(),
        pass_fds=[lock], text=True, errors="replace", cwd=wanted.folder.parent,
    )  # fmt: skip
    if done.returncode:
        said = "\n".join(done.stdout.rstrip().splitlines()[-15:])
        asked = " ".join(Path(part).name if part == command[0] else part for part in command[:6])
        finding = Diagnostic(
            "SAL609", f"environment {wanted.name}", asked, f"exit status {done.returncode}", "see below"
        )
        raise BackendError(f"BackendError: the environment {wanted.name!r} cannot be made", [finding], said)


def _clean() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in ELSEWHERE}


def find_python(version: str, chosen: str | None = None) -> tuple[str, str]:
    """The path and the full version of a Python ``version`` that can make virtual environments.

    It is looked for on the PATH, among pyenv's versions and uv's; each is tried by running it, because a shim may be
    there that runs nothing. ``chosen`` is the only one to try, if given.

    Raises:
        BackendError: SAL609 there is none, or the chosen one does not fit.
    """
    tried: dict[str, tuple[str, str]] = {}
    for name in [chosen] if chosen else _candidates(version):
        path = os.path.abspath(shutil.which(name) or name)  # noqa: PTH100 - resolve would follow a venv's links
        if path not in tried:
            full_version, itself = tried[path] = _probe(path)
            if full_version.rpartition(".")[0] == version:
                return itself, full_version
    headline = f"BackendError: no Python {version} that works"
    if chosen:
        full_version, _ = tried[path]
        supported = f"it is {full_version}" if full_version else "it does not run, or lacks venv and ensurepip"
        raise BackendError(headline, [Diagnostic("SAL609", "python", chosen, supported, f"give a Python {version}")])
    install = f"`uv python install {version}` or `pyenv install {version}`"
    fix = f"install one, e.g. with {install}, or name one with --python"
    supported = "none on the PATH, nor among the versions of pyenv and uv"
    raise BackendError(headline, [Diagnostic("SAL609", "python", version, supported, fix)])


def _probe(path: str) -> tuple[str, str]:
    """The version and the path behind a shim; empty if it does not run or cannot make environments."""
    version, _, itself = _said([path, "-c", PROBE]).partition(" ")
    return version, itself


def _candidates(version: str) -> Iterator[str]:
    """Paths where a Python of that version may be."""
    folders = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    for name in (f"python{version}", "python3", "python"):
        yield from (str(folder / name) for folder in folders if os.access(folder / name, os.X_OK))
    pyenv = os.environ.get("PYENV_ROOT") or _said(["pyenv", "root"]) or str(Path.home() / ".pyenv")
    for path in sorted(Path(pyenv, "versions").glob(f"{version}[.-]*/bin/python"), reverse=True):
        yield str(path)
    managed = _said(["uv", "python", "find", "--no-python-downloads", version])
    if managed:
        yield managed


def _said(command: list[str]) -> str:
    """What a command prints; nothing if it is not there, fails, or hangs."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=_clean(), timeout=TOO_LONG, cwd="/", stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
