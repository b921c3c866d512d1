"""What accord init has decided to do, kept in .accord/init.json until it is done."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Adoption:
    """What was decided before anything changed."""

    name: str
    keeps_example: bool
    groups: dict[str, str]
    """What is selected in the end, of data and objective."""
    drops_made: bool
    """Whether what the pipeline made goes, for it made it of the example."""
    drops_released: bool
    """Whether its releases go too."""

    @property
    def words(self) -> str:
        """What is typed after `accord init` to end it."""
        return f"{self.name} --keep-example" if self.keeps_example else self.name
