"""The settings of the installation: ``AMORA_*`` in the environment, else ``amora.toml``, else the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from jobs.logs import Format, Level

BUILT_IN_SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


class Settings(BaseSettings):
    """What the engine needs to know; ``uws`` adds what its own face needs."""

    model_config = SettingsConfigDict(env_prefix="AMORA_", toml_file="amora.toml", extra="forbid", frozen=True)

    home: Path = Field(
        default=Path(".amora"),
        description="The folder under which the embedded service keeps everything: database, index, products, "
        "uploads. Nothing is written elsewhere.",
    )
    database_url: str | None = Field(
        default=None,
        description="Address of the database, e.g. postgresql://amora@db/amora; by default a SQLite file in the home "
        "folder.",
    )
    redis_url: str | None = Field(
        default=None,
        pattern=r"^(rediss?|unix)://",
        description="Address of the Redis server with the queue, e.g. redis://queue:6379/0; `amora worker` does the "
        "tasks then, on as many machines as wanted. By default the queue is in the memory of `amora serve`, which does "
        "them itself.",
    )
    storage_url: str | None = Field(
        default=None,
        pattern=r"^(file:///|s3://[a-z0-9])",
        description="Where products, uploads and logs are kept: file:///SHARED/FOLDER or s3://BUCKET/PREFIX, whose "
        "server and keys the variables `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID` and so on tell. By default the folder "
        "`jobs` in the home folder.",
    )
    input_folder: str | None = Field(
        default=None,
        description="The folder below which the files of datasets were indexed that workers without it fetch from "
        "`AMORA_INPUT_URL`, e.g. /data/xmm.",
    )
    input_url: str | None = Field(
        default=None,
        pattern=r"^(file:///|https?://[^@/]+(/|$)|s3://[a-z0-9])",
        description="Where they are fetched from, and nowhere else: s3://BUCKET/PREFIX, https://HOST/PATH or "
        "file:///FOLDER.",
    )
    cache_max: int = Field(
        default=20 * 2**30,
        ge=0,
        description="Bytes of fetched files that a worker keeps below its home folder; the longest unused go first.",
    )
    scripts: str = Field(
        default="",
        description="Further folders of scripts, separated as in PATH; each holds one folder per script.",
    )
    workers: int = Field(
        default=2,
        ge=1,
        le=256,
        description="How many tasks a process does at once: `amora serve`, or with `AMORA_REDIS_URL` each "
        "`amora worker`.",
    )
    authority: str = Field(
        default="amora.local",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{2,}$",
        description="The IVOA authority in the ids of datasets, ivo://AUTHORITY/amora?...",
    )
    lease: float = Field(
        default=30.0,
        ge=1.0,
        description="Seconds after which a silent worker is taken for dead and its task is given to another.",
    )
    queues: str = Field(
        default="",
        description="The resource classes of scripts whose tasks are done here, separated by blanks; empty for all.",
    )
    user_running: int = Field(
        default=0,
        ge=0,
        description="How many tasks of one user may run at once; 0 for any number. All anonymous users count as one.",
    )
    user_queued: int = Field(
        default=20_000,
        ge=0,
        description="How many tasks of one user may wait at once; 0 for any number. All anonymous users count as one.",
    )
    user_disk: int = Field(
        default=0,
        ge=0,
        description="Bytes of products and sent files that the jobs of one user may have together before no more of "
        "them are run; 0 for any number. All anonymous users count as one.",
    )
    attempts: int = Field(
        default=3,
        ge=1,
        description="How many times a task is started before the loss of its worker fails it.",
    )
    sandbox: Literal["auto", "require", "off"] = Field(
        default="auto",
        description="Whether scripts run in bubblewrap, without network, on a read-only system, seeing no other files "
        "than theirs: `auto` where it works, `require` or not at all, `off`.",
    )
    sandbox_paths: str = Field(
        default="",
        description="What scripts in the sandbox see besides the system, separated as in PATH, e.g. an installation of "
        "SAS and its calibration files.",
    )
    grace: float = Field(
        default=0.5, ge=0.0, description="Seconds between SIGTERM and SIGKILL when a script is stopped."
    )
    duration: int = Field(
        default=86400,
        ge=1,
        description="The executionDuration of a new job: seconds that all its tasks together may take.",
    )
    duration_max: int = Field(default=7 * 86400, ge=1, description="The longest executionDuration a user may ask for.")
    retention: int = Field(default=7 * 86400, ge=60, description="Seconds from a job's creation to its destruction.")
    retention_max: int = Field(
        default=90 * 86400,
        ge=60,
        description="The latest destruction a user may ask for, in seconds from now.",
    )

    archive: bool = Field(
        default=False,
        description="Whether a job stays listed as ARCHIVED after its destruction, without its files; by default it "
        "is forgotten.",
    )
    session_retention: int = Field(
        default=90 * 86400,
        ge=60,
        description="Seconds from the last change of a session to its end; also the longest that a link to it is good.",
    )
    sessions_user: int = Field(
        default=500, ge=1, description="How many sessions one user, or one anonymous visitor, may have at once."
    )
    sessions_anonymous: int = Field(
        default=10_000, ge=0, description="How many sessions all anonymous visitors may have together."
    )
    min_free: int = Field(
        default=100 * 2**20,
        ge=0,
        description="Bytes of free disk below which no job is accepted and no task begun, and the service says that it "
        "is not available.",
    )
    upload_max: int = Field(
        default=2**30, ge=0, description="The most bytes that the files sent with one request may have together."
    )
    log_format: Format = Field(
        default="text", description="Whether the log on standard error is lines of text or JSON objects, one a line."
    )
    log_level: Level = Field(
        default="info", description="From which level on the service's own events are logged; libraries' from warning."
    )
    upload_files: int = Field(default=16, ge=0, description="The most files that may be sent with one request.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments before the environment before ``amora.toml``."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def folder(self) -> Path:
        """The home folder, absolute."""
        return self.home.expanduser().resolve()

    @property
    def database(self) -> str:
        """The SQLAlchemy address of the database."""
        return self.database_url or f"sqlite:///{quote(str(self.folder / 'amora.sqlite'))}"

    @property
    def embedded(self) -> int:
        """How many tasks ``amora serve`` does at once itself."""
        return 0 if self.redis_url else self.workers

    @property
    def sandbox_folders(self) -> tuple[Path, ...]:
        """What scripts in the sandbox see besides."""
        return tuple(Path(part).expanduser().resolve() for part in self.sandbox_paths.split(":") if part)

    @property
    def script_folders(self) -> tuple[Path, ...]:
        """The folders in which scripts are looked for, the built-in one first."""
        further = (Path(part).expanduser().resolve() for part in self.scripts.split(":") if part)
        return (BUILT_IN_SCRIPTS, *further)
