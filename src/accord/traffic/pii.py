"""Pseudonyms: what the log keeps instead of values that could identify a person."""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

from accord.traffic.disk import make_folder
from accord.traffic.records import value_text

SECRET_VARIABLE = "ACCORD_PII_KEY"
SECRET_FILE = "pii.key"


class Pseudonyms:
    """Keyed BLAKE2b hashes: the same value has the same pseudonym, and without the secret nobody can try values out.

    The secret is the environment's ACCORD_PII_KEY or else a file beside the log, made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        given = os.environ.get(SECRET_VARIABLE)
        secret = given.encode() if given else _own_secret(folder)
        self._secret = hashlib.blake2b(secret).digest()

    def of(self, value: Any) -> str | None:
        """The pseudonym of a value, 32 hex digits; None stays None."""
        if value is None:
            return None
        return hashlib.blake2b(value_text(value).encode(), key=self._secret, digest_size=16).hexdigest()


def _own_secret(folder: Path) -> bytes:
    file = folder / SECRET_FILE
    if not file.exists():
        make_folder(folder)
        temporary = folder / f".{SECRET_FILE}.{os.getpid()}.tmp"
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as made:
                made.write(secrets.token_bytes(32))
                made.flush()
                os.fsync(made.fileno())
            os.link(temporary, file)  # of several workers the first one's secret stays
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
    return file.read_bytes()
