r"""Run a private image.

The connection has your user name and CLI secret for the image registry, which shows the secret in your
profile. Each launch sends them to the platform; they appear nowhere else:

    airflow connections add canfar_private --conn-type canfar --conn-password <token> \
        --conn-extra '{"registry_username": "<user>", "registry_secret": "<CLI secret>"}'

With such a connection the platform also accepts public images that it does not know yet, such as one that was
pushed minutes ago.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["canfar", "example"],
    params={"image": Param("images.canfar.net/my-project/my-image:1.0", type="string")},
)
def private_image() -> None:
    CanfarHeadlessOperator(
        task_id="run",
        canfar_conn_id="canfar_private",
        image="{{ params.image }}",
        command=["echo", "Hello from a private image"],
    )


private_image()
