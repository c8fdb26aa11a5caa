"""A backend in plain numpy: the example of docs/write-a-backend.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from salhw import Chip, Executable, Network, Session, Target
from salhw.plugin import EngineSession, Lowering, unknown_kinds
from salhw_plain.kinds import KNOWN


class PlainBackend:
    name = "plain"

    def targets(self) -> Mapping[str, Target]:
        return {"plain": Target.from_toml(Path(__file__).parent / "targets" / "plain.toml")}

    def lower(self, net: Network, target: Target) -> Lowering:
        refused = unknown_kinds(net, KNOWN)  # whatever the target declares
        return Lowering(net, tuple(refused), notes=("plain numpy, step by step",))

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        from salhw_plain.engine import PlainEngine  # here, as a real backend would import its simulator

        engine = PlainEngine(executable, chips, ids, seed)
        return EngineSession(executable, engine, chips=chips, ids=ids, seed=seed)


backend = PlainBackend()
