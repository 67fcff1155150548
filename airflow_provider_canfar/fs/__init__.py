"""The platform's storage as a file system: ``arc://`` paths for Airflow's ``ObjectStoragePath``, and assets.

The client is in ``skaha/storage``; here it meets Airflow and fsspec, whose calls are blocking.
"""
