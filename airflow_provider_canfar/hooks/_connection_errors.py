"""What is wrong with a connection, said to a person: which one it is, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.skaha.errors import SpecError

#: The page that describes the connection.
DOCUMENTATION = "https://github.com/canfar/airflow-provider-canfar/blob/main/docs/connection.md"


@contextmanager
def connection_errors(conn_id: str) -> Iterator[None]:
    """Let an error name the connection that is being read.

    :raises AirflowNotFoundException: for a connection that Airflow does not find.
    :raises SpecError: for one whose fields do not make a URL and a credential.
    """
    try:
        yield
    except SpecError as error:
        raise SpecError(f"{error}{in_connection(conn_id)}") from None
    except Exception as error:  # By its name: Airflow 3.1 has the class in another module.
        if type(error).__name__ != "AirflowNotFoundException":
            raise
        raise explained(type(error)(not_found(conn_id))) from None


def in_connection(conn_id: str) -> str:
    """Return the sentence that names the connection, as it follows on another.

    >>> in_connection("canfar_default")
    " This is in the connection 'canfar_default'."
    """
    return f" This is in the connection {conn_id!r}."


def not_found(conn_id: str) -> str:
    """Say that Airflow does not find a connection, and how to define it.

    Airflow also passes over one that it cannot parse.
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    if os.environ.get(variable):
        problem = f"Airflow cannot read the connection {conn_id!r}. Make {variable} JSON or a URI"
    else:
        problem = (
            f"The connection {conn_id!r} is not defined. Create it under Admin > Connections in Airflow, or "
            f"set the environment variable {variable} where the task runs. A script outside of a task sees "
            "only the variable"
        )
    # Airflow's page takes what touches an address for a part of it.
    return f"{problem}. See {DOCUMENTATION}"
