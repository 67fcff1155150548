"""The demo's DAG and its program, without Airflow and without a platform."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from tests.m13 import IMAGE, stars_of_m13

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = ROOT / "example_dags" / "scripts"


@pytest.fixture
def detect_stars(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the program that the sessions run."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import detect_stars

    return detect_stars


def tiles(pixels: int, per_side: int) -> list[tuple[int, int, int, int]]:
    edges = [pixels * edge // per_side for edge in range(per_side + 1)]
    return [(x, y, x_end, y_end) for y, y_end in pairwise(edges) for x, x_end in pairwise(edges)]


def positions(*tables: Table) -> list[tuple[float, float]]:
    return sorted((round(float(row["x"]), 6), round(float(row["y"]), 6)) for one in tables for row in one)


@pytest.mark.parametrize("per_side", [2, 4, 7])
def test_the_tiles_together_have_the_same_stars_as_the_whole_image(detect_stars: Any, per_side: int) -> None:
    """Wherever the borders are: no duplicates, no missing stars, and the same positions."""
    image, noise = detect_stars.without_background(fits.getdata(IMAGE).astype(float))
    parts = [detect_stars.stars_in(image, noise, tile) for tile in tiles(300, per_side)]
    assert positions(*parts) == positions(stars_of_m13())


def test_stars_are_found_at_their_positions(detect_stars: Any) -> None:
    y, x = np.mgrid[:120, :120]
    noise = np.random.default_rng(1).normal(100, 3, x.shape)
    sources = [(30.25, 40.5, 600.0), (80.0, 59.6, 900.0)]
    stars = sum(
        peak * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * (detect_stars.FWHM / 2.355) ** 2))
        for x0, y0, peak in sources
    )
    image, level = detect_stars.without_background(noise + stars)
    found = detect_stars.stars_in(image, level, (0, 0, 120, 120))
    assert level == pytest.approx(3, rel=0.1)
    assert np.array(positions(found)) == pytest.approx(np.array([(30.25, 40.5), (80.0, 59.6)]), abs=0.1)


def test_an_empty_tile_has_no_stars(detect_stars: Any) -> None:
    assert len(detect_stars.stars_in(np.zeros((50, 50)), 1.0, (0, 0, 50, 50))) == 0


@pytest.fixture
def run_replica_2(detect_stars: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that runs the program as replica 2, with a number of tiles and of replicas."""

    def run(*, tiles_per_side: int, replicas: int) -> None:
        (tmp_path / "m13.fits").write_bytes(IMAGE.read_bytes())
        tile_list = tmp_path / "tiles.json"
        tile_list.write_text(json.dumps({"image": "m13.fits", "tiles": tiles(300, tiles_per_side)}))
        monkeypatch.setenv("REPLICA_ID", "2")
        monkeypatch.setenv("REPLICA_COUNT", str(replicas))
        detect_stars.main(tile_list, tmp_path)

    return run


def test_a_replica_writes_the_catalogue_of_its_share(
    run_replica_2: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_replica_2(tiles_per_side=2, replicas=4)
    (catalogue,) = tmp_path.glob("*.ecsv")
    stars = Table.read(catalogue, format="ascii.ecsv")
    assert catalogue.name == "2.ecsv"
    assert set(stars["replica"]) == {2}
    assert min(stars["x"]) > 149.4, "the second tile is the lower right one"
    assert max(stars["y"]) < 149.6
    assert max(abs(stars["ra"] - 250.4226)) < 0.06, "M13 is at 16h 41m 41s"
    assert max(abs(stars["dec"] - 36.4602)) < 0.05, "+36 degrees 28 minutes"
    assert f"Replica 2: {len(stars)} stars." in capsys.readouterr().out


def test_a_replica_without_tiles_writes_nothing(
    run_replica_2: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_replica_2(tiles_per_side=1, replicas=2)
    assert list(tmp_path.glob("*.ecsv")) == []
    assert "nothing to do for this one" in capsys.readouterr().out


def test_parsing_the_dag_loads_no_astronomy(tmp_path: Path) -> None:
    """The dag-processor parses the file again and again."""
    program = (
        "import sys, find_stars\n"
        "heavy = {'astropy', 'numpy', 'photutils', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    parsed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "example_dags",
        env={"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert parsed.returncode == 0, parsed.stderr
