"""A backend that runs networks in Brian2, written from docs/write-a-backend.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import salhw
from salhw import Chip, Executable, Network, Session, Target
from salhw.plugin import ByKind, EngineSession, Lowering, unknown_kinds

HERE = Path(__file__).parent
KINDS = {
    "neurons": (salhw.GLM, salhw.Source),
    "kernels": (salhw.Rectangular, salhw.Exponential),
    "plasticity": (salhw.PairSTDP,),
    "stimuli": (salhw.Poisson, salhw.SpikeTimes),
}
KNOWN = {part: ByKind("the target brian2", dict.fromkeys(kinds)) for part, kinds in KINDS.items()}


@dataclass(frozen=True)
class Brian2Backend:
    """``python`` is an interpreter with Brian2, which wants an older numpy than salhw."""

    python: str
    name: str = "brian2"

    def targets(self) -> Mapping[str, Target]:
        return {"brian2": Target.from_toml(HERE / "targets" / "brian2.toml")}

    def lower(self, net: Network, target: Target) -> Lowering:
        return Lowering(net, tuple(unknown_kinds(net, KNOWN)), notes=("Brian2 with numpy code",))

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        from salhw_brian2.engine import Brian2Engine

        engine = Brian2Engine(executable, self.python, chips, ids, seed)
        return EngineSession(executable, engine, chips=chips, ids=ids, seed=seed)
