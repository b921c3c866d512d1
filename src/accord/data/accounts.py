"""What stages validate and split reported on the rows of the last run."""

from dataclasses import dataclass

from accord.data.accounting import Accounting
from accord.data.leaks import Suspect
from accord.data.validated import Validated
from accord.files import read_as
from accord.paths import Paths


@dataclass(frozen=True)
class Accounts:
    validated: Validated
    accounting: Accounting

    @property
    def leaks(self) -> list[Suspect]:
        """All suspects, also those that a person vouches for."""
        return [*self.validated.leaks, *self.accounting.leaks]

    @property
    def suspects(self) -> list[Suspect]:
        """The suspects that nobody vouches for."""
        return [leak for leak in self.leaks if not leak.accepted]


def read(paths: Paths) -> Accounts:
    return Accounts(read_as(paths.validation, Validated), read_as(paths.accounting, Accounting))
