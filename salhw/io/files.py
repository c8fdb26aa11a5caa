"""The one way in which salhw writes a file: whole, or not at all.

The content is made in memory first, because HDF5 and matplotlib cannot be trusted with a full disk (HDF5 ends the
process when its last flush fails). It then goes into a temporary neighbour, to the disk, and takes the file's name in
one step: whatever goes wrong before leaves the old file as it was, no other file, and what was to be saved in memory.
"""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salhw.diagnostics import FileError, file_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Content = bytes | memoryview
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_bytes(path: Path, content: Content, *, new: bool = False) -> Path:
    """Write a file, and replace the one that is there, unless it must be ``new``. Devices and pipes are written to.

    Raises:
        FileError: the place cannot be written to, or ``new`` and there is one already; nothing has changed.
    """
    try:
        if is_device(path):  # asked by this name: where /dev/stdout is a pipe, what it links to has none
            _into(path, os.O_WRONLY | os.O_NONBLOCK, content)
            return path
        place = Path(os.path.realpath(path))  # a link stays one
        temporary = place.with_name(f".salhw-{secrets.token_hex(8)}")
        try:
            _into(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, content)
            if new:
                _publish(temporary, place)
            else:
                _keep_mode(place, temporary)
                temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise unwritable(path, error) from error
    return path


def _into(path: Path, flags: int, content: Content) -> None:
    """The content into a file, and to the disk."""
    with os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0) as file:
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fsync(file.fileno())


def _publish(temporary: Path, place: Path) -> None:
    """Give a file its name if nobody has it; of two who try at once one fails."""
    try:
        os.link(temporary, place)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: claim the name, then fill it
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        temporary.replace(place)


def _keep_mode(place: Path, temporary: Path) -> None:
    if place.exists():
        temporary.chmod(stat.S_IMODE(place.stat().st_mode))


def unwritable(path: Path, error: Exception) -> FileError:
    """What to say where a file cannot be written."""
    if isinstance(error, FileExistsError):
        return file_error(path, "", "it exists already", "another name, or --force to replace it")
    reason = getattr(error, "strerror", None) or str(error)
    if getattr(error, "errno", None) in FULL:
        fix = "make space there, or choose another place; nothing was written, and the old file is whole"
    else:
        fix = "create the folder, or choose another"
    return file_error(path, "", f"a place to write to; {reason}", fix)


def write_text(path: Path, text: str, *, new: bool = False) -> Path:
    """Text in UTF-8; see write_bytes."""
    return write_bytes(path, text.encode(), new=new)


def append_line(path: Path, line: str) -> Path:
    """A line at the end of a log, which several processes may write: in one piece, but not brought to the disk, and a
    full disk may leave half of it.

    Raises:
        FileError: the place cannot be written to.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            left = f"{line}\n".encode()
            while left:
                left = left[os.write(handle, left) :]
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    return path


def write_json(path: Path, document: Any, *, default: Callable[[Any], Any] | None = None, new: bool = False) -> Path:
    """One JSON document; see write_bytes."""
    text = json.dumps(document, indent=1, allow_nan=False, default=default)
    return write_text(path, text + "\n", new=new)


def write_figure(path: Path, figure: Figure, *, dpi: int, new: bool = False) -> Path:
    """A picture, of the kind that the suffix of ``path`` says; see write_bytes.

    Raises:
        FileError: also for a suffix that stands for no picture.
    """
    form = path.suffix.removeprefix(".").lower() or "png"
    known = figure.canvas.get_supported_filetypes()
    if form not in known:
        raise file_error(path, "", f"a picture: one of .{', .'.join(sorted(known))}", "a name that ends in .png")
    return write_bytes(path, picture_of(figure, form, dpi=dpi), new=new)


def picture_of(figure: Figure, form: str, *, dpi: int) -> bytes:
    """What a file with a picture of this format holds."""
    image = io.BytesIO()
    layout, shown = figure.get_layout_engine(), figure.dpi
    if layout is None or form != "png":
        figure.savefig(image, format=form, dpi=dpi)
        return image.getvalue()
    try:  # what savefig would do by drawing everything twice: to nowhere, for the layout, and then to the file
        figure.dpi = dpi
        layout.execute(figure)
        figure.set_layout_engine(None)
        figure.savefig(image, format=form, dpi=dpi)
    finally:
        figure.dpi = shown
        figure.set_layout_engine(layout)
    return image.getvalue()


def write_arrays(path: Path, arrays: Mapping[str, Any], *, new: bool = False) -> Path:
    """Arrays by name as numpy's .npz; see write_bytes."""
    import numpy as np

    image = io.BytesIO()
    np.savez(image, **arrays)
    return write_bytes(path, image.getbuffer(), new=new)


def is_device(path: Path) -> bool:
    """Whether something is there that is written to rather than replaced: /dev/null, a pipe."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112, PTH113


def is_file(path: Path) -> bool:
    """Whether there is a file, under a name that may be impossible."""
    return os.path.isfile(path)  # noqa: PTH113  # pathlib's raises for names that are too long


def existing(path: Path) -> Path:
    """A file to read: a folder or a device, which may be read without end, is none.

    Raises:
        FileError: there is no such file.
    """
    if not is_file(path):
        raise file_error(path, "", "an existing file", "check the path")
    return path


def folder(path: Path) -> Path:
    """A folder to write into, made if it is not there.

    Raises:
        FileError: it cannot be made, or is a file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise file_error(path, "a file", "a folder", "another name") from None
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    return path
