"""The folder for what doesn't fit into memory."""

from pathlib import Path

from shipped import shipped

from accord.engines.scratch import scratch
from accord.schema.config import Engine


def test_it_is_empty_at_first_and_gone_in_the_end(tmp_path: Path) -> None:
    engine = shipped(Engine)
    with scratch(engine, tmp_path, "validate") as folder:
        assert folder.is_relative_to(tmp_path)
        leftover = folder
    leftover.mkdir()
    (leftover / "of a killed process").touch()
    with scratch(engine, tmp_path, "validate") as folder:
        assert list(folder.iterdir()) == []
        (folder / "rows").touch()
    assert not folder.exists()


def test_projects_that_share_a_disk_have_their_own(tmp_path: Path) -> None:
    engine = shipped(Engine, scratch=str(tmp_path / "disk"))
    with scratch(engine, tmp_path / "a", "split") as one, scratch(engine, tmp_path / "b", "split") as other:
        assert one != other
        assert one.is_relative_to(tmp_path / "disk")
        assert other.is_relative_to(tmp_path / "disk")
