"""Whom a row is about: the person, customer or household that several rows share."""

from collections.abc import Mapping, Sequence

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess
from accord.data.infer.hints import says, words
from accord.data.leaks import Suspect

SUBJECTS = {
    "patient", "patient id", "subject", "subject id", "customer", "customer id", "client", "client id", "user", "user id", "person",
    "person id", "household", "household id", "member", "member id", "student", "student id", "employee", "employee id", "participant",
    "participant id", "respondent", "account id", "account", "guest id", "rider id", "driver id", "borrower", "borrower id", "policyholder",
    "citizen id", "donor", "donor id", "passenger id", "pid", "uid", "cust", "cust id", "visitor id", "device id", "family", "family id",
    "kunde", "kunden id", "kundennummer", "patientennummer", "mitarbeiter", "haushalt", "cliente", "cliente id", "paciente", "hogar",
    "client numero", "foyer", "paziente", "klant", "klant id",
}  # fmt: skip
NUMBERS = {
    "id",
    "no",
    "nr",
    "number",
    "code",
    "key",
    "pid",
    "uid",
    "nummer",
    "numero",
    "kundennummer",
    "patientennummer",
}
IDS = {"id", "ids", "identifier", "ident", "code", "key", "number", "nr", "no"}
MANY = 50
"""Different numbers from which a word such as household is no size."""
MIN_ROWS_EACH = 1.2
"""Rows on average from which a subject repeats."""
MIN_SUBJECTS = 10


def subject(columns: Sequence[Facts]) -> Guess | None:
    """The column that names whom a row is about, where rows share it."""
    able = [facts for facts in columns if _repeats(facts)]
    if not able:
        return None
    best = min(able, key=lambda facts: (-facts.n_distinct, facts.name))
    return Guess(
        "subject",
        best.name,
        f"{best.n_distinct:,} {best.source} share {best.n_rows:,} rows: all rows of one belong on one side of the split",
        "--subject COLUMN",
    )


def shared(suspects: Sequence[Suspect], columns: Mapping[str, Facts]) -> Guess | None:
    """The column that is called an id and whose rows share their outcome."""
    able = [one for one in suspects if one.kind == "entity" and says(columns[one.feature].source, IDS)]
    if not able:
        return None
    best = max(able, key=lambda one: (columns[one.feature].n_distinct, one.feature))
    return Guess(
        "subject",
        best.feature,
        f"{best.target} {best.detail}: all rows of one belong on one side of the split",
        "--subject COLUMN",
    )


def _repeats(facts: Facts) -> bool:
    if not (facts.is_text or facts.is_whole) or not _names_somebody(facts) or facts.missing_share > 0.05:
        return False
    each = facts.n_present / facts.n_distinct if facts.n_distinct else 0
    return facts.n_distinct >= MIN_SUBJECTS and MIN_ROWS_EACH <= each <= facts.n_rows / MIN_SUBJECTS


def _names_somebody(facts: Facts) -> bool:
    """Whether the name ends with such a word: an account's length names nobody, and a household without an id may be its size."""
    spoken = words(facts.source)
    ends = {" ".join(spoken[i:]) for i in range(len(spoken))} | {"".join(spoken)}
    if not ends & (SUBJECTS | {subject.replace(" ", "") for subject in SUBJECTS}):
        return spoken in {("id",), ("ids",)}
    if set(spoken) & NUMBERS:
        return True
    if facts.is_text:
        return sum(any(map(str.isdigit, value)) for value in facts.sample) > len(facts.sample) / 2
    return facts.n_distinct > MANY
