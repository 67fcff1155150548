"""What is odd in a session's events, and images that cannot be pulled."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from airflow_provider_canfar.emulator.faults.fault import Fault, check_choice, check_type

RESOLVE = 'failed to pull and unpack image "{image}": failed to resolve reference "{image}"'
STATUS = "unexpected status from HEAD request to https://{host}/v2/{repository}/manifests/{tag}"

PULL_REASONS = {
    # The registry's bad moment.
    "unavailable": f"rpc error: code = Unknown desc = {RESOLVE}: {STATUS}: 503 Service Unavailable",
    "too_many_requests": f"rpc error: code = Unknown desc = {RESOLVE}: {STATUS}: 429 Too Many Requests",
    "timeout": f"rpc error: code = Unknown desc = {RESOLVE}: failed to do request: "
    'Head "https://{host}/v2/{repository}/manifests/{tag}": dial tcp 192.0.2.1:443: i/o timeout',
    "quota": "pull QPS exceeded",
    # What no retry helps.
    "not_found": 'failed to pull and unpack image "{image}": not found',
    "manifest_unknown": "rpc error: code = Unknown desc = reading manifest {tag} in {host}/{repository}: "
    "manifest unknown: manifest unknown",
    "denied": f"rpc error: code = Unknown desc = {RESOLVE}: pull access denied, repository does not exist or "
    "may require authorization: server message: insufficient_scope: authorization failed",
    "unsupported_platform": 'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": '
    "no match for platform in manifest: not found",
    "invalid_name": 'couldn\'t parse image name "{image}": invalid reference format',
    "config_error": 'secret "{job}" not found',
}
"""Why a pull fails, in the kubelet's and the container runtime's words."""


@dataclass(kw_only=True)
class Pull(Fault):
    """Images cannot be pulled: sessions stay Pending, and their events say why.

    It affects sessions rather than requests: `rate` is the share of the sessions, `count` how many of them,
    and `method` and `path` mean nothing. A pull that fails goes on failing until the fault is switched off.

    :param image: a shell pattern of the images.
    :param reason: a registry's bad moment: ``unavailable`` (503), ``too_many_requests`` (429), ``timeout``,
        and ``quota``, the kubelet's own limit; or what no retry helps: ``not_found``, ``manifest_unknown``,
        ``denied``, ``invalid_name``, ``unsupported_platform``, and ``config_error``: the image is pulled, and
        the container cannot be created (CreateContainerConfigError, a word that no event contains).
    :param message: replaces the reason's text in the events.
    :param succeeds_after: seconds after which a pull succeeds; by default, it never does.
    """

    image: str = "*"
    reason: str = "not_found"
    message: str | None = None
    succeeds_after: float | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_choice("reason", self.reason, PULL_REASONS)
        check_type("image", self.image, str, "a shell pattern")
        check_type(
            "succeeds_after", self.succeeds_after, (int, float, type(None)), "a number of seconds or None"
        )

    def affects(self, image: str) -> bool:
        """Return whether it affects an image."""
        return fnmatchcase(image, self.image)

    def text(self, image: str, job: str) -> str:
        """Return why a pull fails.

        :param job: the name of the session's Job, which appears in some of the texts.
        """
        host, _, path = image.partition("/")
        repository, _, tag = path.partition(":")
        fields = {"image": image, "job": job, "host": host, "repository": repository, "tag": tag or "latest"}
        return self.message or PULL_REASONS[self.reason].format(**fields)


@dataclass(kw_only=True)
class EventFormat(Fault):
    r"""``view=events`` has another format.

    The server sends what kubectl prints, and even what it prints on standard error if it fails
    (*CommandExecutioner.execute*), so that the format is kubectl's and not the server's own.

    :param line_ending: ends each line, for example ``"\\r\\n"``.
    :param line_above: a line above the table's header, such as a warning of kubectl.
    :param column: the header of one more column.
    :param column_at: the place of that column: 0 is in front of TYPE, and 5 behind LAST-TIME.
    :param column_value: its value in each row.
    :param without_times: a shell pattern of reasons, whose rows end behind their message; ``*`` for all rows.
    """

    line_ending: str = "\n"
    line_above: str | None = None
    column: str | None = None
    column_at: int = 5
    column_value: str = "1"
    without_times: str | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("column_at", self.column_at, int, "a number of columns")
        for name in ("line_ending", "column_value"):
            check_type(name, getattr(self, name), str, "a text")
        for name in ("line_above", "column", "without_times"):
            check_type(name, getattr(self, name), (str, type(None)), "a text or None")
