"""The credential for pulling a private image."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.secret import Secret, described


@dataclass(frozen=True, slots=True, init=False)
class RegistryCredential:
    """The user name and secret of a container registry, for images that are not public.

    With them the server also accepts public images that it does not know, such as an image's second tag.

    White space around them is left out: it comes with a copy from a web page.

    :param username: the registry's user.
    :param secret: its CLI secret (in Harbor, *User profile*), not the password.
    :raises SpecError: if the server could not tell the two apart.
    """

    username: str
    secret: str = field(repr=False)

    def __init__(self, username: str, secret: str) -> None:
        username, secret = Secret(username).strip(), Secret(secret).strip()
        for name, value in (("username", username), ("secret", secret)):
            # The server splits at ":" and wants exactly two parts (PostAction).
            if not value or ":" in value:
                raise SpecError(
                    f"Invalid registry {name} ({described(value)}): it must not be empty or contain ':'. "
                    "The user name and its CLI secret are two fields. If the secret itself contains ':', "
                    "generate another in the registry."
                )
            object.__setattr__(self, name, value)

    def headers(self) -> dict[str, str]:
        """Return the header that a create carries."""
        pair = f"{self.username}:{self.secret}".encode()
        return {"x-skaha-registry-auth": Secret(base64.b64encode(pair).decode("ascii"))}
