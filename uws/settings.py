"""The settings of the whole service: those of the engine and those of its public face."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from jobs.settings import Settings as EngineSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(EngineSettings):
    """What the service needs to know; a name here is ``AMORA_<NAME>`` in the environment."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="The address the service listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port it listens on; 0 takes any free one.")
    public_url: str | None = Field(
        default=None,
        description="The address clients know the service by, e.g. behind a proxy; every address handed out "
        "begins with it. By default http://HOST:PORT.",
    )
    wait_cap: float = Field(
        default=30.0,
        ge=0.0,
        description="The longest a WAIT blocks, in seconds; below the time-outs of proxies and clients.",
    )
    max_body: int = Field(
        default=32 * 2**20,
        ge=1024,
        description="The largest request body that is read, in bytes; files that come with it do not count.",
    )
    tap_rows: int = Field(
        default=50_000, ge=1, description="The rows that a query of TAP is answered with where MAXREC says nothing."
    )
    tap_rows_max: int = Field(default=5_000_000, ge=1, description="The most rows that MAXREC can ask for.")
    tap_seconds: float = Field(
        default=60.0, gt=0.0, description="The longest that a query at /tap/sync may take, its answer included."
    )
    upload_urls: bool = Field(
        default=False,
        description="Whether UPLOAD=name,http://... has the service fetch files, from public hosts only.",
    )
    upload_seconds: float = Field(default=60.0, gt=0.0, description="The longest that fetching one file may take.")
    cors: str = Field(
        default="*",
        description="The origins, separated by blanks, whose web pages may read what the service answers to anybody; * "
        "for all, empty for none. Credentials are never sent along.",
    )
    mail_server: str | None = Field(
        default=None,
        description="The host of the mail server by which users are told of the end of their jobs; by default no mail "
        "is sent.",
    )
    mail_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    mail_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection to it is protected: `starttls`, `tls` or `none`."
    )
    mail_user: str | None = Field(default=None, description="The name by which the service logs in there, if it does.")
    mail_password: SecretStr | None = Field(default=None, description="The password that goes with it.")
    mail_from: str | None = Field(default=None, description="The sender of the mails; by default amora@ the server.")
    mail_anonymous: bool = Field(
        default=False, description="Whether anonymous visitors, too, may have mails sent; to any address."
    )
    resolver_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="The name resolver that `/api/resolve` asks for names that are no targets of the index, up to the "
        "name, e.g. https://cds.unistra.fr/cgi-bin/nph-sesame/-ox/SNV? for Sesame of the CDS. By default none is "
        "asked: no name leaves the machine.",
    )
    anonymous: bool = Field(default=True, description="Whether anybody may make jobs; if not, only users may.")
    dataset_files: Literal["anybody", "users", "nobody"] = Field(
        default="anybody",
        description="Who may have the files of datasets: `anybody`, `users`, or `nobody` but administrators.",
    )
    anonymous_list: bool | None = Field(
        default=None,
        description="Whether the anonymous list of jobs shows the anonymous jobs. By default it does without "
        "`AMORA_DATABASE_URL`, where the service is one person's, and does not with it.",
    )
    oidc_audience: str | None = Field(
        default=None, description="What the `aud` of the issuer's tokens must name; needed with `AMORA_OIDC_ISSUER`."
    )
    oidc_issuer: str | None = Field(
        default=None, description="The OpenID Connect issuer whose bearer tokens are taken, exactly as in its tokens."
    )
    oidc_user_claim: str = Field(
        default="sub",
        min_length=1,
        description="Which claim of the issuer's tokens is the user's name; users must not be able to choose it.",
    )
    oidc_leeway: float = Field(
        default=30.0, ge=0.0, le=600.0, description="Seconds that the clocks of the issuer and the service may differ."
    )
    proxy_networks: str = Field(
        default="",
        description="The networks of trusted reverse proxies, e.g. 10.0.0.5/32, 10.1.0.0/16. From elsewhere "
        "`AMORA_PROXY_HEADER` is ignored.",
    )
    proxy_header: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9-]+$",
        description="The header in which a trusted reverse proxy names the user, e.g. X-Remote-User.",
    )
    reader: str = Field(
        default="scripts.epic.pps:read",
        pattern=r"^[\w.]+:\w+$",
        description="What reads the archive's files for `amora index add`, as module:function.",
    )

    positions: str = Field(
        default="scripts.epic.positions:positions",
        pattern=r"^[\w.]+:\w+$",
        description="What reads the positions of events for `amora index hips counts`, as module:function.",
    )
    title: str = Field(
        default="Amora",
        min_length=3,
        max_length=200,
        pattern=r"^[^\r\n]+$",
        description="The name of the service in registries and maps, e.g. XMM-Newton at Strasbourg.",
    )
    publisher: str = Field(
        default="Unknown publisher",
        min_length=3,
        max_length=200,
        pattern=r"^[^\r\n]+$",
        description="The organisation that runs the service, for registries and maps.",
    )
    contact: str | None = Field(
        default=None,
        pattern=r"^\S+@\S+\.[^\s.]+$",
        description="The address of whoever answers for the service, for registries, e.g. archive@observatory.example.",
    )
    description: str = Field(
        default="Observations by region of the sky, and science scripts that run on them.",
        min_length=10,
        max_length=4000,
        description="What the service has, in a sentence or some, for registries.",
    )

    access_log: bool | None = Field(
        default=None,
        description="Whether each request gets a line in the log. By default it does with `AMORA_LOG_FORMAT=json`.",
    )
    metrics_networks: str = Field(
        default="127.0.0.0/8, ::1/128",
        description="The networks from which `/metrics` may be read without a token, e.g. 10.0.0.0/8; empty for none. "
        "A request that came through a proxy outside `AMORA_PROXY_NETWORKS` is from none of them.",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Whoever sends this as a bearer token may read `/metrics` from anywhere.",
    )

    worker_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="The port of `AMORA_HOST` at which `amora worker` shows its figures, to anybody who reaches it; 0 "
        "for none.",
    )

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _safe(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or parts.scheme not in (("https", "http") if local else ("https",)):
            raise ValueError("must begin with https://")
        if not info.data.get("oidc_audience"):
            raise ValueError("needs AMORA_OIDC_AUDIENCE beside it")
        return value

    @field_validator("proxy_networks", "metrics_networks")
    @classmethod
    def _readable(cls, value: str) -> str:
        _networks(value)
        return value

    @field_validator("proxy_header")
    @classmethod
    def _trusted_somewhere(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not info.data.get("proxy_networks"):
            raise ValueError("needs AMORA_PROXY_NETWORKS beside it")
        return value

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The networks from which a proxy's word is taken."""
        return _networks(self.proxy_networks)

    @property
    def metrics_from(self) -> tuple[Network, ...]:
        """The networks from which the figures may be read."""
        return _networks(self.metrics_networks)

    @property
    def logs_access(self) -> bool:
        """Whether each request gets a line in the log."""
        return self.log_format == "json" if self.access_log is None else self.access_log

    @property
    def lists_anonymous(self) -> bool:
        """Whether the anonymous list of jobs shows the anonymous jobs."""
        return self.database_url is None if self.anonymous_list is None else self.anonymous_list

    @property
    def base(self) -> str:
        """The address that every address handed out begins with, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
