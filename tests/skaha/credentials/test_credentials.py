"""Tokens, logins and refresh tokens. Certificates have a file of their own."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from uuid import uuid4

import httpx
import pytest

from airflow_provider_canfar.skaha.credentials import (
    Authorization,
    Certificate,
    Credential,
    Login,
    OidcRefresh,
    ProxyCertificate,
    RegistryCredential,
    Token,
    credential_from_connection,
)
from airflow_provider_canfar.skaha.credentials.expiry import expiry_of
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    CanfarError,
    Rejected,
    RequestError,
    ServerError,
    ServiceBusy,
    SpecError,
    Unreachable,
)

if TYPE_CHECKING:
    from tests.skaha.conftest import Serve

NOW = datetime(2026, 2, 11, 7, 30, tzinfo=UTC)
LOGIN_URL = "https://login.test/ac/login"
TOKEN_URL = "https://iam.test/token"


def cadc_token(expires: datetime, user: str = "mcurie") -> str:
    """Return a token as CADC's login does: base64 of its fields, without a valid signature."""
    expirytime = int(expires.timestamp() * 1000)
    fields = f"expirytime={expirytime}&userid={user}&domain=canfar.net&signature={uuid4().hex}"
    return base64.b64encode(fields.encode()).decode()


def jwt(expires: datetime) -> str:
    parts = ({"alg": "none"}, {"exp": int(expires.timestamp()), "sub": "mcurie"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "signature"])


class Service:
    """A granting service: it sends its responses in turn, and the last one again and again."""

    def __init__(self, *responses: httpx.Response | Exception) -> None:
        self.responses = list(responses)
        self.requests: list[httpx.Request] = []
        self.now = NOW
        self.received = asyncio.Event()

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._respond)

    def clock(self) -> datetime:
        return self.now

    async def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.received.set()
        await asyncio.sleep(0.01)  # Long enough for other callers to wait as well.
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        if isinstance(response, Exception):
            raise response
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    def form(self, number: int = -1) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.requests[number].content.decode()).items()}


def login(service: Service, username: str | None = None) -> Login:
    """Return a login that no other test shares a grant with."""
    user = username or f"mcurie-{uuid4().hex}"
    return Login(user, "radium", LOGIN_URL, transport=service.transport, clock=service.clock)


def oidc(service: Service, refresh_token: str | None = None, **options: Any) -> OidcRefresh:
    return OidcRefresh(
        "a-client",
        SECRET,
        refresh_token or uuid4().hex,
        TOKEN_URL,
        transport=service.transport,
        clock=service.clock,
        **options,
    )


#: The client's secret, and the header that contains it.
SECRET = "its secret&"
BASIC = base64.b64encode(b"a-client:its%20secret%26").decode()


def tokens(access_token: str, **more: object) -> httpx.Response:
    return httpx.Response(200, json={"access_token": access_token, "expires_in": 3600} | more)


def shown(authorization: Authorization) -> str:
    return authorization.headers["Authorization"]


# A token.


async def test_a_token_is_sent_as_it_is_and_cannot_be_refreshed() -> None:
    token = Token(" a-token\n")
    authorization = await token.authorize()
    assert authorization.headers == {"Authorization": "Bearer a-token"}
    assert not await token.refresh(authorization)


@pytest.mark.parametrize("text", ["", "  ", "two words", "Bearer x", "a\nb", "é"])
def test_an_invalid_token_is_rejected_without_being_shown(text: str) -> None:
    with pytest.raises(SpecError) as rejection:
        Token(text)
    assert repr(text) not in str(rejection.value)


@pytest.mark.parametrize("make", [cadc_token, jwt])
def test_the_expiry_of_a_token_is_parsed_from_it(make: Callable[[datetime], str]) -> None:
    assert Token(make(NOW)).expires_at == NOW
    assert str(NOW) in repr(Token(make(NOW)))


@pytest.mark.parametrize(
    "text", ["a-token", "a.b.c", "e30.e30.e30", base64.b64encode(b"x=1").decode(), "%%%"]
)
def test_a_token_without_an_expiry_is_accepted(text: str) -> None:
    assert expiry_of(text) is None


# A login.


