"""Files that others write and the service follows."""

from pathlib import Path


class Watched:
    """A file whose content may change at any time. A file that can't be read has not changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: bytes | None = None

    def has_changed(self) -> bool:
        """Whether the file holds something else than when it was last looked at."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return False
        changed = self._seen != content
        self._seen = content
        return changed

    def forget(self) -> None:
        """Has the next look find a change."""
        self._seen = None
