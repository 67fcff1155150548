"""The stars that the examples' own program finds in the image of M13, looked at in one piece.

How many there are depends on the release of photutils, so no test knows a number.
"""

from __future__ import annotations

from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import astropy
from astropy.io import fits

PROGRAM = Path(__file__).resolve().parent.parent / "example_dags" / "scripts" / "detect_stars.py"
IMAGE = Path(astropy.__file__).parent / "io/fits/hdu/compressed/tests/data/m13.fits"


@cache
def stars_of_m13() -> Any:
    """Return the program's table of them, of which there are some hundreds."""
    spec = spec_from_file_location("detect_stars", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    program = module_from_spec(spec)
    spec.loader.exec_module(program)
    image, noise = program.without_background(fits.getdata(IMAGE).astype(float))
    stars = program.stars_in(image, noise, (0, 0, *image.shape[::-1]))
    assert len(stars) > 400
    return stars