async def test_a_login_is_exchanged_for_a_token_once() -> None:
    token = cadc_token(NOW + timedelta(hours=48))
    service = Service(httpx.Response(200, text=token))
    credential = login(service, "mcurie")
    assert credential.expires_at is None
    for _ in range(3):
        assert shown(await credential.authorize()) == f"Bearer {token}"
    (request,) = service.requests
    assert (request.method, str(request.url)) == ("POST", LOGIN_URL)
    assert service.form() == {"username": "mcurie", "password": "radium"}
    assert credential.expires_at == NOW + timedelta(hours=48)


async def test_a_login_is_repeated_before_its_token_expires() -> None:
    service = Service(
        *(httpx.Response(200, text=cadc_token(NOW + timedelta(hours=hours))) for hours in (48, 96))
    )
    credential = login(service)
    first = await credential.authorize()
    service.now = NOW + timedelta(hours=47, minutes=50)
    assert await credential.authorize() is first
    service.now = NOW + timedelta(hours=47, minutes=56)
    assert await credential.authorize() is not first
    assert len(service.requests) == 2


async def test_a_short_lived_token_is_not_fetched_for_each_request() -> None:
    service = Service(httpx.Response(200, text=cadc_token(NOW + timedelta(minutes=4))))
    credential = login(service)
    for _ in range(3):
        await credential.authorize()
    assert len(service.requests) == 1


async def test_a_hundred_refused_callers_share_one_fetch() -> None:
    service = Service(*(httpx.Response(200, text=f"token-{number}") for number in (1, 2, 3)))
    credential = login(service)
    rejected = await credential.authorize()
    assert all(await asyncio.gather(*(credential.refresh(rejected) for _ in range(100))))
    assert shown(await credential.authorize()) == "Bearer token-2"
    assert await credential.refresh(rejected), "another has been fetched since"
    assert len(service.requests) == 2


async def test_two_clients_of_one_account_share_a_grant() -> None:
    service = Service(httpx.Response(200, text="a-token"))
    user = uuid4().hex
    first, second = (login(service, user) for _ in range(2))
    assert await first.authorize() is await second.authorize()
    assert len(service.requests) == 1


def test_event_loops_in_several_threads_share_one_fetch() -> None:
    """Each sync call of a hook has an event loop of its own."""
    service = Service(httpx.Response(200, text="a-token"))
    user = uuid4().hex
    start = threading.Barrier(4)
    headers: list[str] = []

    def use() -> None:
        start.wait()
        headers.append(shown(asyncio.run(login(service, user).authorize())))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert headers == ["Bearer a-token"] * 4
    assert len(service.requests) == 1


async def test_a_cancelled_caller_does_not_cost_the_others_their_token() -> None:
    service = Service(httpx.Response(200, text="a-token"))
    credential = login(service)
    first, second = (asyncio.create_task(credential.authorize()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert shown(await second) == "Bearer a-token"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(service.requests) == 1


def test_a_fetch_whose_event_loop_has_closed_starts_again_for_another_caller() -> None:
    service = Service(httpx.Response(200, text="a-token"))
    user = uuid4().hex

    async def give_up() -> None:
        caller = asyncio.create_task(login(service, user).authorize())
        await service.received.wait()
        caller.cancel()

    asyncio.run(give_up())
    assert shown(asyncio.run(login(service, user).authorize())) == "Bearer a-token"


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_the_error_about_a_refused_login_names_a_way_out_and_no_field(status: int) -> None:
    service = Service(httpx.Response(status, text="Invalid username or password"))
    with pytest.raises(AuthenticationError, match="Correct the user name and the password") as rejection:
        await login(service, f"mcurie-{status}").authorize()
    assert LOGIN_URL in str(rejection.value)
    assert f"mcurie-{status}" not in str(rejection.value), "it may be the password, in the wrong field"
    assert "Invalid username or password" in str(rejection.value)
    assert "radium" not in str(rejection.value)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(503, headers={"Retry-After": "30"}), ServiceBusy),
        (httpx.Response(500, text="Internal Server Error: ..."), ServerError),
        (httpx.Response(404, text="no such page"), ServerError),
        (httpx.Response(200, text="<p>Sign in</p>", headers={"Content-Type": "text/html"}), ServerError),
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ReadTimeout(""), Unreachable),
    ],
)
async def test_a_failing_login_service_is_retryable_and_no_session_was_created(
    response: httpx.Response | Exception, kind: type[RequestError]
) -> None:
    """The platform itself has not received anything yet, whatever happened to the login."""
    with pytest.raises(kind, match=r"login\.test|/ac/login") as raised:
        await login(Service(response)).authorize()
    assert raised.value.retryable
    assert not raised.value.maybe_applied


