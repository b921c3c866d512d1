"""How many candidates have met a champion, and what that asks of the next."""

from pathlib import Path

import polars as pl
import pytest

from accord.paths import Paths
from accord.promotion import tries
from accord.promotion.tries import Attempt


def bundle(root: Path, trained: str, policy: str = "{}") -> tuple[str, Path]:
    """The id and folder of a model."""
    name = f"{trained} {policy}"
    folder = root / "made" / name.replace("/", " ")
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "models/late").write_text(trained)
    (folder / "transform.json").write_text("{}")
    (folder / "policy.json").write_text(policy)
    return name, folder


def tried(
    root: Path, trained: str, policy: str = "{}", champion: str = "first", rows: str = "june"
) -> Attempt:
    """What the scorecard says of it, which then counts unless it is a question."""
    paths = Paths(root)
    paths.tries.parent.mkdir(exist_ok=True)
    found = tries.attempt(bundle(root, trained, policy), bundle(root, champion), rows, 0.95, paths)
    if not found.is_question:
        tries.begin(found, paths)
    return found


def test_all_tries_together_err_no_more_often_than_one_comparison() -> None:
    levels = [tries.level(0.95, n) for n in range(1, 2000)]
    assert sum(1 - level for level in levels) <= 0.05
    assert levels[0] == pytest.approx(0.955)
    assert levels == sorted(levels)


def test_each_model_is_a_try_once(tmp_path: Path) -> None:
    assert [tried(tmp_path, name).n for name in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]


def test_another_champion_or_other_rows_begin_anew(tmp_path: Path) -> None:
    assert tried(tmp_path, "a").n == 1
    assert tried(tmp_path, "b", rows="july").n == 1
    assert tried(tmp_path, "b", champion="second").n == 1
    assert tried(tmp_path, "c").n == 2


def test_weights_that_are_played_with_count_once_they_are_to_be_promoted(tmp_path: Path) -> None:
    for weight in range(5):
        of_champion = tried(tmp_path, "first", f'{{"w": {weight}}}')
        assert (of_champion.n, of_champion.is_question) == (1, True)
    assert tried(tmp_path, "a").n == 1
    asked = tried(tmp_path, "a", '{"w": 1}')
    assert (asked.n, asked.is_question) == (2, True)
    assert tried(tmp_path, "b").n == 2
    asked = tried(tmp_path, "a", '{"w": 1}')
    tries.begin(asked, Paths(tmp_path))
    assert tries.number(asked, Paths(tmp_path)) == 3
    assert not tried(tmp_path, "a", '{"w": 1}').is_question


def test_the_lines_of_two_clones_count_each_once_whatever_git_does_to_their_order(tmp_path: Path) -> None:
    path = Paths(tmp_path).tries
    for name in ("a", "b", "c"):
        tried(tmp_path, name)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[2], lines[0], lines[1], lines[0]]) + "\n")
    assert [tried(tmp_path, name).n for name in ("a", "b", "c", "d")] == [1, 2, 3, 4]


def test_rows_are_the_same_in_whatever_order_and_with_whatever_features() -> None:
    rows = pl.DataFrame({"id": [1, 2, 3], "x": [0.1, 0.2, 0.3]})
    same = rows.reverse().with_columns(y=pl.col("x") * 2)
    assert tries.hash_of_rows(rows, ["id"]) == tries.hash_of_rows(same, ["id"])
    assert tries.hash_of_rows(rows, ["id"]) != tries.hash_of_rows(rows.head(2), ["id"])
