"""The server's error responses: a status and the server's own sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_canfar.emulator.job_pipeline.java import JavaError

BAD_REQUESTS = ("java.lang.IllegalArgumentException", "java.lang.NumberFormatException")
"""IllegalArgumentException and those of its subclasses that occur here."""


class HttpError(Exception):
    """An error response, as *RestAction.run* of the server's REST library makes of an exception.

    :param status: the HTTP status.
    :param sentence: the body, without the line feed that the server appends.
    :param headers: the response's headers in addition to its content type.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})


def bad_request(sentence: str) -> HttpError:
    """Return the response to an IllegalArgumentException or UnsupportedOperationException."""
    return HttpError(400, sentence)


def not_found(sentence: str) -> HttpError:
    """Return the response to a ResourceNotFoundException."""
    return HttpError(404, sentence)


def session_not_found(session_id: str) -> HttpError:
    """Return the response for an unknown session (*SessionDAO.getUserSession*)."""
    return not_found(f"session {session_id} not found")


def internal_error(exception: str) -> HttpError:
    """Return the response to any other exception.

    :param exception: the exception's *toString*: its class, a colon, its message.
    """
    return HttpError(500, f"unexpected exception: {exception}")


def from_java_error(error: JavaError) -> HttpError:
    """Return the response to an exception that the server throws (*RestAction.run*)."""
    return bad_request(error.message) if error.kind in BAD_REQUESTS else internal_error(str(error))


def service_unavailable(path: str, headers: Mapping[str, str]) -> HttpError:
    """Return the response to a TransientException.

    :param path: the subject of the request, for example a session's id.
    :param headers: with ``Retry-After``.
    """
    return HttpError(503, f"temporarily unavailable: {path}", headers)


def job_not_found(job: str) -> HttpError:
    """Return the response when kubectl did not create the Job.

    *PostAction.createSession* ignores the exit status of ``kubectl create``; reading the Job back
    (*SessionDAO.getJob*) then fails with this message.

    :param job: the name of the Job in Kubernetes.
    """
    body = (
        '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        f'"message":"jobs.batch \\"{job}\\" not found","reason":"NotFound",'
        f'"details":{{"name":"{job}","group":"batch","kind":"jobs"}},"code":404}}'
    )
    return internal_error(
        "java.lang.RuntimeException: io.kubernetes.client.openapi.ApiException: "
        f"Message: \nHTTP response code: 404\nHTTP response body: {body}"
    )
