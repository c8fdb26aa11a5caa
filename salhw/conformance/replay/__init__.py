"""Replay: random networks over what a target declares, and an oracle that recomputes from recorded spikes alone what
all else must have been.

``replay(executable, schedule)`` says the first step, neuron or synapse at which a session departs, and which kind of
thing departs; ``random_network`` and ``random_schedule`` draw what to run; ``shrunk`` makes an ``Example`` that departs
as small as it can be.
"""

from salhw.conformance.replay.chance import Tested, alarms, tests
from salhw.conformance.replay.course import Course
from salhw.conformance.replay.covering import Coverage, coverage
from salhw.conformance.replay.departing import Departure, departures
from salhw.conformance.replay.generator import random_network
from salhw.conformance.replay.oracle import Oracle
from salhw.conformance.replay.shrinking import Example, shrunk
from salhw.conformance.replay.surveying import Case, Survey, replay, survey
from salhw.conformance.replay.tolerance import Tolerance
from salhw.conformance.replay.trial import Part, Schedule, Trial, Write, perform, random_schedule

__all__ = [
    "Case",
    "Course",
    "Coverage",
    "Departure",
    "Example",
    "Oracle",
    "Part",
    "Schedule",
    "Survey",
    "Tested",
    "Tolerance",
    "Trial",
    "Write",
    "alarms",
    "coverage",
    "departures",
    "perform",
    "random_network",
    "random_schedule",
    "replay",
    "shrunk",
    "survey",
    "tests",
]
