"""Which images the emulated platform knows, and where on this machine each of them runs."""

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
    """The registry, the server's cache of it, and the interpreters of this machine.

    The server knows an image when its cache lists it: labelled, in a public project, and the first tag of its
    digest. Others it takes only with registry credentials. Here a *pattern* stands for the cache, so that a
    test may name any version of an image; a name without a tag, or by digest, is unknown as it is there.

    :param hosts: the registries that the server trusts.
    :param listed: what ``GET /image`` shows: the kinds of session by the image's name.
    :param known: patterns, as a shell's, of images that start without registry credentials like the listed.
    :param folders: patterns of images, and the folder that is first in the PATH of their sessions; the first
        that matches counts, and all others run in the Python environment that the emulator runs in.
    """

    hosts: tuple[str, ...] = ("images.canfar.net",)
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: LISTED)
    known: tuple[str, ...] = ("images.canfar.net/skaha/*",)
    folders: tuple[tuple[str, Path], ...] = ()

    def trusts(self, image: str) -> bool:
        """Tell whether an image's name begins with a trusted host (*PostAction.validateImage*)."""
        return image.startswith(self.hosts)

    def knows(self, image: str) -> bool:
        """Tell whether the server's image cache has an image."""
        name, _, tag = image.rpartition("/")[2].partition(":")
        if not (name and tag) or "@" in image:
            return False
        return image in self.listed or any(fnmatchcase(image, pattern) for pattern in self.known)

    def search_path(self, image: str) -> str:
        """Return the PATH that a session of an image has."""
        own = next((folder for pattern, folder in self.folders if fnmatchcase(image, pattern)), None)
        return f"{own or Path(sys.executable).parent}:{SYSTEM_PATH}"

    def catalogue(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return what ``GET /image`` answers.

        :param kind: only images of this kind of session; upper and lower case differ, as on the server.
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
