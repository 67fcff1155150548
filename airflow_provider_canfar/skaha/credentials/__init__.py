"""Who asks: each credential is an object that signs requests and knows when it ends."""

from __future__ import annotations

from airflow_provider_canfar.skaha.credentials.base import Authorization, Credential
from airflow_provider_canfar.skaha.credentials.certificate import Certificate
from airflow_provider_canfar.skaha.credentials.factory import credential_from_connection
from airflow_provider_canfar.skaha.credentials.login import Login, ProxyCertificate
from airflow_provider_canfar.skaha.credentials.oidc import OidcRefresh
from airflow_provider_canfar.skaha.credentials.registry import RegistryCredential
from airflow_provider_canfar.skaha.credentials.token import Token

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
