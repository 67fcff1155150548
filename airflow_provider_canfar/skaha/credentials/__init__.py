"""Credentials: each authenticates requests and knows when it expires.

How a request travels belongs in ``http``; which Airflow field holds what belongs in ``hooks``.
"""

from __future__ import annotations

from airflow_provider_canfar.skaha.credentials.certificate import Certificate
from airflow_provider_canfar.skaha.credentials.factory import credential_from_connection
from airflow_provider_canfar.skaha.credentials.login import Login, ProxyCertificate
from airflow_provider_canfar.skaha.credentials.oidc import OidcRefresh
from airflow_provider_canfar.skaha.credentials.registry import RegistryCredential
from airflow_provider_canfar.skaha.credentials.token import Token
from airflow_provider_canfar.skaha.http.authorization import Authorization, Credential

__all__ = [
    "Authorization",
    "Certificate",
    "Credential",
    "Login",
    "OidcRefresh",
    "ProxyCertificate",
    "RegistryCredential",
    "Token",
    "credential_from_connection",
]
