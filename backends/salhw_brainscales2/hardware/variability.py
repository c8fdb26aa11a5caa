"""The noise profile of a BrainScaleS-2-style chip: ``profile.toml`` as the ``variability`` of a target."""

from __future__ import annotations

from pathlib import Path

from salhw.diagnostics import file_error
from salhw.diagnostics.documents import read_toml
from salhw.substrate.variability import Variability

PROFILE = Path(__file__).parent / "profile.toml"


def profile(path: Path = PROFILE) -> dict[str, Variability]:
    """The spread of each quantity, for ``target.replace(variability=...)``.

    Raises:
        FileError: no such file, or not TOML.
        DescriptionError: an entry that means nothing.
    """
    try:
        data = read_toml(path)
    except (OSError, ValueError) as error:
        raise file_error(path, "", f"a TOML file of spreads; {error}", "check the path") from None
    return {name: Variability.model_validate(entry) for name, entry in data.items()}
