"""Find the stars of M13 like `find_stars`, but with a Python function instead of a program.

1. `list_tiles` divides the image into tiles, and uploads the input to a folder for this run.
2. `detect_stars` is a Python function that runs in eight sessions of the CANFAR Science Platform. Each
   processes its share of the tiles and *returns* its stars. The task returns the list of the eight results.
3. `brightest` merges the stars, and prints the brightest.

Only the function's source and its arguments are sent to a session, so the function imports everything it
needs. Here that includes our own module, the program of `find_stars`, from the folder. The folder is in the
platform's storage, in your own home there unless you choose another one: sessions see it below `/arc`, and
Airflow reaches it over the network.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from airflow.sdk import ObjectStoragePath, Param, dag, get_current_context, task

from airflow_provider_canfar import replicas
from airflow_provider_canfar.fs.paths import container_path, home_path
from airflow_provider_canfar.replicas import chunk  # Only for type checkers.

SCRIPT = Path(__file__).parent / "scripts" / "detect_stars.py"
TILES_PER_SIDE = 4
BRIGHTEST = 12
FOLDER = Param(
    default=None,
    description="Such as arc://canfar_default@projects/stars; by default, find_stars in your home.",
    type=["null", "string"],
)


@dag(schedule=None, doc_md=__doc__, tags=["canfar", "example"], params={"folder": FOLDER})
def find_stars_taskflow() -> None:
    @task
    def list_tiles() -> dict[str, Any]:
        """Upload the image and the module, and list the tiles."""
        import astropy
        from astropy.io import fits

        context = get_current_context()
        chosen = context["params"]["folder"]
        folder = ObjectStoragePath(chosen) if chosen else home_path() / "find_stars"
        folder /= str(context["run_id"])
        (folder / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
        # The module uses one file of this package, which the container image may not have.
        used = Path(replicas.__file__)
        (folder / used.parent.name / used.name).write_bytes(used.read_bytes())
        image = Path(astropy.__file__).parent / "io/fits/hdu/compressed/tests/data/m13.fits"
        (folder / image.name).write_bytes(image.read_bytes())

        header = fits.getheader(image)
        columns, rows = _cuts(header["NAXIS1"]), _cuts(header["NAXIS2"])
        tiles = [(x, y, x_end, y_end) for y, y_end in rows for x, x_end in columns]
        inside = container_path(folder)
        return {"folder": inside, "image": f"{inside}/{image.name}", "tiles": tiles}

    @task.canfar(
        image="images.canfar.net/skaha/astroml:24.07",
        name="find-stars",
        replicas=8,
        env={"OMP_NUM_THREADS": "1"},
        poll_interval=2,
    )
    def detect_stars(folder: str, image: str, tiles: list[list[int]]) -> list[dict[str, float]]:
        """Detect the stars in this replica's share of the tiles."""
        import sys

        import numpy as np
        from astropy.io import fits
        from astropy.wcs import WCS

        sys.path.insert(0, folder)
        from detect_stars import stars_in, without_background

        counts, header = fits.getdata(image, header=True)
        above_sky, noise = without_background(np.asarray(counts, dtype=float))
        found = []
        for tile in chunk(tiles):
            stars = stars_in(above_sky, noise, tuple(tile))
            print(f"x {tile[0]}-{tile[2]}, y {tile[1]}-{tile[3]}: {len(stars)} stars")
            stars["ra"], stars["dec"] = WCS(header).pixel_to_world_values(stars["x"], stars["y"])
            found += [{name: float(star[name]) for name in stars.colnames} for star in stars]
        return found

    @task
    def brightest(found: list[list[dict[str, float]]]) -> dict[str, Any]:
        """Print the brightest stars of all sessions."""
        from astropy.table import Table

        rows = [star | {"replica": replica} for replica, part in enumerate(found, 1) for star in part]
        stars = Table(rows=sorted(rows, key=lambda star: -star["flux"]))
        stars.add_column(range(1, len(stars) + 1), name="id", index=0)
        shown = stars["id", "x", "y", "flux", "mag", "ra", "dec", "replica"][:BRIGHTEST]
        for name, form in {"flux": ".0f", "ra": ".5f", "dec": ".5f"}.items():
            shown[name].info.format = form
        for name in ("x", "y", "mag"):
            shown[name].info.format = ".2f"
        table = "\n".join(shown.pformat(max_lines=-1, max_width=-1))
        print(table)
        return {"stars": len(stars), "table": table}

    work: Any = list_tiles()  # Airflow does not type the items of an output
    found: Any = detect_stars(work["folder"], work["image"], work["tiles"])
    brightest(found)


def _cuts(pixels: int) -> list[tuple[int, int]]:
    """Divide an axis into tiles, and return the first pixel of each and the first pixel beyond it."""
    edges = [pixels * edge // TILES_PER_SIDE for edge in range(TILES_PER_SIDE + 1)]
    return list(pairwise(edges))


find_stars_taskflow()
