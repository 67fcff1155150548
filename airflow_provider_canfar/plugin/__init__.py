"""The tab *Sessions* in Airflow's pages: files for the browser, and what tells Airflow of them.

The page reads Airflow's own REST API with the reader's cookie. So it shows what that person may see, and it
holds no credential, neither Airflow's nor the platform's.
"""

from __future__ import annotations
