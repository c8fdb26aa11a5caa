"""Fixed-pattern-noise studies: a network on thousands of virtual chips, with several noises and methods."""

from salhw.study.answers import Answer, Cell, Results, Spent, WorstRun
from salhw.study.description import Calibrating, Method, Metric, Noise, Sobol, Specification, Stop, Study
from salhw.study.experiments import Reproduced
from salhw.study.intervals import Interval, confidence_sequence, mean_interval, wilson
from salhw.study.metrics import Finished, known_metrics
from salhw.study.protocols import known_protocols
from salhw.study.replaying import Replayed, replay
from salhw.study.running import Preview, State, preview, run
from salhw.study.sensitivity import Effect, SobolIndex, effects, sobol_indices

__all__ = [
    "Answer", "Calibrating", "Cell", "Effect", "Finished", "Interval", "Method", "Metric", "Noise", "Preview",
    "Replayed", "Reproduced", "Results", "Sobol", "SobolIndex", "Specification", "Spent", "State", "Stop", "Study",
    "WorstRun", "confidence_sequence", "effects", "known_metrics", "known_protocols", "mean_interval", "preview",
    "replay", "run", "sobol_indices", "wilson",
]  # fmt: skip
