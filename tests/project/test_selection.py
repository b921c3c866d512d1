"""What holds for every project, whatever it has put into conf/: it is a config, and each file of it can be chosen."""

from pathlib import Path

import pytest

from accord.config import compose, selection
from accord.errors import AccordError
from accord.models import loading
from accord.paths import Paths

PATHS = Paths(Path(__file__).parents[2])
OPTIONS = selection.options(PATHS.conf)
CHOSEN = selection.read(PATHS)
BY_DATA = ("data", "objective")
"""An objective is about a data set's columns, so that the two are chosen together."""


def composed(*words: str) -> dict:
    return compose.composed(selection.with_words(CHOSEN, words, PATHS.conf), PATHS.conf)


def test_the_selection_composes():
    assert composed()["data"]["name"]


def test_what_config_yaml_lists_composes():
    shipped = selection.shipped(CHOSEN, PATHS.conf)
    assert compose.composed(shipped, PATHS.conf)["data"]["name"]


@pytest.mark.parametrize("data", OPTIONS["data"])
def test_every_data_set_composes_with_an_objective(data: str):
    refused = []
    for objective in OPTIONS["objective"]:
        try:
            assert composed(f"data={data}", f"objective={objective}")["data"]["name"] == data
        except AccordError as error:
            refused.append(f"{objective}: {error}")
        else:
            return
    raise AssertionError("\n".join(refused))


@pytest.mark.parametrize(
    ("group", "option"),
    [
        (group, option)
        for group, options in OPTIONS.items()
        if group not in (*BY_DATA, "model")
        for option in options
    ],
)
def test_every_option_of_the_other_groups_composes_with_the_selection(group: str, option: str):
    assert composed(f"{group}={option}")


@pytest.mark.parametrize("model", OPTIONS["model"])
def test_every_model_is_one_and_takes_the_parameters_of_its_file(model: str):
    params = compose.with_options({**CHOSEN.groups, "model": model}, PATHS.conf)["model"]
    assert loading.checked_params(params)
