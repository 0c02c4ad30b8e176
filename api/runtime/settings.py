"""What the environment may set, read once into a frozen object; weak secrets are refused."""

import secrets
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.runtime.key_files import read_data_keys, read_private_pem
from api.runtime.mail_server import MailServer, parse_mail_server
from api.security.base64url import decode, encode
from api.security.crypto import KeyEncryptionKeys, new_key
from api.security.outbound_addresses import parse_address
from api.security.token_keys import SigningKeys, parse_signing_keys

SHORTEST_SECRET = 32
NO_DATA_KEY = (
    "BN_DATA_KEY, or BN_DATA_KEY_FILE, must be set: the key that seals what clinicians write; "
    "make one with: python -m api new-data-key"
)
_NOT_A_DATA_KEY = (
    "BN_DATA_KEY, or each line of BN_DATA_KEY_FILE, must be 32 random bytes as unpadded base64url, "
    "for example from: python -m api new-data-key"
)
_NOT_A_MAIL_SERVER = (
    "BN_SMTP_URL is a mail server as in smtp://user:password@mail.example.org:587 or "
    "smtps://user:password@mail.example.org:465"
)
_NO_SENDER = (
    "BN_SMTP_URL needs BN_MAIL_FROM, the address that e-mails are from, and BN_PUBLIC_URL, which "
    "the links in them begin with"
)


class Settings(BaseSettings):
    """Settings of one process, from environment variables that begin with `BN_`."""

    model_config = SettingsConfigDict(env_prefix="BN_", frozen=True, extra="ignore")

    database_url: str = "sqlite+aiosqlite:///./boundary-notes.db"
    migrate_database_url: str | None = None
    secret_key: SecretStr = SecretStr("")
    door_key: SecretStr | None = None
    data_key: SecretStr | None = None
    data_key_file: Path | None = None
    signing_key_file: Path | None = None
    access_token_minutes: int = Field(default=10, ge=1, le=10)
    session_hours: int = Field(default=12, ge=1, le=12)
    idle_minutes: int = Field(default=30, ge=1, le=30)
    throttle_storage_url: str = Field(default="async+memory://", pattern=r"^async\+")
    password_checks_at_once: int = Field(default=2, ge=1, le=64)
    software_requests_a_minute: int = Field(default=1_200, ge=1, le=1_000_000)
    pool_size: int = Field(default=10, ge=1, le=100)
    drain_seconds: float = Field(default=0, ge=0, le=300)
    metrics_token: SecretStr | None = None
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    log_format: Literal["json", "text"] | None = None
    telemetry_endpoint: str | None = Field(default=None, pattern=r"^https?://")
    webhook_test_addresses: str = ""
    smtp_url: SecretStr | None = None
    mail_from: str | None = Field(
        default=None,
        max_length=254,
        pattern=r"^[A-Za-z0-9._%+=-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$",
    )

    @model_validator(mode="after")
    def _refuse_a_weak_secret(self) -> Self:
        if _is_weak(self.secret_key):
            raise ValueError(
                f"BN_SECRET_KEY must be set to {SHORTEST_SECRET} or more random characters, "
                'for example from: python -c "import secrets; print(secrets.token_urlsafe(48))"'
            )
        return self

    @model_validator(mode="after")
    def _refuse_a_weak_door_key(self) -> Self:
        if self.door_key is not None and _is_weak(self.door_key):
            raise ValueError(
                f"BN_DOOR_KEY must have {SHORTEST_SECRET} or more random characters, or be left "
                "out: then codes and receipts last as long as BN_SECRET_KEY"
            )
        return self

    @model_validator(mode="after")
    def _refuse_a_weak_metrics_token(self) -> Self:
        if self.metrics_token is not None and _is_weak(self.metrics_token):
            raise ValueError(
                f"BN_METRICS_TOKEN must have {SHORTEST_SECRET} or more random characters, "
                "or be left out: then nobody reads the metrics"
            )
        return self

    @model_validator(mode="after")
    def _refuse_a_wrong_key_file(self) -> Self:
        _ = self.signing_keys
        return self

    @model_validator(mode="after")
    def _refuse_a_wrong_data_key(self) -> Self:
        _ = self.data_keys
        return self

    @model_validator(mode="after")
    def _refuse_a_wrong_test_address(self) -> Self:
        try:
            for each in self.test_addresses:
                parse_address(each)
        except ValueError:
            raise ValueError(
                "BN_WEBHOOK_TEST_ADDRESSES is a list as in 127.0.0.1:9000,[::1]:9000"
            ) from None
        return self

    @model_validator(mode="after")
    def _refuse_mail_that_cannot_be_sent(self) -> Self:
        if self.mail_server is not None and None in (self.mail_from, self.public_url):
            raise ValueError(_NO_SENDER)
        return self

    @cached_property
    def mail_server(self) -> MailServer | None:
        """Where e-mail is handed over; None: none is sent. Raises ValueError for what is none."""
        if self.smtp_url is None:
            return None
        try:
            return parse_mail_server(self.smtp_url.get_secret_value())
        except ValueError:
            # without its cause, which might show the password
            raise ValueError(_NOT_A_MAIL_SERVER) from None

    @property
    def test_addresses(self) -> list[str]:
        """Where events may be sent although it is not public: to try things out, never else."""
        return self.webhook_test_addresses.replace(",", " ").split()

    @cached_property
    def data_keys(self) -> KeyEncryptionKeys | None:
        """The keys that wrap clinics' keys; None where none is set. Raises ValueError for others.

        One to a line, or separated by commas: the first is in use, the others still unwrap.
        """
        if self.data_key is not None and self.data_key_file is not None:
            raise ValueError("BN_DATA_KEY and BN_DATA_KEY_FILE are set both: leave one out")
        if self.data_key_file is not None:
            written = read_data_keys(self.data_key_file)
        elif self.data_key is not None:
            written = self.data_key.get_secret_value()
        else:
            return None
        try:
            keys = [decode(each) for each in written.replace(",", " ").split()]
            return KeyEncryptionKeys(keys)
        except ValueError:
            # without its cause, which might show the key
            raise ValueError(_NOT_A_DATA_KEY) from None

    @cached_property
    def signing_keys(self) -> SigningKeys | None:
        """The keys that sign access tokens; None: the secret does. Raises ValueError for others."""
        if self.signing_key_file is None:
            return None
        return parse_signing_keys(read_private_pem(self.signing_key_file))

    @property
    def owner_database_url(self) -> str:
        """The address that migrations and bootstrap use: the owner's, where one is set."""
        return self.migrate_database_url or self.database_url


def _is_weak(secret: SecretStr) -> bool:
    text = secret.get_secret_value()
    return len(text) < SHORTEST_SECRET or len(set(text)) < SHORTEST_SECRET // 4


def random_secret() -> SecretStr:
    """Make a secret for a server that forgets everything when it stops."""
    return SecretStr(secrets.token_urlsafe(48))


def new_data_key() -> str:
    """Make a key-encryption key, as `BN_DATA_KEY` takes it."""
    return encode(new_key())
