"""What the optional packages of deep networks are, and one error where one of them is missing. Imports none of them."""

from __future__ import annotations

from importlib.util import find_spec

from salhw.diagnostics import BackendError, Diagnostic

EXTRA = {"torch": "torch", "sklearn": "scikit-learn", "mlxtend": "mlxtend"}
"""The modules that the extra ``deep`` brings, and the packages that they come from."""


def refuse_missing(*modules: str) -> None:
    """Say how to install those of ``modules`` (all of EXTRA by default) that are not there.

    Raises:
        BackendError: SAL903.
    """
    missing = [EXTRA[name] for name in modules or EXTRA if find_spec(name) is None]
    if missing:
        finding = Diagnostic(
            "SAL903", "packages", " and ".join(missing), "installed packages", 'pip install "salhw[deep]"'
        )
        raise BackendError("BackendError: deep networks need packages that are not installed", [finding])
