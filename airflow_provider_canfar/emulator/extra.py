"""The extra of this package that has what the emulator needs."""

from __future__ import annotations

#: What to install.
EXTRA = "airflow-provider-canfar[emulator]"


def missing_package(error: ModuleNotFoundError) -> str:
    """Say which package is missing, and what to install.

    >>> missing_package(ModuleNotFoundError(name="uvicorn"))
    'The emulator needs the package uvicorn. Install airflow-provider-canfar[emulator].'
    """
    package = (error.name or "").partition(".")[0]
    return f"The emulator needs the package {package}. Install {EXTRA}."
