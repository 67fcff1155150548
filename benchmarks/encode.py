"""Encoding the commands of 1,000 replicas with 100 kB of arguments each, as an operator's launch does.

Each create is a request of its own; the words are encoded once for all of them. The baselines encode them for
each replica: plainly, which the server's templates would not deliver unharmed, and with json.dumps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

from airflow_provider_canfar.skaha.models import SessionSpec
from airflow_provider_canfar.skaha.wire import create_request

REPLICAS = 1000
WORDS = [f"field {number}: 10:02:03 +41 'NGC'" for number in range(3200)]


def cpu_ms(encode: Callable[[int], object]) -> float:
    """Return the CPU milliseconds per replica."""
    began = time.process_time()
    for replica in range(1, REPLICAS + 1):
        encode(replica)
    return 1000 * (time.process_time() - began) / REPLICAS


def main() -> None:
    """Measure, and print the table."""
    spec = SessionSpec(
        name="stars", image="images.canfar.net/skaha/astroml:24.07", command=["sh", *WORDS], replicas=REPLICAS
    )
    ways: tuple[tuple[str, Callable[[int], object]], ...] = (
        ("create_request: what a launch sends", lambda replica: create_request(spec, replica).form),
        ("baseline: the words joined, urlencoded", lambda replica: urlencode({"args": " ".join(WORDS)})),
        ("baseline: json.dumps", lambda replica: json.dumps(WORDS)),
    )
    size = len("".join(WORDS)) / 1000
    print(f"{f'{REPLICAS:,} replicas, {size:.0f} kB of arguments':48}{'CPU ms per replica':>20}{'kB':>8}")
    for label, encode in ways:
        print(f"{label:48}{cpu_ms(encode):>20.2f}{len(str(encode(1))) / 1000:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
