"""Find the stars of the globular cluster M13 with eight sessions in parallel.

1. `list_tiles` divides the image into tiles, and copies the input into a folder for this run.
2. `detect_stars` runs one program in eight sessions of the CANFAR Science Platform. Each processes its share
of the
   tiles and writes a catalogue. While they run, the task is *deferred*: it occupies no worker slot.
3. `merge_catalogues` merges the catalogues, prints the brightest stars, and draws all of them.

Both Airflow and the sessions must be able to access the folder. On the platform, choose one below `/arc`.
With the emulator, whose sessions are processes of this machine, any folder works.

The image of M13 comes with astropy; it is from the Digitized Sky Survey, via SkyView.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param, dag, get_current_context, task

from airflow_provider_canfar import replicas
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
            str(Path(tempfile.gettempdir()) / "find_stars"),
            type="string",
            description="A folder that both Airflow and the sessions can access; on CANFAR one below /arc.",
        )
    },
)
def find_stars() -> None:
    @task
    def list_tiles() -> dict[str, str]:
        """Write the image, the program and the list of tiles to the folder."""
        import astropy
        from astropy.io import fits

        context = get_current_context()
        folder = Path(context["params"]["folder"]) / str(context["run_id"])
        catalogues = folder / "catalogues"
        catalogues.mkdir(parents=True, exist_ok=True)
        image = Path(astropy.__file__).parent / "io/fits/hdu/compressed/tests/data/m13.fits"
        shutil.copy(image, folder)
        script = shutil.copy(SCRIPT, folder)
        # The container image may not have this package: copy the one file that the program uses.
        package = folder / replicas.__name__.partition(".")[0]
        package.mkdir(exist_ok=True)
        shutil.copy(replicas.__file__, package)

        header = fits.getheader(image)
        columns = _cuts(header["NAXIS1"])
        rows = _cuts(header["NAXIS2"])
        tiles = [(x, y, x_end, y_end) for y, y_end in rows for x, x_end in columns]
        tile_list = folder / "tiles.json"
        tile_list.write_text(json.dumps({"image": image.name, "tiles": tiles}))
        print(f"{len(tiles)} tiles for {REPLICAS} replicas, in {folder}")
        return {"script": str(script), "tiles": str(tile_list), "catalogues": str(catalogues)}

    @task
    def merge_catalogues(tiles: str, catalogues: str) -> dict[str, Any]:
        """Merge the sessions' catalogues, print the brightest stars, and draw all of them."""
        from astropy.io import fits
        from astropy.table import Table, vstack
        from astropy.wcs import WCS

        parts = [Table.read(path, format="ascii.ecsv") for path in Path(catalogues).glob("*.ecsv")]
        stars = vstack(parts, metadata_conflicts="silent")
        stars.sort("flux", reverse=True)
        stars.add_column(range(1, len(stars) + 1), name="id", index=0)
        folder = Path(tiles).parent
        stars.write(folder / "stars.ecsv", format="ascii.ecsv", overwrite=True)

        work = json.loads(Path(tiles).read_text())
        image, header = fits.getdata(folder / work["image"], header=True)
        picture = folder / "stars.png"
        draw(image, WCS(header), stars, work["tiles"], picture)

        table = _brightest(stars)
        print(table)
        return {
            "stars": len(stars),
            "table": table,
            "catalogue": str(folder / "stars.ecsv"),
            "picture": str(picture),
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
    detect_stars >> merge_catalogues(work["tiles"], work["catalogues"])


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


def draw(image: np.ndarray, wcs: WCS, stars: Table, tiles: list[list[int]], picture: Path) -> None:
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
    figure.savefig(picture, bbox_inches="tight")


find_stars()
