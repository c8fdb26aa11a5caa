"""Wrong calls of the command line, generated from the commands' own signatures: values of other types, missing, unknown
and doubled options, directories where files are wanted, files that are no files of ours, numbers without end, letters
of everywhere. ``python tests/faults/fuzz_cli.py 1000`` makes so many.

Each must end with status 0, 1 or 2, without a traceback, and say why if it is not 0.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import typer.main
from process_memory import held

from salhw.cli import app
from salhw.cli import main as salhw_main

SLOW, LARGE, PATIENCE = 5.0, 1 << 30, 120.0  # s of computing, bytes, s by the clock
NUMBERS = (
    "", " ", "x", "-1", "-0", "0", "1.5", "nan", "inf", "-inf", "1e400", "1e-320", "1e14", "0x10", "1_000", "٣", "1,5",
    "9" * 25, "9" * 400, "1e309", "--", "None", "true", "[]", "400ms",
)  # fmt: skip
TEXTS = (
    "", " ", "nosuch", "-", "--", "refrence", "PAIR", "pair ", "a" * 5000, "[bold]x[/bold]", "[/]", "\x1b[31mred",
    "ünï中😀", "\udcff\udcfe", "a\nb", "%s{}{0}", "../..", "~", "0:1:2", ":", "5:2", "0:999999999999", "None", "{}",
    "a=b", "size=x", "weights=[1", "=", "tau_ref=nan", "dt=-1", "size=1e9", "update=never", "SAL999", "fig99", "C:\\x",
    "a,b", "'", '"', "*",
)  # fmt: skip
OPTIONS = ("--nosuch", "-z", "--", "--json=1", "--no-json", "---", "--out", "--target", "-t", "--seed=")
ENOUGH = {"net": "pair", "target": "reference", "duration": "400", "what": "weights", "scale": "smoke"}
"""Good values, by the parameter's name."""
LONG: dict[str, list[tuple[str, str]]] = {
    "demo": [("out", "text.txt"), ("targets", "nosuch")],
    "compare": [("net", "nosuch"), ("targets", "nosuch"), ("out", "text.txt"), ("margin", "rates=1"), ("chips", "5:2")],
    "conformance": [
        ("target", "nosuch"),
        ("known", "wrong.toml"),
        ("beside", "noise.json"),
        ("html", "missing/x.html"),
    ],
    "reproduce": [("fig", "fig99"), ("out", "text.txt"), ("target", "refrence"), ("variant", "none")],
    "setup": [("name", "nosuch")],
    "calibrate": [("out", "text.txt"), ("target", "nosuch"), ("net", "missing.json"), ("chips", "5:2")],
    "measure": [("what", "wieghts"), ("net", "nosuch"), ("out", "text.txt"), ("calibration", "noise.h5")],
}
"""Commands that would work for long if the wrong value happened to be a good one, and values of which one is given."""


@dataclass(frozen=True)
class Call:
    """What one call came to; the memory is what it took beyond that of the process which it is a child of."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str
    seconds: float
    computed: float
    memory: int

    @property
    def fault(self) -> str:
        """What should not have happened; nothing if all is well."""
        if "Traceback" in self.err + self.out or "Exception ignored" in self.err:
            return f"a traceback: {self.err[-600:]}"
        if self.status not in (0, 1, 2):
            return f"status {self.status}: {self.err[-300:]}"
        if self.status and not (self.err.strip() or '"diagnostics"' in self.out):
            return "nothing is said"
        if len(self.err) > 6000:
            return f"{len(self.err)} characters are said"
        if self.computed > SLOW or self.seconds > PATIENCE:
            return f"{self.computed:.1f} s of computing, {self.seconds:.1f} s"
        return f"{self.memory / 1e6:.0f} MB" if self.memory > LARGE else ""


def commands() -> dict[str, Any]:
    """The commands by name, as typer made them of their functions."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def places(folder: Path) -> list[str]:
    """Paths that are no good, or not what is wanted."""
    made = {
        "empty.json": b"", "empty.h5": b"", "noise.h5": np.random.default_rng(0).bytes(5000),
        "noise.json": bytes(range(256)), "list.json": b"[]", "deep.json": b"[" * 5000, "number.json": b"1",
        "other.json": b'{"format": "salhw.network", "version": 99}', "nan.json": b'{"format": NaN}',
        "net.json": b'{"format": "salhw.network", "version": 1, "network": {"populations": [[[]]]}}',
        "latin.toml": "reason = \"\xfc\"".encode("latin-1"), "wrong.toml": b"[[known]]\ncheck = 3\n",
        "signed.h5": b"\x89HDF\r\n\x1a\n" + bytes(100), "text.txt": b"text",
    }  # fmt: skip
    for name, content in made.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    (folder / "folder.json").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder / "dangling.h5").symlink_to("nowhere/x.h5")
    (folder / "secret.json").write_bytes(b"{}")
    (folder / "secret.json").chmod(0)
    others = [
        "missing.json", "missing/x.h5", "text.txt/x.h5", "x.txt", "x.pdf", ".", "", " ", "a" * 300, "a/" * 3000,
        "/proc/self/mem", "/proc/x", "/dev/full", "\udcff.h5", "ünï中.h5", "folder/", "x.h5/", "-", "~/x",
    ]  # fmt: skip
    return [*made, "folder", "folder.json", "loop", "dangling.h5", "secret.json", *others]