@pytest.mark.parametrize("text", ["", "canary two words", '{"token": "canary"}'])
async def test_a_response_without_a_token_is_not_shown(text: str) -> None:
    with pytest.raises(ServerError, match="does not contain") as raised:
        await login(Service(httpx.Response(200, text=text))).authorize()
    assert "canary" not in str(raised.value)


async def test_a_failed_fetch_is_repeated_for_the_next_caller() -> None:
    service = Service(httpx.ConnectError("refused"), httpx.Response(200, text="a-token"))
    credential = login(service)
    with pytest.raises(Unreachable):
        await credential.authorize()
    assert shown(await credential.authorize()) == "Bearer a-token"


# A refresh token.


async def test_a_refresh_token_is_exchanged_with_the_secret_in_a_header() -> None:
    service = Service(tokens("access-1"))
    configured = uuid4().hex
    credential = oidc(service, configured)
    assert shown(await credential.authorize()) == "Bearer access-1"
    assert service.form() == {"grant_type": "refresh_token", "refresh_token": configured}
    pair = base64.b64decode(service.requests[0].headers["Authorization"].removeprefix("Basic "))
    assert pair == b"a-client:its%20secret%26"
    assert credential.expires_at == NOW + timedelta(hours=1)


async def test_a_refresh_token_is_exchanged_with_the_secret_in_the_form() -> None:
    service = Service(tokens("access-1"))
    await oidc(service, client_auth="client_secret_post").authorize()
    assert service.form()["client_id"] == "a-client"
    assert service.form()["client_secret"] == "its secret&"
    assert "Authorization" not in service.requests[0].headers


async def test_a_rotated_refresh_token_is_used_by_the_whole_process() -> None:
    service = Service(
        tokens("access-1", refresh_token="second"),
        tokens("access-2"),
        tokens("access-3", refresh_token="fourth"),
    )
    configured = uuid4().hex
    first = await oidc(service, configured).authorize()
    await oidc(service, configured).refresh(first)
    another = oidc(service, configured)
    await another.refresh(await another.authorize())
    assert [service.form(number)["refresh_token"] for number in range(3)] == [configured, "second", "second"]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "invalid_grant", "used up by another process"),
        (401, "invalid_client", "id or secret is wrong"),
        (400, "unsupported_grant_type", "unsupported_grant_type"),
    ],
)
async def test_a_refused_refresh_token_is_explained(status: int, code: str, message: str) -> None:
    service = Service(httpx.Response(status, text=f'{{\n  "error": "{code}"\n}}'))
    configured = uuid4().hex
    with pytest.raises(AuthenticationError, match="Log in again") as rejection:
        await oidc(service, configured).authorize()
    assert message in str(rejection.value)
    assert configured not in str(rejection.value)


