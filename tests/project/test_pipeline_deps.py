"""What holds for every project: dvc.yaml names the code that decides each stage, the project's own included."""

from pathlib import Path

from accord import code


def test_the_deps_in_the_code_are_what_each_stage_imports() -> None:
    text = (Path(__file__).parents[2] / "dvc.yaml").read_text(encoding="utf-8")
    assert code.with_deps(text) == text, "run `make deps`"
