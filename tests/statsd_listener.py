"""A StatsD that notes what it is sent."""

from __future__ import annotations

import socket
from collections import defaultdict
from threading import Thread
from typing import Self


class StatsdListener:
    """Listens on UDP on this machine; use it with ``with``."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._lines: list[str] = []
        self._thread = Thread(target=self._receive, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    @property
    def lines(self) -> list[str]:
        """What has arrived, such as ``airflow.canfar.polls.succeeded,canfar_conn_id=canfar_default:1|c``."""
        return [*self._lines]

    def totals(self, prefix: str, since: int = 0) -> dict[str, float]:
        """Return the sums of the values by name, without tags.

        :param prefix: what the names begin with; it is left out of them.
        :param since: how many lines to leave out.
        """
        totals: dict[str, float] = defaultdict(float)
        for line in self.lines[since:]:
            name, _, value = line.rpartition(":")
            if name.startswith(prefix):
                totals[name.removeprefix(prefix).partition(",")[0]] += float(value.partition("|")[0])
        return totals

    def _receive(self) -> None:
        while data := self._socket.recv(65536):
            self._lines += data.decode().splitlines()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()
