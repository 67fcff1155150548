"""The error words of VOSpace, which begin a response's body (*NodeFault*)."""

from __future__ import annotations

from airflow_provider_canfar.emulator.api.http_errors import HttpError

STATUSES = {
    "ContainerNotFound": 404,
    "DuplicateNode": 409,
    "InvalidArgument": 400,
    "InvalidURI": 400,
    "NodeNotFound": 404,
    "OptionNotSupported": 400,
    "PermissionDenied": 403,
    "TypeNotSupported": 400,
    "UnreadableLinkTarget": 404,
}


def node_fault(word: str, sentence: str) -> HttpError:
    """Return the error response of a fault (*NodeFault.getStatus*, *RestAction.run*).

    :param word: one of :data:`STATUSES`.
    """
    return HttpError(STATUSES[word], f"{word}: {sentence}")
