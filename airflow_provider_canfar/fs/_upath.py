"""The class of ``arc://`` paths, for universal_pathlib, which Airflow's ``ObjectStoragePath`` is made of."""

from __future__ import annotations

import fsspec
from upath import UPath

from airflow_provider_canfar.hooks._short_traceback import with_short_traceback

# universal_pathlib splits a path by the rules of its file system's class, if that is loaded by then, and by
# those of a URL otherwise: then ``name`` would be wrong.
fsspec.get_filesystem_class("arc")


class ArcPath(UPath):
    """A path in the storage."""

    __slots__ = ()

    @with_short_traceback
    def rmdir(self, recursive: bool = True) -> None:
        """Delete a folder; by default with all that is in it, as for every other store of Airflow's.

        :param recursive: False to delete only an empty folder.
        """
        if recursive:
            super().rmdir()
        else:  # universal_pathlib fails for an empty folder.
            self.fs.rmdir(self.path)
