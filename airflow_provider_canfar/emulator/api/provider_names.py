"""Which task a session is of, where its name tells it. Pure.

The provider for Airflow names the sessions of its tasks ``<stem>-<key>-<epoch>-<replica>-<try>``. The
emulator's page shows that; nothing else here depends on it.
"""

from __future__ import annotations

import re
from typing import Any

_NUMBER = "(0|[1-9][0-9]{0,4})"
_NAME = re.compile(rf"(?P<stem>.+)-(?P<key>[a-z2-7]{{10}}|[a-z2-7]{{14}})-{_NUMBER}-{_NUMBER}-{_NUMBER}")


def task_of(name: str) -> dict[str, Any] | None:
    """Return what a session's name tells of its task; None for a name that the provider did not give.

    :return: the task's ``name`` and ``key``, an ``epoch`` above 0 after the task was cleared, ``replica`` and
        ``try``.

    >>> task_of("find-stars-k3v5x2qamd-0-7-2")
    {'name': 'find-stars', 'key': 'k3v5x2qamd', 'epoch': 0, 'replica': 7, 'try': 2}
    >>> task_of("my-notebook") is None
    True
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    epoch, replica, try_number = (int(number) for number in match.groups()[2:])
    return {
        "name": match["stem"],
        "key": match["key"],
        "epoch": epoch,
        "replica": replica,
        "try": try_number,
    }