@pytest.mark.parametrize("client_auth", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_that_the_service_repeats_is_masked(client_auth: str) -> None:
    """SKA IAM repeats the token (MITREid's DefaultOAuth2ProviderTokenService), others the rest."""
    configured = uuid4().hex
    repeated = f"Invalid refresh token: {configured} {SECRET} {BASIC}"
    service = Service(
        httpx.Response(401, json={"error": "invalid_token", "error_description": repeated}),
        httpx.Response(500, text=repeated),
        httpx.Response(200, text=repeated, headers={"Content-Type": "text/html"}),
    )
    credential = oidc(service, configured, client_auth=client_auth)
    for words in ("was used up by another process", "Invalid refresh token: ***", "***"):
        with pytest.raises(RequestError, match=re.escape(words)) as rejection:
            await credential.authorize()
        text = "".join(traceback.format_exception(rejection.value))
        for secret in (configured, SECRET, *([BASIC] if client_auth == "client_secret_basic" else [])):
            assert secret not in text + rejection.value.server_message


async def test_a_password_that_the_login_repeats_is_masked() -> None:
    service = Service(httpx.Response(401, text="no user mcurie with the password radium"))
    with pytest.raises(AuthenticationError, match=r"with the password \*\*\*") as rejection:
        await login(service).authorize()
    assert "radium" not in "".join(traceback.format_exception(rejection.value))


async def test_the_error_about_a_redirected_login_is_about_its_url_and_not_its_password() -> None:
    service = Service(httpx.Response(301, headers={"Location": "https://login.test/ac2/login"}))
    with pytest.raises(Rejected, match=r"Is https://login\.test right") as rejection:
        await login(service).authorize()
    assert "Correct the user name" not in str(rejection.value)
    assert len(service.requests) == 1


async def test_a_login_on_this_machine_bypasses_the_proxy_of_the_environment(
    serve: Serve, raw: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy would see the password in plain text."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve(lambda *_: raw(200, "a-token")) as url:
        assert shown(await Login(uuid4().hex, "radium", f"{url}/login").authorize()) == "Bearer a-token"


@pytest.mark.parametrize(
    "response",
    [httpx.Response(200, json={"token": "canary"}), httpx.Response(200, text="canary"), tokens("é")],
)
async def test_a_response_without_an_access_token_is_not_shown(response: httpx.Response) -> None:
    with pytest.raises(ServerError, match="does not contain") as raised:
        await oidc(Service(response)).authorize()
    assert "canary" not in str(raised.value)


async def test_an_access_token_without_a_lifetime_may_contain_its_expiry() -> None:
    credential = oidc(Service(tokens(jwt(NOW + timedelta(minutes=20)), expires_in=None)))
    await credential.authorize()
    assert credential.expires_at == NOW + timedelta(minutes=20)


# Choosing the credential.


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"password": "a-token"}, Token),
        ({"login": "mcurie", "password": "radium"}, Login),
        ({"login": "mcurie", "password": "radium", "extra": {"login_url": LOGIN_URL}}, Login),
        (
            {
                "login": "mcurie",
                "password": "radium",
                "extra": {"certificate_url": "https://cred.test/generate"},
            },
            ProxyCertificate,
        ),
        ({"extra": {"certificate": "~/.ssl/cadcproxy.pem"}}, Certificate),
        (
            {"login": "", "password": None, "extra": {"proxy_certificate": "-----BEGIN CERTIFICATE-----"}},
            Certificate,
        ),
        ({"extra": {"client_id": "a", "client_secret": "b", "refresh_token": "c", "else": 7}}, OidcRefresh),
    ],
)
def test_the_credential_is_chosen_by_the_given_fields(fields: dict[str, Any], kind: type[Credential]) -> None:
    assert type(credential_from_connection(**fields)) is kind


USER: dict[str, Any] = {"login": "mcurie", "password": "canary"}
REFRESH_TOKEN: dict[str, Any] = {
    "extra": {"client_id": "a", "client_secret": "canary", "refresh_token": "canary"}
}
OWN_HOSTS = ["canfar.net", "ws-uv.canfar.net", "SRC.canfar.net", "ws-uv.canfar.net.", "ws-uv.canfar.net:443"]
OTHER_HOSTS = ["127.0.0.1:8199", "skaha.test", "not-canfar.net", "canfar.net.evil.test", "canfar.test"]


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_canfar_s_own_hosts_have_a_default_for_where_to_log_in(host: str) -> None:
    platform = f"https://{host}/skaha/v1"
    assert "ws-cadc.canfar.net" in repr(credential_from_connection(**USER, platform=platform))
    assert "ska-iam.stfc.ac.uk" in repr(credential_from_connection(**REFRESH_TOKEN, platform=platform))


