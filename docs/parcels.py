"""Writes the raw file of docs/your-data.md: parcels as a shop's database gives them, with what such files have wrong with them."""

import argparse
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

HEAD = "parcel id;sent at;e-mail;customer since;postcode;weight kg;price;carrier;express;note;refund;late"
CARRIERS = ("Nordpost", "Hermann", "Blitz")
N_CUSTOMERS, N_TOWNS = 1500, 40
N_PER_DAY = 20
JULY = datetime(2024, 7, 1)


def parcels(end: datetime) -> Iterator[str]:
    """The lines of the file, from January to `end`. From July on there is a carrier more."""
    generator = random.Random(7)
    begin = datetime(2024, 1, 1, 7)
    for i in range((end - begin).days * N_PER_DAY + N_PER_DAY):
        sent = begin + timedelta(days=i // N_PER_DAY, minutes=35 * (i % N_PER_DAY))
        customer = generator.randrange(N_CUSTOMERS)
        carrier = generator.choice((*CARRIERS, "Velo") if sent >= JULY else CARRIERS)
        weight, price = generator.lognormvariate(0.5, 0.8), generator.lognormvariate(4, 1)
        is_express, is_blitz, is_weekend = generator.random() < 0.3, carrier == "Blitz", sent.weekday() > 3
        risk = 0.1 + 0.2 * is_blitz + 0.05 * weight - 0.1 * is_express + 0.15 * is_weekend
        is_late = generator.random() < risk
        refund = price * generator.uniform(0.1, 0.3) if is_late else 0.0
        yield ";".join([
            f"P-{100000 + 7 * i}", f"{sent:%d.%m.%Y %H:%M}", f"customer{customer}@example.org",
            f"01/{1 + customer % 12:02}/{2012 + customer % 11}", f"{1067 + 2411 * (customer % N_TOWNS):05}",
            "?" if generator.random() < 0.04 else _comma(weight), f"{_comma(price)} €", carrier,
            _yes(is_express), "", f"{_comma(refund)} €", _yes(is_late),
        ])  # fmt: skip


def _comma(number: float) -> str:
    """With a decimal comma, and points between thousands."""
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--july", action="store_true", help="with July, when a carrier more is there")
    arguments = parser.parse_args()
    end = datetime(2024, 8, 1) if arguments.july else JULY
    arguments.file.write_text("\n".join([HEAD, *parcels(end)]) + "\n", encoding="utf-8")