def generated(random: np.random.Generator, known: dict[str, Any], wrong_places: list[str]) -> list[str]:
    """One wrong call."""

    def one(values: Any) -> Any:
        return values[int(random.integers(len(values)))]

    def bad(parameter: Any) -> str:
        kind = str(hints[parameter.name])
        pool = NUMBERS if "int" in kind or "float" in kind else wrong_places if "Path" in kind else TEXTS
        return str(one(pool if random.random() < 0.8 else one([NUMBERS, TEXTS, wrong_places])))

    name = one([name for name, command in sorted(known.items()) for _ in command.params])
    words: list[str] = [name]
    parameters = [p for p in known[name].params if p.name != "help"]
    hints = get_type_hints(known[name].callback)
    surely = dict([one(LONG[name])]) if name in LONG else {}
    wrong = {id(one(parameters))} | {id(p) for p in parameters if random.random() < 0.05}
    for p in parameters:
        option, is_option = one(p.opts), p.opts[0].startswith("-")
        if p.name in surely:
            words += [option, surely[p.name]] if is_option else [surely[p.name]]
        elif getattr(p, "is_flag", False):
            words += [option] * int(random.integers(0, 2 + (id(p) in wrong)))
        elif id(p) in wrong:
            choice = random.random()
            if choice < 0.05 or (name == "setup" and not is_option):
                continue  # missing
            value = bad(p)
            given = [f"{option}={value}"] if is_option and choice < 0.3 else [option, value] if is_option else [value]
            words += given * (2 if choice > 0.95 else 1)
        elif p.required or (p.name in ENOUGH and random.random() < 0.5):
            value = "nest" if (name, p.name) == ("export", "target") else ENOUGH.get(p.name, "x")
            words += [option, value] if is_option else [value]
    if random.random() < 0.08:
        words.insert(int(random.integers(0, len(words) + 1)), str(one(OPTIONS)))
    return words


def called(words: list[str], folder: Path, *, limited: bool = True) -> Call:
    """Call ``salhw`` with these words, in a child of this process, which has imported everything already."""
    logs = [folder / ".out", folder / ".err"]
    began, had = time.perf_counter(), held("RssAnon")  # which the child begins with
    child = os.fork()
    if child == 0:
        try:
            os.chdir(folder)
            os.environ |= {"TMPDIR": str(folder), "HOME": str(folder)}
            for number, log in enumerate(logs, 1):
                os.dup2(os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
            if limited:
                signal.alarm(int(PATIENCE))
                resource.setrlimit(resource.RLIMIT_CPU, (2 * int(SLOW), 100))
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
            sys.argv = ["salhw", *words]
            status: Any = 0
            try:
                salhw_main()
            except SystemExit as end:
                status = end.code
            except BaseException:
                os.write(2, traceback.format_exc().encode(errors="replace"))
                status = 99
            os._exit(status if isinstance(status, int) else 0 if status is None else 98)
        finally:
            os._exit(97)
    _, wait, used = os.wait4(child, 0)
    status = os.waitstatus_to_exitcode(wait)
    out, err = (log.read_bytes().decode(errors="replace") if log.exists() else "" for log in logs)
    took = time.perf_counter() - began
    memory = max(0, used.ru_maxrss * 1024 - had)
    return Call(tuple(words), status, out, err, took, used.ru_utime + used.ru_stime, memory)


def fuzz(count: int, seed: int = 0) -> Iterator[Call]:
    """So many wrong calls; the same for the same seed, whatever the count."""
    known = commands()
    import h5py
    import matplotlib.figure
    import numba
    import scipy.stats
    import xarray

    del h5py, matplotlib, numba, scipy, xarray  # imported once, for all children
    with tempfile.TemporaryDirectory() as folder:
        wrong_places = places(Path(folder))
        called(["run", "pair", "--duration", "400"], Path(folder), limited=False)  # compiles, and keeps that
        for k in range(count):
            random = np.random.default_rng((seed, k))
            yield called(generated(random, known, wrong_places), Path(folder))


if __name__ == "__main__":
    many, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    calls = []
    for call in fuzz(many, seed):
        calls.append(call)
        if call.fault:
            print(json.dumps(call.words)[:400], call.fault, flush=True)
    statuses = {status: sum(c.status == status for c in calls) for status in sorted({c.status for c in calls})}
    faults = sum(bool(c.fault) for c in calls)
    print(f"{len(calls)} calls: {faults} faults; statuses {statuses}; ", end="")
    print(
        f"at most {max(c.computed for c in calls):.2f} s of computing, {max(c.seconds for c in calls):.2f} s, ", end=""
    )
    print(f"{max(c.memory for c in calls) / 1e6:.0f} MB")