@pytest.mark.parametrize("host", OTHER_HOSTS)
@pytest.mark.parametrize(
    ("fields", "field"), [(USER, "login_url"), (REFRESH_TOKEN, "oidc_url")], ids=["login", "oidc"]
)
def test_the_credential_of_another_site_goes_to_no_default_login(
    host: str, fields: dict[str, Any], field: str
) -> None:
    """Else the password of any site would go to CADC."""
    platform = f"https://{host}/skaha/v1"
    with pytest.raises(SpecError, match=rf"Missing {field}: .* Give as {field} ") as refusal:
        credential_from_connection(**fields, platform=platform)
    assert "canary" not in str(refusal.value)
    own = {**fields, "extra": {**fields.get("extra", {}), field: "https://login.test/ac"}}
    assert "login.test" in repr(credential_from_connection(**own, platform=platform))


def test_a_certificate_url_needs_no_login_url() -> None:
    fields = {**USER, "extra": {"certificate_url": "https://cred.test/generate"}}
    credential = credential_from_connection(**fields, platform="https://skaha.test/skaha/v1")
    assert isinstance(credential, ProxyCertificate)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Missing credential"),
        ({"extra": {"certificate": ""}}, "Missing credential"),
        ({"login": "mcurie"}, "Missing password: the login has no"),
        ({"password": "canary", "extra": {"certificate": "x.pem"}}, "password as well as certificate"),
        (
            {"extra": {"certificate": "x.pem", "proxy_certificate": "canary"}},
            "certificate as well as proxy_certificate",
        ),
        ({"extra": {"certificate": "-----BEGIN CERTIFICATE-----canary"}}, "as proxy_certificate, which"),
        ({"extra": {"proxy_certificate": "/canary.pem"}}, "Give the path of a file as certificate"),
        ({"extra": {"certificate": "~nobody-of-that-name/x.pem"}}, "a home directory that does not exist"),
        (
            {"login": "a", "password": "canary", "extra": {"refresh_token": "canary"}},
            "login, password as well as",
        ),
        ({"extra": {"client_id": "a", "refresh_token": "canary"}}, "Missing client_secret"),
        (
            {
                "extra": {
                    "client_id": "a",
                    "client_secret": "canary",
                    "refresh_token": "canary",
                    "client_auth": "none",
                }
            },
            "client_secret_post",
        ),
        (
            {"login": "a", "password": "canary", "extra": {"login_url": "http://login.test"}},
            "Invalid login_url",
        ),
    ],
)
def test_fields_that_make_no_credential_or_several_are_rejected_by_name(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError) as rejection:
        credential_from_connection(**fields)
    assert message in str(rejection.value)
    assert "canary" not in str(rejection.value)


# A registry.


def test_registry_credentials_are_one_header() -> None:
    headers = RegistryCredential("mcurie", "a-secret").headers()
    assert base64.b64decode(headers["x-skaha-registry-auth"]) == b"mcurie:a-secret"
    assert "a-secret" not in repr(RegistryCredential("mcurie", "a-secret"))


def test_white_space_around_registry_credentials_comes_from_a_copy_and_is_left_out() -> None:
    assert RegistryCredential(" mcurie\n", "\ta-secret \r\n") == RegistryCredential("mcurie", "a-secret")


@pytest.mark.parametrize(
    "pair", [("", "s3cr3t"), ("mcurie", " "), ("mcurie", ""), ("mcurie", "s3:cr3t"), ("m:curie", "s3cr3t")]
)
def test_ambiguous_registry_credentials_are_rejected(pair: tuple[str, str]) -> None:
    with pytest.raises(SpecError, match="registry") as rejection:
        RegistryCredential(*pair)
    assert "cr3t" not in str(rejection.value)


@pytest.fixture(name="sealed")
def _sealed() -> list[Credential]:
    service = Service(httpx.Response(200, text="canary"))
    return [
        Token("canary"),
        Login("mcurie", "canary", LOGIN_URL, transport=service.transport),
        ProxyCertificate("mcurie", "canary", "https://cred.test/generate", transport=service.transport),
        OidcRefresh("id", "canary", "canary", TOKEN_URL, transport=service.transport),
        Certificate(pem="-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----"),
    ]


async def test_no_credential_shows_its_secret(sealed: list[Credential]) -> None:
    for credential in sealed:
        text = f"{credential!r} {credential.name} {credential.renewal}"
        try:
            text += repr(await credential.authorize())
            text += repr(vars(credential).get("_cache") and vars(credential)["_cache"].grant)
        except CanfarError as error:
            text += f"{error!r}"
        assert "canary" not in text
