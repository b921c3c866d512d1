"""What outcomes are, whatever predicts them."""

from typing import Literal

Kind = Literal["condition", "amount", "class"]
"""Yes or no (1 or 0), a number that has an order, or the number of a class, which has none."""
