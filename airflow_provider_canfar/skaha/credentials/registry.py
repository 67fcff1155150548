"""The credential for pulling a private image."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from airflow_provider_canfar.skaha.errors import SpecError


@dataclass(frozen=True, slots=True)
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

    def __post_init__(self) -> None:
        for name in ("username", "secret"):
            object.__setattr__(self, name, getattr(self, name).strip())
        # The server splits at ":" and wants exactly two parts (PostAction).
        if not self.username or not self.secret or ":" in self.username + self.secret:
            raise SpecError(
                f"Invalid registry credential of {self.username!r}: user name and secret must not be empty "
                "or contain ':'. Generate another secret in the registry."
            )

    def headers(self) -> dict[str, str]:
        """Return the header that a create carries."""
        pair = f"{self.username}:{self.secret}".encode()
        return {"x-skaha-registry-auth": base64.b64encode(pair).decode("ascii")}
