"""Detect the stars in one replica's share of the tiles of an image.

Every replica runs this same program. ``chunk`` gives each of them its share, by the variables REPLICA_ID and
REPLICA_COUNT that the platform's sessions have::

    python detect_stars.py tiles.json catalogues/

A star belongs to the tile that its centre is in. Tiles are cut out with a margin, so that no star is cut in
two, and with the background of the whole image taken off, so that a star looks the same from both sides of a
border. Together the tiles therefore hold what the whole image holds: nothing twice, and nothing left out.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.stats import SigmaClip
from astropy.table import Table, vstack
from astropy.wcs import WCS
from photutils.background import Background2D, MedianBackground
from photutils.detection import DAOStarFinder
from photutils.utils.exceptions import NoDetectionsWarning

from airflow_provider_canfar.replicas import chunk

#: The width of a star in this image, in pixels of one arc second: the median over its lone bright stars.
FWHM = 3.2

#: A star's peak stands this many times higher than the background's noise.
SIGNIFICANCE = 5.0

#: What is much sharper is a cosmic ray or a defect, what is much flatter a galaxy.
SHARPNESS = (0.3, 0.9)

#: How far beyond its border a tile is looked at, in pixels; three times the radius of the finder's kernel.
MARGIN = 12

#: The boxes in which the background is measured, in pixels: larger than a star, smaller than the cluster.
BACKGROUND_BOX = 50

Tile = tuple[int, int, int, int]


def without_background(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Take the sky off an image.

    Clipped at three sigma, box by box: in a globular cluster the stars themselves would shift a plain mean.

    :param image: counts per pixel.
    :return: the image above the sky, and the noise of the sky per pixel.
    """
    sky = Background2D(
        image,
        (BACKGROUND_BOX, BACKGROUND_BOX),
        filter_size=(3, 3),
        sigma_clip=SigmaClip(sigma=3.0),
        bkg_estimator=MedianBackground(),
    )
    return image - sky.background, float(sky.background_rms_median)


def stars_in(image: np.ndarray, noise: float, tile: Tile) -> Table:
    """Detect the stars whose centres are in one tile.

    :param image: the whole image above the sky.
    :param noise: of the sky, per pixel.
    :param tile: x and y of its first pixel, and of the first one beyond it.
    :return: a table of x, y, flux, mag (instrumental) and sharpness; x and y are pixels of the whole image.
    """
    x_first, y_first, x_end, y_end = tile
    left, bottom = max(x_first - MARGIN, 0), max(y_first - MARGIN, 0)
    cutout = image[bottom : y_end + MARGIN, left : x_end + MARGIN]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)  # an empty tile is an answer
        found = DAOStarFinder(fwhm=FWHM, threshold=SIGNIFICANCE * noise, min_separation=FWHM)(cutout)
    if found is None:
        return Table(names=("x", "y", "flux", "mag", "sharpness"))
    # photutils 3 has renamed the centroids.
    x_name, y_name = [name for name in found.colnames if name.endswith("centroid")]
    stars = Table(
        {
            "x": found[x_name] + left,
            "y": found[y_name] + bottom,
            "flux": found["flux"],
            "mag": found["mag"],
            "sharpness": found["sharpness"],
        }
    )
    inside = (x_first <= stars["x"] + 0.5) & (stars["x"] + 0.5 < x_end)
    inside &= (y_first <= stars["y"] + 0.5) & (stars["y"] + 0.5 < y_end)
    star_like = (SHARPNESS[0] < stars["sharpness"]) & (stars["sharpness"] < SHARPNESS[1])
    return stars[inside & star_like]


def main(tile_list: Path, catalogues: Path) -> None:
    """Write the catalogue of this replica's tiles."""
    replica = int(os.environ.get("REPLICA_ID", "1"))
    work = json.loads(tile_list.read_text())
    counts, header = fits.getdata(tile_list.parent / work["image"], header=True)
    image, noise = without_background(np.asarray(counts, dtype=float))
    tables = []
    for tile in chunk(work["tiles"]):
        stars = stars_in(image, noise, tuple(tile))
        print(f"x {tile[0]}-{tile[2]}, y {tile[1]}-{tile[3]}: {len(stars)} stars", flush=True)
        tables.append(stars)
    if not tables:
        print("There are fewer tiles than replicas: nothing to do here.")
        return
    catalogue = vstack(tables)
    catalogue["ra"], catalogue["dec"] = WCS(header).pixel_to_world_values(catalogue["x"], catalogue["y"])
    catalogue["replica"] = replica
    # Written beside its place and moved there: a reader, or a second try, never sees half of it.
    unfinished = catalogues / f".{replica}.ecsv"
    catalogue.write(unfinished, format="ascii.ecsv", overwrite=True)
    unfinished.replace(catalogues / f"{replica}.ecsv")
    print(f"Replica {replica}: {len(catalogue)} stars.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
