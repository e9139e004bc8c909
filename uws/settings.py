"""The settings of the whole service: those of the engine and those of its public face."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from jobs.settings import Settings as EngineSettings


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
    reader: str = Field(
        default="scripts.epic.pps:read",
        pattern=r"^[\w.]+:\w+$",
        description="What reads the archive's files for `amora index add`, as module:function.",
    )

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @property
    def base(self) -> str:
        """The address that every address handed out begins with, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")
