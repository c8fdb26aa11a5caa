"""The picture beside a recording."""

from __future__ import annotations

from pathlib import Path

from salhw.cli.places import FORMATS, writable
from salhw.description.connectivity import values
from salhw.description.network import Network
from salhw.diagnostics import FileError, shortened
from salhw.io.files import is_device, write_figure
from salhw.plots.recordings import overview
from salhw.session.recording import Recording


def picture_place(recording: Path, force: bool) -> Path | None:
    """Where the picture of the recording in a file goes, asked before the work begins: ``run.png`` beside ``run.h5``.
    None where the recording goes into a device or a pipe.

    Raises:
        FileError: there is such a file, and ``force`` is not set.
    """
    if is_device(recording):
        return None
    known = recording.suffix.lower() in FORMATS
    place = recording.with_suffix(".png") if known else recording.with_name(f"{recording.name}.png")
    return writable(place, force, ".png")


def drawn(recording: Recording, net: Network, place: Path, *, new: bool) -> str:
    """Draw a recording of ``net`` into a file; what went wrong, empty if nothing did. The recording is saved already,
    and nothing that happens to a picture may say otherwise: no error leaves this."""
    try:
        nominal = {
            name: values(net.projection(name).weights, *net.ends(name)) for name in recording.weight_traces
        }  # fmt: skip
        figure = overview(recording, weights=True, nominal=nominal).figure
        write_figure(place, figure, dpi=130, new=new)  # type: ignore[arg-type]  # a Figure, as overview made it
    except FileError as error:
        return "; ".join(f"{item.path}: {item.supported}" for item in error.diagnostics)
    except Exception as error:
        return shortened(f"{type(error).__name__}: {error}", 200)
    return ""
