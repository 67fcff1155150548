from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGETS = [
    "help",
    "setup",
    "demo",
    "up",
    "clean",
    "test",
    "long",
    "browser",
    "reliability",
    "cluster",
    "compat",
    "check",
    "audit",
    "licences",
    "bench",
    "wal",
    "docs",
    "release",
]


def test_make_without_a_target_lists_every_target() -> None:
    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in listed.splitlines()] == TARGETS


def test_contributing_names_every_target() -> None:
    named = set(re.findall(r"`make (\w+)`", (ROOT / "CONTRIBUTING.md").read_text()))
    assert named >= {*TARGETS} - {"help"}
    assert named <= {*TARGETS}
