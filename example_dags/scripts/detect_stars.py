"""Detect the stars in one replica's share of the tiles of an image.

Every replica runs this program. ``chunk`` gives each its share, according to the variables REPLICA_ID and
REPLICA_COUNT that the platform sets::

    python detect_stars.py tiles.json catalogues/

A star belongs to the tile that contains its centre. Each tile is cut out with a margin, so that no star is
cut in half, and after the background of the whole image has been subtracted, so that a star looks the same
from both sides of a border. Together the tiles therefore have exactly the stars of the whole image.
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

#: The width of a star in pixels (of one arc second): the median over the isolated bright stars of this image.
FWHM = 3.2

#: The minimum ratio of a star's peak to the noise of the background.
SIGNIFICANCE = 5.0

#: Sharper sources are cosmic rays or defects, flatter ones are galaxies.
SHARPNESS = (0.3, 0.9)

#: The margin around a tile, in pixels; three times the radius of the finder's kernel.
MARGIN = 12

#: The size of the boxes for the background estimate, in pixels: larger than a star, smaller than the cluster.
BACKGROUND_BOX = 50

Tile = tuple[int, int, int, int]


def without_background(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Subtract the sky from an image.

    The sky is the three-sigma-clipped background of each box: in a globular cluster, the stars would shift a
    plain mean.

    :param image: counts per pixel.
    :return: the image without the sky, and the noise of the sky per pixel.
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

    :param image: the whole image without the sky.
    :param noise: the noise of the sky per pixel.
    :param tile: x and y of its first pixel, and of the first pixel beyond it.
    :return: a table of x, y, flux, mag (instrumental) and sharpness; x and y are in pixels of the whole
        image.
    """
    x_first, y_first, x_end, y_end = tile
    left, bottom = max(x_first - MARGIN, 0), max(y_first - MARGIN, 0)
    cutout = image[bottom : y_end + MARGIN, left : x_end + MARGIN]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)  # a tile may be empty
        found = DAOStarFinder(fwhm=FWHM, threshold=SIGNIFICANCE * noise, min_separation=FWHM)(cutout)
    if found is None:
        return Table(names=("x", "y", "flux", "mag", "sharpness"))
    # photutils 3 renamed the centroid columns.
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
        print("There are fewer tiles than replicas: nothing to do for this one.")
        return
    catalogue = vstack(tables)
    catalogue["ra"], catalogue["dec"] = WCS(header).pixel_to_world_values(catalogue["x"], catalogue["y"])
    catalogue["replica"] = replica
    # Rename the complete file into place, so that a reader or a second try never sees a partial one.
    unfinished = catalogues / f".{replica}.ecsv"
    catalogue.write(unfinished, format="ascii.ecsv", overwrite=True)
    unfinished.replace(catalogues / f"{replica}.ecsv")
    print(f"Replica {replica}: {len(catalogue)} stars.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
