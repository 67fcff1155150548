"""fsspec's own tests for file systems."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

if TYPE_CHECKING:
    from airflow_provider_canfar.fs._filesystem import ArcFileSystem


class ArcFixtures(AbstractFixtures):  # type: ignore[misc]  # fsspec has no annotations.
    @pytest.fixture
    def fs(self, arc: ArcFileSystem) -> ArcFileSystem:
        return arc

    @pytest.fixture
    def local_fs(self) -> LocalFileSystem:
        """Older releases of fsspec define it in a way that pytest warns of."""
        return LocalFileSystem(auto_mkdir=True)

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def fs_path(self, base: str) -> str:
        return base

    @pytest.fixture
    def fs_sanitize_path(self) -> Callable[[str], str]:
        return lambda path: path

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return True


# A copy within the storage is a download and an upload, which the other two test as often.
@pytest.mark.long
class TestCopy(AbstractCopyTests, ArcFixtures):  # type: ignore[misc]  # fsspec has no types
    pass


class TestGet(AbstractGetTests, ArcFixtures):  # type: ignore[misc]  # fsspec has no types
    pass


class TestPut(AbstractPutTests, ArcFixtures):  # type: ignore[misc]  # fsspec has no types
    pass


class TestOpen(AbstractOpenTests, ArcFixtures):  # type: ignore[misc]  # fsspec has no types
    pass


class TestPipe(AbstractPipeTests, ArcFixtures):  # type: ignore[misc]  # fsspec has no types
    pass
