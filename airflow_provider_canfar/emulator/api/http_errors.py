"""The server says no: a status and its own sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class HttpError(Exception):
    """An answer other than 200, as *RestAction.run* of the server's REST library makes it of an exception.

    :param status: the HTTP status.
    :param sentence: the body, without the line feed that the server adds.
    :param headers: headers of the answer beside its content type.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})


def bad_request(sentence: str) -> HttpError:
    """Return what an IllegalArgumentException or UnsupportedOperationException becomes."""
    return HttpError(400, sentence)


def not_found(sentence: str) -> HttpError:
    """Return what a ResourceNotFoundException becomes."""
    return HttpError(404, sentence)


def unexpected(exception: str) -> HttpError:
    """Return what any exception becomes that the server does not expect.

    :param exception: the exception's *toString*: its class, a colon, its message.
    """
    return HttpError(500, f"unexpected exception: {exception}")


def busy(path: str, retry_after: float = 30) -> HttpError:
    """Return what a TransientException becomes.

    :param path: what the request was about, a session's id for example.
    :param retry_after: seconds; 30 is the server's default.
    """
    return HttpError(503, f"temporarily unavailable: {path}", {"Retry-After": f"{retry_after:g}"})


def job_not_found(job: str) -> HttpError:
    """Return what the server says when kubectl did not create the Job.

    *PostAction.createSession* does not look at the exit status of ``kubectl create``; reading the Job back
    (*SessionDAO.getJob*) then fails, with this.

    :param job: the name of the Job in Kubernetes.
    """
    body = (
        '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        f'"message":"jobs.batch \\"{job}\\" not found","reason":"NotFound",'
        f'"details":{{"name":"{job}","group":"batch","kind":"jobs"}},"code":404}}'
    )
    return unexpected(
        "java.lang.RuntimeException: io.kubernetes.client.openapi.ApiException: "
        f"Message: \nHTTP response code: 404\nHTTP response body: {body}"
    )
