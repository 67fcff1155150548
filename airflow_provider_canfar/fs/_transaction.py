"""Transactions of fsspec on ``arc://`` files."""

from __future__ import annotations

from typing import Any

from fsspec.transaction import Transaction

from airflow_provider_canfar.hooks._short_traceback import with_short_traceback


class ArcTransaction(Transaction):  # type: ignore[misc]  # fsspec has no types.
    """A transaction that ends when it fails, too.

    In fsspec 2025, a failed upload left the file system in it (*Transaction.complete*). File systems are
    cached, and so whatever the process wrote later was kept back, and never uploaded.
    """

    fs: Any

    @with_short_traceback
    def complete(self, commit: bool = True) -> None:
        """Upload the files, or none of those that are left once one has failed."""
        fs = self.fs
        try:
            super().complete(commit)
        finally:
            while self.files:
                self.files.popleft().discard()
            fs._intrans, fs._transaction = False, None  # noqa: SLF001 - as fsspec's own does
            self.fs = None
