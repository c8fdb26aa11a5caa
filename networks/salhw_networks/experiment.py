"""What all experiments share: claims, pieces of work that outlive a kill, and the files that are left."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from salhw.diagnostics import FileError
from salhw.io import hdf5
from salhw.io.files import folder, write_figure, write_json, write_text
from salhw.registry import resolve
from salhw_networks.code import code, roots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salhw.substrate.target import Target

Progress = Callable[[float], None]
Arrays = dict[str, npt.NDArray[Any]]
SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Claim:
    """One line of the table. ``agrees`` is None where the scale is too small, or the paper too vague, to judge."""

    what: str
    paper: str
    measured: str
    agrees: bool | None = None

    def __post_init__(self) -> None:
        if self.agrees is not None:  # numpy's bool is no JSON data
            object.__setattr__(self, "agrees", bool(self.agrees))


@dataclass
class Work:
    """One run of an experiment: where its finished pieces are kept, and how far it is.

    A piece is computed once per set of parameters and per state of the code that it needs: it is kept in ``out/pieces``
    under a name that holds a ``digest`` of both, so that a killed run goes on where it was and never meets the pieces
    of other parameters or other code.

    Threads may work at several pieces at once; ``stopped`` ends them at their next word of progress.

    Args:
        name: of the experiment; begins the names of its files.
        out: folder, made if it is not there.
        key: all parameters that the results depend on, as JSON data.
        total: the shares of all pieces together.
    """

    name: str
    out: Path
    target: Target | str
    key: Mapping[str, Any]
    total: float
    progress: Progress | None = None
    done: dict[str, float] = field(default_factory=dict)
    reused: int = 0
    stopped: bool = False
    lock: Lock = field(default_factory=Lock)
    began: float = field(default_factory=time.perf_counter)

    def digest(self, compute: Callable[..., Any]) -> str:
        """Of the parameters, of what the target can do, and of the code of ``compute`` and of the target's backend."""
        chosen = resolve(self.target)
        made_by = _code_digest(*roots(compute, chosen.backend))
        content = {"experiment": self.name, "target": chosen.capability_hash, "code": made_by, **self.key}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def piece(self, name: str, share: float, compute: Callable[[Progress], Arrays]) -> Arrays:
        """The arrays of the piece ``name``: read if it is finished, else computed and kept.

        Raises:
            FileError: the folder cannot be written to.
        """
        path = self.path(name, compute)
        arrays = read(path) if path.exists() else None
        if arrays is None:
            arrays = compute(lambda part: self._tell(name, share * part))
            write(path, arrays)
        else:
            self.reused += 1
        self._tell(name, share)
        return arrays

    def path(self, name: str, compute: Callable[..., Any]) -> Path:
        """The file that the piece ``name`` is, or will be, kept in: arrays, or what else ``compute`` returns."""
        return folder(self.out / "pieces") / f"{self.name}-{self.digest(compute)}-{name}.h5"

    def piece_with_checkpoint(self, name: str, share: float, compute: Callable[[Path, Progress], Arrays]) -> Arrays:
        """A long piece, see ``piece``: ``compute`` keeps what it has so far in the file that it is given, and goes on
        from there; the file is removed when the piece is finished."""
        checkpoint = self.path(f"{name}-checkpoint", compute)
        arrays = self.piece(name, share, partial(compute, checkpoint))
        checkpoint.unlink(missing_ok=True)
        return arrays

    def say(self, text: str) -> None:
        """Tell how it goes, where somebody watches a bar that takes words (``note``)."""
        if note := getattr(self.progress, "note", None):
            note(text)

    def _tell(self, piece: str, done: float) -> None:
        with self.lock:
            if self.stopped:
                raise InterruptedError(f"{self.name} was stopped")
            self.done[piece] = done
            if self.progress:
                self.progress(min(1.0, sum(self.done.values()) / self.total))

    def finish(
        self, title: str, claims: list[Claim], data: Arrays, draw: Callable[[Figure], None], /, **more: Any
    ) -> dict[str, Any]:
        """Write figure, data, numbers and table beside each other; return what the command line shows."""
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        draw(figure)
        png, h5, table, numbers = (folder(self.out) / f"{self.name}.{suffix}" for suffix in ("png", "h5", "md", "json"))
        write_figure(png, figure, dpi=130)
        write(h5, data)
        write_text(table, markdown(title, claims))
        content: dict[str, Any] = {
            "experiment": self.name,
            "title": title,
            "target": resolve(self.target).name,
            "parameters": dict(self.key),
            "salhw": version("salhw"),
            "rows": [asdict(claim) for claim in claims],
            "agrees": not any(claim.agrees is False for claim in claims),
            "pieces_reused": self.reused,
            "wall_time_s": round(time.perf_counter() - self.began, 3),
            "files": [path.name for path in (png, h5, table, numbers)],
            **more,
        }
        write_json(numbers, content)
        return content


@cache
def _code_digest(modules: frozenset[str], own: frozenset[str]) -> str:
    """Once per process, which goes on with the code that it has read, whatever is edited meanwhile."""
    return code(modules, own).digest


def markdown(title: str, claims: list[Claim]) -> str:
    """The claims as a table."""
    said = {True: "yes", False: "NO", None: "not judged"}
    rows = [f"| {c.what} | {c.paper} | {c.measured} | {said[c.agrees]} |" for c in claims]
    return "\n".join([f"# {title}", "", "| | paper says | we measured | agrees |", "|---|---|---|---|", *rows, ""])


def write(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Arrays by name to one HDF5 file, whole or not at all."""

    def fill(file: Any) -> None:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)

    hdf5.write(path, fill)


def read(path: Path) -> Arrays | None:
    """What ``write`` wrote; None if the file is damaged (a full disk, a foreign file), so that it is made anew."""
    try:
        with hdf5.reading(path, "a finished piece", "compute it again") as file:
            return {name: np.asarray(file[name][()]) for name in file}
    except FileError:
        return None


def side_by_side(work: Work, jobs: Sequence[Callable[[], Arrays]]) -> list[Arrays]:
    """The results of jobs, two at a time: they wait for other processes, or leave Python's lock to compiled code. Where
    one fails the others end at their next word of progress."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            work.stopped = True
            pool.shutdown(cancel_futures=True)
            raise


def parts(progress: Progress, count: int) -> list[Progress]:
    """Callbacks of ``count`` equal steps of one piece of work."""

    def part(k: int) -> Progress:
        return lambda share: progress((k + share) / count)

    return [part(k) for k in range(count)]
