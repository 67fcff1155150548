"""The server says no: a status and its own sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refusal(Exception):
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


def bad_request(sentence: str) -> Refusal:
    """Return what an IllegalArgumentException or UnsupportedOperationException becomes."""
    return Refusal(400, sentence)


def not_found(sentence: str) -> Refusal:
    """Return what a ResourceNotFoundException becomes."""
    return Refusal(404, sentence)


def unexpected(exception: str) -> Refusal:
    """Return what any exception becomes that the server does not expect.

    :param exception: the exception's *toString*: its class, a colon, its message.
    """
    return Refusal(500, f"unexpected exception: {exception}")


def busy(path: str, retry_after: float = 30) -> Refusal:
    """Return what a TransientException becomes.

    :param path: what the request was about, a session's id for example.
    :param retry_after: seconds; 30 is the server's default.
    """
    return Refusal(503, f"temporarily unavailable: {path}", {"Retry-After": f"{retry_after:g}"})


def job_not_found(job: str) -> Refusal:
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
