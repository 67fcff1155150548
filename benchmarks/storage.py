"""Files of this provider's ``arc://`` paths, of the platform's own ``vosfs``, and of plain httpx.

All transfer the same files, one after the other, to and from an emulator on this machine that speaks HTTPS,
as vosfs refuses anything else. Each runs in its own process. The baselines are plain httpx, which sends the
bytes and checks nothing, and vosfs. The aim for memory is a growth of less than 100 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import trustme

HERE = Path(__file__).parent
USER = "bench"
WAYS = {"provider": "arc:// paths", "vosfs": f"vosfs {version('vosfs')}", "httpx": "plain httpx"}
START_TIMEOUT = 60.0

#: The most that memory may grow, in MB.
MAX_GROWTH = 100.0

Figures = dict[str, dict[str, float]]


def main() -> None:
    """Measure all ways, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000, help="the size of the large file")
    parser.add_argument("--files", type=int, default=1000, help="how many small files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = run(Path(folder), options.megabytes, options.files)
    print_table(measured, options.megabytes, options.files)


def run(folder: Path, megabytes: int, files: int) -> dict[str, Figures]:
    """Start an emulator, and measure each way against it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate = folder / "certificate.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    (folder / "small").write_bytes(os.urandom(10_000))
    with (folder / "large").open("wb") as large:
        for _ in range(megabytes):
            large.write(os.urandom(1_000_000))
    token = secrets.token_urlsafe(24)
    port = folder / "port"
    command = [
        *(sys.executable, "-m", "airflow_provider_canfar.emulator", "--user", USER, "--port", "0"),
        *("--port-file", str(port), "--state-folder", str(folder / "state")),
        *("--certificate", str(certificate), "--exit-with-parent"),
    ]
    environment = os.environ | {"CANFAR_EMULATOR_TOKEN": token}
    with subprocess.Popen(  # noqa: S603 - ours
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as emulator:
        try:
            deadline = time.monotonic() + START_TIMEOUT
            while not port.exists():
                if time.monotonic() > deadline or emulator.poll() is not None:
                    raise RuntimeError("The emulator has not started.")
                time.sleep(0.05)
            url = f"https://127.0.0.1:{int(port.read_text())}/arc"
            return {way: one_way(way, url, folder, files, token) for way in WAYS}
        finally:
            emulator.terminate()


def one_way(way: str, url: str, folder: Path, files: int, token: str) -> Figures:
    """Measure one way in its own process, and return its figures by measurement."""
    mounted = folder / "state" / "arc" / "home" / USER / way
    (mounted / "many").mkdir(parents=True)
    command = [
        *(sys.executable, str(HERE / "_storage_ways.py"), way, url),
        *(f"/home/{USER}/{way}", str(folder), str(files)),
    ]
    environment = os.environ | {"BENCH_TOKEN": token, "SSL_CERT_FILE": str(folder / "authority.pem")}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)  # noqa: S603 - ours
    shutil.rmtree(mounted)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name"')]
    return {line.pop("name"): line for line in lines}


def print_table(measured: dict[str, Figures], megabytes: int, files: int) -> None:
    """Print the figures, and the ratios to the baselines."""
    title = f"large: {megabytes} MB; small: {files} files of 10 kB"
    print(f"{title:<44}{'wall s':>9}{'CPU s':>9}{'MB more':>9}")
    ours = measured["provider"]
    for name in ours:
        for way, label in WAYS.items():
            one = measured[way][name]
            print(f"{name + ': ' + label:<44}{one['seconds']:>9.2f}{one['cpu']:>9.2f}{one['growth']:>9.1f}")
    print(f"\n{'arc:// paths, as a multiple of':<30}{'plain httpx':>20}{'vosfs':>20}")
    print(f"{'':<30}{'wall':>12}{'CPU':>8}{'wall':>12}{'CPU':>8}")
    for name, one in ours.items():
        ratios = "".join(
            f"{one['seconds'] / base['seconds']:>12.2f}{one['cpu'] / base['cpu']:>8.2f}"
            for base in (measured["httpx"][name], measured["vosfs"][name])
        )
        print(f"{name:<30}{ratios}")
    growth = max(one["growth"] for one in ours.values())
    print(f"memory: grows by {growth:.0f} MB (aim: less than {MAX_GROWTH:.0f})")


if __name__ == "__main__":
    main()
