"""What runs a target's own session piece by piece, and writes between two pieces: the backend, session and engine of
the host's loop (``salhw.session.loop``) and of reference phases (``salhw.session.reference_phase``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.probes import Spikes
from salhw.session.calibration import Calibration
from salhw.session.engine import Engine
from salhw.session.executable import Executable, Session
from salhw.session.lowering import Lowering
from salhw.session.recorder import Raster, Recorded
from salhw.session.recording import Recording, TimeSeries
from salhw.session.session import EngineSession
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

OUTSIDE = frozenset(
    ("network", "network_hash", "target", "target_hash", "chips", "wafer", "seed", "wall_time_s", "biological_time_ms",
     "written_hash", "changes", "age", "temperature")
)  # fmt: skip
"""What a recording says of itself that is said of the whole, and not of the pieces."""


class PiecewiseBackend:
    """The backend of an executable that runs in pieces: ``inner`` is the target's own part, as its backend runs it."""

    def __init__(self, inner: Executable) -> None:
        self.inner, self.name = inner, inner.plugin.name

    def targets(self) -> Mapping[str, Target]:
        """See Backend."""
        return self.inner.plugin.targets()

    def lower(self, net: Any, target: Target) -> Lowering:
        """See Backend."""
        return self.inner.plugin.lower(net, target)

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend."""
        inner = replace(self.inner, calibration=executable.calibration)
        session = inner.plugin.open(inner, chips=chips, ids=ids, seed=seed)
        try:
            engine = self.engine(executable, inner, session, len(ids))
        except BaseException:
            session.close()
            raise
        return PiecewiseSession(executable, engine, chips=chips, ids=ids, seed=seed)

    def engine(self, executable: Executable, inner: Executable, session: Session, instances: int) -> Engine:
        """What runs the ``session`` of ``inner`` in pieces."""
        raise NotImplementedError


class PiecewiseSession(EngineSession):
    """A session in pieces. Its calibration corrects what the target's own session writes and reads."""

    def _calibrate(self, calibration: Calibration) -> None:
        """See EngineSession: nothing is to be corrected twice."""


class PiecewiseEngine:
    """What engines (see salhw.session.engine.Engine) over a target's own session have in common.

    Args:
        net: the network that the engine runs; its projections are those of the session.
    """

    def __init__(self, net: Network, session: Session, instances: int) -> None:
        self._net, self._session, self._instances = net, session, instances
        self._position = {p.name: synapses(p.weights, *net.ends(p.name))[2] for p in net.projections}

    def _get(self, path: str) -> FloatArray:
        """What the target's session holds, (instance, neuron or synapse)."""
        flat = self._session.get(path).reshape(self._instances, -1)
        return flat[:, self._position[path.split(".")[1]]] if path.startswith("projections.") else flat

    def _set(self, path: str, value: FloatArray) -> None:
        array = np.array(self._session.get(path))
        flat = array.reshape(self._instances, -1)
        flat[:, self._position[path.split(".")[1]] if path.startswith("projections.") else slice(None)] = value
        self._session.set(path, array)

    @property
    def step(self) -> int:
        """See Engine."""
        return round(self._session.time / self._net.dt)

    def begin(self, stop: int) -> None:
        """See Engine."""
        self._spikes = 0
        self._pieces: list[Recording] = []

    def _piece(self, steps: int) -> Recording:
        """Let the target run on, as a part of the present run. What an interrupted one has recorded belongs to it."""
        try:
            return self._keep(self._session.run(steps * self._net.dt))
        except BaseException as error:
            if isinstance(partial := getattr(error, "recording", None), Recording):
                self._keep(partial)
            raise

    def _keep(self, piece: Recording) -> Recording:
        """Count a piece as a part of the present run; as it is counted."""
        self._pieces.append(piece)
        self._spikes += int(sum(counts.sum() for counts in piece.counts.values()))
        return piece

    def counted(self) -> Mapping[str, IntArray]:
        """See CountingEngine."""
        sizes = {p.name: p.size for p in self._net.populations}
        nothing = {name: np.zeros((self._instances, size), dtype=np.int64) for name, size in sizes.items()}
        return {name: sum((piece.counts[name] for piece in self._pieces), nothing[name]) for name in sizes}

    def recorded(self) -> Recorded:
        """See Engine."""
        net, pieces = self._net, self._pieces
        probed = {probe.population for probe in only(net.probes, Spikes)}
        return Recorded(
            rasters={name: Raster.joined([raster(piece, name, net.dt) for piece in pieces]) for name in probed},
            membranes={name: joined([p.membrane_traces[name] for p in pieces]) for name in pieces[0].membrane_traces},
            counts=self.counted(),
            occupancy={
                name: np.sum([p.occupancy_counts[name] for p in pieces], axis=0) for name in pieces[0].occupancy_counts
            },
            samples={name: joined([piece.samples[name] for piece in pieces]) for name in pieces[0].samples},
            provenance=self._about(),
        )  # fmt: skip

    def _about(self) -> dict[str, Any]:
        """What pieces say about themselves, numbers added up; and how many there were."""
        about: dict[str, Any] = {}
        for piece in self._pieces:
            for key, value in piece.provenance.items():
                own = key not in OUTSIDE
                added = isinstance(value, int | float) and not isinstance(value, bool)
                about |= {key: about.get(key, 0) + value if added else value} if own else {}
        return about | {"pieces": len(self._pieces)}

    def close(self) -> None:
        """See Engine."""
        self._session.close()


def raster(piece: Recording, name: str, dt: float) -> Raster:
    """The spikes of a population in a piece."""
    spikes = piece.spikes[name]
    return Raster(spikes.instance, spikes.neuron, np.rint(spikes.time / dt).astype(np.int64))


def joined(parts: Sequence[TimeSeries]) -> TimeSeries:
    """The samples of successive pieces."""
    return TimeSeries(
        np.concatenate([part.time for part in parts]), np.concatenate([part.values for part in parts], axis=1)
    )
