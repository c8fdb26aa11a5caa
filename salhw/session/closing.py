"""What every session has in common: it can be closed, and then refuses."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from salhw.session.paths import session_error


class Closing:
    """A context manager that is open until it is closed; ``_release`` frees what it holds, once."""

    closed = False

    def _refuse_closed(self) -> None:
        """To be called by everything that a closed session cannot do.

        Raises:
            SessionError: SAL405.
        """
        if self.closed:
            raise session_error("SAL405", "session", "closed", "an open session", "open the executable again")

    def _release(self) -> None:
        """Free what the session holds."""

    def close(self) -> None:
        """See Session. Closing again does no harm."""
        if not self.closed:
            self.closed = True
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
