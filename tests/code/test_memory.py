"""How much memory a stage may take, and how many rows at once."""

import pytest
from pydantic import ValidationError
from shipped import shipped

from accord.engines import memory
from accord.schema.config import Engine


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("6GB", 6e9), ("1.5 GB", 1.5e9), ("800MB", 8e8), ("1TB", 1e12)]
)
def test_memory_is_read_as_people_write_it(text: str, n_bytes: float) -> None:
    assert memory.limit(shipped(Engine, memory=text)) == n_bytes


def test_by_default_half_of_what_there_is() -> None:
    assert memory.limit(shipped(Engine)) == memory.available() // 2


@pytest.mark.parametrize("text", ["6", "6G", "all", "-1GB", ""])
def test_no_other_memory_is_taken(text: str) -> None:
    with pytest.raises(ValidationError, match="memory"):
        shipped(Engine, memory=text)


def test_more_columns_make_fewer_rows_at_once_and_a_number_in_the_config_counts() -> None:
    engine = shipped(Engine, memory="1GB")
    assert memory.chunk_rows(engine, 20) == 208_333
    assert memory.chunk_rows(engine, 2000) == 2083
    assert memory.chunk_rows(engine, 2_000_000) == memory.MIN_CHUNK_ROWS
    assert memory.chunk_rows(shipped(Engine, chunk_rows=7), 20) == 7
