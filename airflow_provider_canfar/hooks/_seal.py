"""Sealing what a task must carry from one phase to the next, and Airflow's database must not show.

All replicas of a try run what its first phase has rendered: one command, one environment, one image. A later
phase runs in another process, so the rendered values travel with the deferral, which Airflow stores in the
clear (task_instances.py of its execution API); values of ``env`` may be secret. They are encrypted with a key
that is derived from the connection's own secret: anyone with that secret has the account anyway, and no one
else can read them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

    from airflow_provider_canfar.hooks._settings import Settings

_SALT_BYTES = 16

# Slow enough that a password which a person chose cannot be guessed from what is stored: some 50 ms a guess.
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}


def secret_of(settings: Settings) -> bytes | None:
    """Return a connection's secret, or the file that holds it; None where there is none to read."""
    if settings.secrets:
        return "\0".join(settings.secrets).encode("utf-8", "surrogatepass")
    try:
        return Path(settings.certificate).expanduser().read_bytes() if settings.certificate else None
    except (OSError, RuntimeError):
        return None


def seal(secret: bytes, text: str) -> str:
    """Encrypt a text.

    :param secret: the connection's secret.
    """
    salt = os.urandom(_SALT_BYTES)
    sealed = _fernet(secret, salt).encrypt(zlib.compress(text.encode("utf-8", "surrogatepass")))
    return base64.urlsafe_b64encode(salt).decode() + sealed.decode()


def unseal(secret: bytes, sealed: str) -> str | None:
    """Decrypt a text; None where it was sealed with another secret, as the connection has a new one since."""
    from cryptography.fernet import InvalidToken

    length = len(base64.urlsafe_b64encode(bytes(_SALT_BYTES)))
    try:
        salt = base64.urlsafe_b64decode(sealed[:length])
        return zlib.decompress(_fernet(secret, salt).decrypt(sealed[length:])).decode(
            "utf-8", "surrogatepass"
        )
    except (InvalidToken, ValueError, zlib.error):
        return None


def _fernet(secret: bytes, salt: bytes) -> Fernet:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(hashlib.scrypt(secret, salt=salt, **_SCRYPT)))
