"""Deep networks: feedback weights for any PyTorch model, aligned by spikes (paper sections 2.4.3, 4.5).

The names below need the extra ``deep`` (PyTorch), which is imported when one of them is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salhw_networks.deep.aligner import Aligner, AlignmentReport
    from salhw_networks.deep.conversion import alignment_angles, convert, feedback_layers, restore
    from salhw_networks.deep.layers import FeedbackConv2d, FeedbackLinear
    from salhw_networks.deep.methods import SAL, STDWI, WeightMirror
    from salhw_networks.deep.rdd import RDD

_MODULES = {
    "Aligner": "aligner", "AlignmentReport": "aligner", "convert": "conversion", "restore": "conversion",
    "feedback_layers": "conversion", "alignment_angles": "conversion", "FeedbackConv2d": "layers",
    "FeedbackLinear": "layers", "SAL": "methods", "STDWI": "methods", "WeightMirror": "methods",
    "RDD": "rdd",
}  # fmt: skip

__all__ = [
    "RDD",
    "SAL",
    "STDWI",
    "Aligner",
    "AlignmentReport",
    "FeedbackConv2d",
    "FeedbackLinear",
    "WeightMirror",
    "alignment_angles",
    "convert",
    "feedback_layers",
    "restore",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from salhw_networks.deep.extra import refuse_missing

    refuse_missing("torch")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
