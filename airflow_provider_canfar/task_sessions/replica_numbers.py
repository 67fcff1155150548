"""Replicas by their numbers, as a line lists them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

#: How many numbers and ranges a line lists by default.
NUMBERED = 100


def numbers(replicas: Iterable[int], most: int = NUMBERED) -> str:
    """List replicas by their numbers, three and more in a row as a range.

    >>> numbers([1, 2, 3, 7, 9, 10]), numbers(range(1, 12, 2), most=2)
    ('1-3, 7, 9, 10', '1, 3 and 4 more')

    :param most: how many numbers and ranges to list.
    """
    rows: list[list[int]] = []
    for replica in sorted(replicas):
        if rows and replica == rows[-1][-1] + 1:
            rows[-1].append(replica)
        else:
            rows.append([replica])
    parts = [[row] if len(row) > 2 else [[one] for one in row] for row in rows]
    ranges = [one for part in parts for one in part]
    listed = ", ".join(f"{one[0]}-{one[-1]}" if len(one) > 1 else f"{one[0]}" for one in ranges[:most])
    left_out = sum(map(len, ranges[most:]))
    return f"{listed} and {left_out:,} more" if left_out else listed
