"""Groups of people to be treated alike, and columns worth breaking metrics down by.

The attributes are those of the Charter of Fundamental Rights of the European Union, article 21, as data sets name them.
"""

from collections.abc import Sequence

import numpy as np

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess
from accord.data.infer.hints import plain, says

ATTRIBUTES = {
    "sex": {"sex", "gender", "geschlecht", "sexe", "genre civil", "sexo", "genero", "sesso", "geslacht", "plec", "kon", "is male", "is female", "female", "male"},
    "origin": {"race", "ethnicity", "ethnic", "ethnic group", "ethnie", "raza", "etnia", "herkunft", "origine ethnique", "etniciteit", "native country", "nationality",
               "nationalitaet", "nationalitat", "nationalite", "nacionalidad", "nazionalita", "nationaliteit", "citizenship", "staatsangehoerigkeit", "foreign worker",
               "foreign", "country of birth", "birth country", "immigrant", "migrant", "language spoken", "mother tongue", "black", "white", "hispanic", "hispan", "latino", "asian", "minority"},
    "religion": {"religion", "religiosity", "religious", "konfession", "faith", "religione", "geloof"},
    "disability": {"disability", "disabled", "handicap", "behinderung", "discapacidad", "disabilita", "invalidity"},
    "age": {"age group", "age band", "agegroup", "age range", "age bracket", "age cat", "age category", "altersgruppe", "tranche age", "grupo edad", "fascia eta", "age bin"},
    "marital status": {"marital", "marital status", "maritl", "marstat", "maritalcat", "married", "civil status", "familienstand", "etat civil", "situation familiale", "estado civil", "stato civile", "personal status",
                       "burgerlijke staat"},
    "orientation": {"sexual orientation", "orientation sexuelle", "sexuelle orientierung"},
}  # fmt: skip
YES_OR_NO = {"black", "white", "hispanic", "hispan", "latino", "asian", "minority", "foreign", "male", "female", "is male", "is female", "married"}  # fmt: skip
"""Words that name a group only where the answer is yes or no."""
SEXES = {"male", "female", "m", "f", "man", "woman", "men", "women", "homme", "femme", "mann", "frau", "weiblich", "maennlich", "mannlich", "hombre", "mujer", "uomo", "donna",
         "masculin", "feminin", "masculino", "femenino", "feminino", "boy", "girl", "other", "unknown", "diverse", "divers", "non binary", "nonbinary", "x", "u"}  # fmt: skip
SURE_SEXES = {"male", "female", "woman", "women", "homme", "femme", "weiblich", "mannlich", "maennlich", "hombre", "mujer", "donna", "uomo", "masculino", "femenino", "feminino"}  # fmt: skip
MAX_LEVELS = 50
"""Different values beyond which a column is no group of people."""
MAX_SLICES = 5
MAX_SLICE_LEVELS = 12
MIN_LEVEL_ROWS = 30
"""Rows that two of its levels need at least, so that a gap between them can be measured."""


def groups(columns: Sequence[Facts]) -> Guess | None:
    """The columns across whose values people are to be treated alike."""
    found = {facts.name: what for facts in columns if (what := _attribute(facts)) is not None}
    if not found:
        return None
    listed = ", ".join(f"{name} ({what})" for name, what in sorted(found.items()))
    return Guess("groups", sorted(found), f"people may differ by {listed}", "groups: []")


def _attribute(facts: Facts) -> str | None:
    if (
        facts.is_instant
        or not 2 <= facts.n_distinct <= MAX_LEVELS
        or int((facts.counts() >= MIN_LEVEL_ROWS).sum()) < 2
    ):
        return None
    if facts.is_text:
        values = {plain(text).replace("-", " ") for text in facts.sample}
        if values <= SEXES and values & SURE_SEXES:
            return "sex"
    if facts.is_number and not (facts.is_whole and facts.n_distinct <= MAX_SLICE_LEVELS):
        return None
    word, what = next(
        ((word, what) for what, said in ATTRIBUTES.items() if (word := says(facts.source, said))), ("", None)
    )
    return None if word in YES_OR_NO and facts.n_distinct != 2 else what


def slices(columns: Sequence[Facts], first: Sequence[str]) -> Guess | None:
    """Columns to break metrics down by: the groups, then the categories whose rows spread best over a few levels."""
    able = [
        facts
        for facts in columns
        if (facts.is_text or facts.column.values.dtype.is_(bool)) and facts.name not in first and 2 <= facts.n_distinct <= MAX_SLICE_LEVELS
        and int((facts.counts() >= MIN_LEVEL_ROWS).sum()) >= 2
    ]  # fmt: skip
    able.sort(key=lambda facts: (-_evenness(facts), facts.name))
    names = [*first, *(facts.name for facts in able)][:MAX_SLICES]
    if not names:
        return None
    return Guess(
        "slices", names, "few values with enough rows each to measure", "slices: [], or other columns"
    )


def _evenness(facts: Facts) -> float:
    share = facts.counts().to_numpy() / facts.n_present
    return float(-(share * np.log(share)).sum())
