"""What a study does with an open session instead of one run: experiments that are installed, or functions of a user's.

A protocol is called with the session, the study's duration and its own options; it writes, runs and reads as it likes,
and returns the recording that is measured. Packages bring theirs under the entry point group ``salhw.protocols``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from salhw.session.backend import Session
from salhw.session.recording import Recording
from salhw.study.named import brought, chosen

GROUP = "salhw.protocols"
Experimenting = Callable[..., Recording]


def learn_then_hold(session: Session, duration: float, learn: float, rates: Sequence[str]) -> Recording:
    """Learn, then hold the weights, by learning rates of 0, and record: what was learned, by itself.

    Args:
        learn: for how many ms.
        rates: paths of the learning rates, as in ``["projections.pair.plasticity.learning_rate"]``.
    """
    session.run(learn)
    for path in rates:
        session.set(path, 0.0)
    return session.run(duration)


CORE: Mapping[str, Experimenting] = {"learn_then_hold": learn_then_hold}


def known_protocols() -> Mapping[str, Experimenting]:
    """Every protocol that is installed, by name.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
    """
    return {**brought(GROUP, "protocol"), **CORE}


def protocol(name: str, path: str) -> Experimenting:
    """The protocol of this name, installed or a user's.

    Raises:
        DescriptionError: SAL904 no such protocol, or a module without it.
    """
    return chosen(name, CORE, path, known_protocols)
