"""A backend in plain numpy: the example of docs/write-a-backend.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from salhw import Chip, Executable, Network, Session, Target
from salhw.session.lowering import Lowering


class PlainBackend:
    name = "plain"

    def targets(self) -> Mapping[str, Target]:
        return {"plain": Target.from_toml(Path(__file__).parent / "targets" / "plain.toml")}

    def lower(self, net: Network, target: Target) -> Lowering:
        return Lowering(net, notes=("plain numpy, step by step",))

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        from salhw_plain.session import PlainSession  # here, as a real backend would import its simulator

        return PlainSession(executable, chips, ids, seed)


backend = PlainBackend()
