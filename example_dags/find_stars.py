"""Find the stars of the globular cluster M13 with eight sessions in parallel.

1. `list_tiles` divides the image into tiles, and uploads the input to a folder for this run.
2. `detect_stars` runs one program in eight sessions of the CANFAR Science Platform. Each processes its share
   of the tiles and writes a catalogue. While they run, the task is *deferred*: it occupies no worker slot.
3. `merge_catalogues` merges the catalogues, prints the brightest stars, and draws all of them.

The folder is in the platform's storage, in your own home there unless you choose another one. Sessions see
the storage as `/arc`; Airflow reaches it over the network, and mounts nothing.

The image of M13 comes with astropy; it is from the Digitized Sky Survey, via SkyView.
"""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath, Param, dag, get_current_context, task

from airflow_provider_canfar import replicas
from airflow_provider_canfar.fs.paths import container_path, home_path
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import Table
    from astropy.wcs import WCS

SCRIPT = Path(__file__).parent / "scripts" / "detect_stars.py"
REPLICAS = 8
TILES_PER_SIDE = 4
BRIGHTEST = 12


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["canfar", "example"],
    params={
        "folder": Param(
            None,
            type=["null", "string"],
            description="Such as arc://canfar_default@projects/stars; by default, find_stars in your home.",
        )
    },
)
def find_stars() -> None:
    @task
    def list_tiles() -> dict[str, str]:
        """Upload the image, the program and the list of tiles."""
        import astropy
        from astropy.io import fits

        context = get_current_context()
        chosen = context["params"]["folder"]
        folder = ObjectStoragePath(chosen) if chosen else home_path() / "find_stars"
        folder /= str(context["run_id"])
        (folder / "catalogues").mkdir(parents=True, exist_ok=True)
        image = Path(astropy.__file__).parent / "io/fits/hdu/compressed/tests/data/m13.fits"
        (folder / image.name).write_bytes(image.read_bytes())
        (folder / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
        # The container image may not have this package: upload the one file that the program uses.
        module = Path(replicas.__file__)
        (folder / module.parent.name / module.name).write_bytes(module.read_bytes())

        header = fits.getheader(image)
        columns = _cuts(header["NAXIS1"])
        rows = _cuts(header["NAXIS2"])
        tiles = [(x, y, x_end, y_end) for y, y_end in rows for x, x_end in columns]
        (folder / "tiles.json").write_text(json.dumps({"image": image.name, "tiles": tiles}))
        print(f"{len(tiles)} tiles for {REPLICAS} replicas, in {folder}")
        return {
            "folder": str(folder),
            "script": container_path(folder / SCRIPT.name),
            "tiles": container_path(folder / "tiles.json"),
            "catalogues": container_path(folder / "catalogues"),
        }

    @task
    def merge_catalogues(path: str) -> dict[str, Any]:
        """Merge the sessions' catalogues, print the brightest stars, and draw all of them."""
        from astropy.io import fits
        from astropy.table import Table, vstack
        from astropy.wcs import WCS

        folder = ObjectStoragePath(path)
        catalogues = (folder / "catalogues").glob("[0-9]*.ecsv")
        parts = [Table.read(one.read_text(), format="ascii.ecsv") for one in catalogues]
        stars = vstack(parts, metadata_conflicts="silent")
        stars.sort("flux", reverse=True)
        stars.add_column(range(1, len(stars) + 1), name="id", index=0)
        with (folder / "stars.ecsv").open("w") as catalogue:
            stars.write(catalogue, format="ascii.ecsv")

        work = json.loads((folder / "tiles.json").read_text())
        image, header = fits.getdata(io.BytesIO((folder / work["image"]).read_bytes()), header=True)
        with (folder / "stars.png").open("wb") as picture:
            draw(image, WCS(header), stars, work["tiles"], picture)

        table = _brightest(stars)
        print(table)
        return {
            "stars": len(stars),
            "table": table,
            "catalogue": str(folder / "stars.ecsv"),
            "picture": str(folder / "stars.png"),
        }

    work: Any = list_tiles()  # Airflow does not type the items of an output
    detect_stars = CanfarHeadlessOperator(
        task_id="detect_stars",
        name="find-stars",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["python", work["script"], work["tiles"], work["catalogues"]],
        env={"OMP_NUM_THREADS": "1"},
        replicas=REPLICAS,
        deferrable=True,
        poll_interval=2,
    )
    detect_stars >> merge_catalogues(work["folder"])


def _cuts(pixels: int) -> list[tuple[int, int]]:
    """Divide an axis into tiles, and return the first pixel of each and the first pixel beyond it."""
    edges = [pixels * edge // TILES_PER_SIDE for edge in range(TILES_PER_SIDE + 1)]
    return list(pairwise(edges))


def _brightest(stars: Table) -> str:
    """Format the brightest stars as a table."""
    table = stars["id", "x", "y", "flux", "mag", "ra", "dec", "replica"][:BRIGHTEST]
    for name, form in {
        "x": ".2f",
        "y": ".2f",
        "flux": ".0f",
        "mag": ".2f",
        "ra": ".5f",
        "dec": ".5f",
    }.items():
        table[name].info.format = form
    return "\n".join(table.pformat(max_lines=-1, max_width=-1))


def draw(image: np.ndarray, wcs: WCS, stars: Table, tiles: list[list[int]], picture: IO[bytes]) -> None:
    """Draw the image with a circle around each star, in the colour of the replica that found it."""
    import matplotlib as mpl
    import numpy as np
    from astropy.visualization import AsinhStretch, ImageNormalize, PercentileInterval
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 7), dpi=120)
    axes = figure.add_subplot(projection=wcs)
    norm = ImageNormalize(image, interval=PercentileInterval(99.5), stretch=AsinhStretch(0.05))
    axes.imshow(image, origin="lower", cmap="gray", norm=norm)
    for x, y, x_end, y_end in tiles:
        corners = np.array([(x, y), (x_end, y), (x_end, y_end), (x, y_end), (x, y)]) - 0.5
        axes.plot(*corners.T, color="white", alpha=0.18, linewidth=0.6)
    # As on a photographic plate, the area of a circle grows linearly with decreasing magnitude.
    sizes = 14 + 16 * (np.max(stars["mag"]) - np.asarray(stars["mag"]))
    colors = mpl.colormaps["Set2"](np.asarray(stars["replica"]) - 1)
    axes.scatter(stars["x"], stars["y"], s=sizes, facecolors="none", edgecolors=colors, linewidths=0.9)
    axes.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(-0.5, image.shape[0] - 0.5))
    axes.coords[0].set_axislabel("Right ascension")
    axes.coords[1].set_axislabel("Declination")
    sessions = len(set(stars["replica"]))
    axes.set_title(
        f"M13: {len(stars)} stars in {len(tiles)} tiles, found by {sessions} sessions, a colour each"
    )
    figure.savefig(picture, format="png", bbox_inches="tight")


find_stars()
