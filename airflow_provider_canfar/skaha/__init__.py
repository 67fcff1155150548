"""The CANFAR Science Platform (*skaha*) in Python: an async client that knows no Airflow.

.. code-block:: python

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.credentials import Token

    async with SkahaClient("https://ws-uv.canfar.net/skaha/v1", Token("...")) as client:
        ids = await client.create(name="stars", image="skaha/astroml:24.07", command=["python", "stars.py"])
        print(await client.info(ids))

This module imports nothing: :mod:`.errors` and :mod:`.naming` are read whenever a DAG file is parsed, and
must not bring httpx and pydantic along.
"""

from __future__ import annotations
