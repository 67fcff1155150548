"""The CANFAR Science Platform (*skaha*) in Python: an async client that knows no Airflow.

.. code-block:: python

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.credentials import Token

    async with SkahaClient("https://ws-uv.canfar.net/skaha/v1", Token("...")) as client:
        ids = await client.create(name="stars", image="skaha/astroml:24.07", command=["python", "stars.py"])
        print(await client.info(ids))

What a task does about its sessions belongs in ``task_sessions``. This module imports nothing: DAG files
import :mod:`.errors` and :mod:`.naming` whenever they are parsed, and must not import httpx and pydantic
along with them.
"""

from __future__ import annotations
