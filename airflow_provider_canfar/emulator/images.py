"""Which images the emulated platform knows, and which PATH the sessions of each one have."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

LISTED: Mapping[str, tuple[str, ...]] = {
    "images.canfar.net/skaha/astroml:24.07": ("headless", "notebook"),
    "images.canfar.net/skaha/astroml:latest": ("headless", "notebook"),
    "images.canfar.net/skaha/terminal:1.1.2": ("headless", "desktop-app"),
    "images.canfar.net/skaha/base-notebook:latest": ("notebook",),
    "images.canfar.net/skaha/casa-notebook:6.5": ("notebook",),
    "images.canfar.net/skaha/carta:4.0": ("carta",),
    "images.canfar.net/skaha/desktop:1.0.2": ("desktop",),
    "images.canfar.net/skaha/firefly:2024.3": ("firefly",),
    "images.canfar.net/skaha/pluto:0.19": ("contributed",),
}


@dataclass(frozen=True, kw_only=True)
class ImageLibrary:
    """The registry, the server's image cache, and the programs of this machine that stand for images.

    The server knows an image when its cache lists it: labelled, in a public project, and the first tag of its
    digest. It accepts other images only with registry credentials. Here a *pattern* stands for the cache, so
    a test may name any version of an image; where that is not wanted, the emulator is *strict*, and only the
    list counts. An image without a tag, or named by digest, is unknown, as it is on the server.

    :param hosts: the registries that the server trusts.
    :param listed: what ``GET /image`` lists: the kinds of session by image name.
    :param assumed: shell patterns of images that start without registry credentials unless the emulator is
        strict, although they are not listed.
    :param known: shell patterns of further images that start without registry credentials, strict or not.
    :param folders: shell patterns of images, each with the folder that comes first in the PATH of their
        sessions. The first match counts. An image without a match gets the folder of the emulator's Python.
    """

    hosts: tuple[str, ...] = ("images.canfar.net",)
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: LISTED)
    assumed: tuple[str, ...] = ("images.canfar.net/skaha/*",)
    known: tuple[str, ...] = ()
    folders: tuple[tuple[str, Path], ...] = ()

    def trusts(self, image: str) -> bool:
        """Return whether an image's name begins with a trusted host (*PostAction.validateImage*)."""
        return image.startswith(self.hosts)

    def knows(self, image: str, *, strict: bool = False) -> bool:
        """Return whether the server's image cache lists an image.

        :param strict: only what is listed or expressly known counts.
        """
        name, _, tag = image.rpartition("/")[2].partition(":")
        if not (name and tag) or "@" in image:
            return False
        patterns = self.known if strict else (*self.assumed, *self.known)
        return image in self.listed or any(fnmatchcase(image, pattern) for pattern in patterns)

    def search_path(self, image: str) -> str:
        """Return the PATH of an image's sessions."""
        folder = next((folder for pattern, folder in self.folders if fnmatchcase(image, pattern)), None)
        return f"{folder or Path(sys.executable).parent}:{SYSTEM_PATH}"

    def catalogue(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the images that ``GET /image`` lists.

        :param kind: lists only images of this kind of session; case-sensitive, as on the server.
        """
        return [
            {
                "id": name,
                "types": list(kinds),
                "digest": "sha256:" + hashlib.sha256(name.encode()).hexdigest(),
            }
            for name, kinds in self.listed.items()
            if kind is None or kind in kinds
        ]
