"""Numbers that a state, a bank or a card company gives to a person, told by their check digits."""

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module

COUNTRIES = {
    "ar.cuit": "Argentine tax ids", "at.vnr": "Austrian insurance numbers", "au.tfn": "Australian tax file numbers", "be.nn": "Belgian national numbers",
    "bg.egn": "Bulgarian civil numbers", "br.cpf": "Brazilian CPF numbers", "ca.sin": "Canadian social insurance numbers",
    "ch.ssn": "Swiss insurance numbers", "cl.rut": "Chilean RUT numbers", "cn.ric": "Chinese resident ids", "cz.rc": "Czech birth numbers",
    "de.idnr": "German tax ids", "ee.ik": "Estonian personal codes", "es.dni": "Spanish DNI numbers", "es.nie": "Spanish NIE numbers",
    "fi.hetu": "Finnish identity codes", "fr.nir": "French insurance numbers", "gr.amka": "Greek insurance numbers",
    "hr.oib": "Croatian OIB numbers", "ie.pps": "Irish PPS numbers", "il.idnr": "Israeli ids", "in_.aadhaar": "Indian Aadhaar numbers",
    "is_.kennitala": "Icelandic identity codes", "it.codicefiscale": "Italian codici fiscali", "kr.rrn": "Korean registration numbers",
    "lt.asmens": "Lithuanian personal codes", "mx.curp": "Mexican CURP codes", "nl.bsn": "Dutch BSN numbers", "no.fodselsnummer": "Norwegian birth numbers",
    "nz.ird": "New Zealand tax numbers", "pl.pesel": "Polish PESEL numbers", "pt.nif": "Portuguese tax numbers",
    "ro.cnp": "Romanian personal codes", "ru.inn": "Russian tax numbers", "se.personnummer": "Swedish personal numbers", "si.emso": "Slovenian ids",
    "tr.tckimlik": "Turkish ids", "za.idnr": "South African ids", "iban": "bank accounts (IBAN)",
}  # fmt: skip
MOST = 0.97
MIN_DISTINCT = 20
"""Different values from which a check digit that fits them all is no chance."""
FIRST = 12
"""Values that are tried before all are."""
SSN = re.compile(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]")
PAN = re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]")
FORMS = {
    "US social security numbers": SSN,
    "British insurance numbers": NINO,
    "Indian tax numbers (PAN)": PAN,
    "Danish CPR numbers": re.compile(r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d{2}-\d{4}"),
}
CARD = re.compile(r"(?:1800|2131|2[2-7]|3|4|5|6)[\d -]{10,22}")


def kind_of_number(values: Sequence[str]) -> str | None:
    """What sort of personal number the different values are, if they surely are one."""
    if len(values) < MIN_DISTINCT or sum(any(map(str.isdigit, value)) for value in values) < MOST * len(
        values
    ):
        return None
    for what, form in FORMS.items():
        if _most(partial(_has_form, form), values):
            return what
    if _most(_is_card, values):
        return "numbers of payment cards"
    return next((what for name, what in COUNTRIES.items() if _most(_valid(name), values)), None)


def _most(test: Callable[[str], bool], values: Sequence[str]) -> bool:
    if sum(map(test, values[:FIRST])) < MOST * FIRST - 1:
        return False
    return sum(map(test, values)) >= MOST * len(values)


def _has_form(form: re.Pattern[str], value: str) -> bool:
    return form.fullmatch(value) is not None


def _is_card(value: str) -> bool:
    return CARD.fullmatch(value) is not None and _luhn(re.sub(r"\D", "", value))


def _luhn(digits: str) -> bool:
    return 12 <= len(digits) <= 19 and bool(import_module("stdnum.luhn").is_valid(digits))


@cache
def _valid(name: str) -> Callable[[str], bool]:
    """Whether a text is such a number. It needs eight digits or letters, since shorter ones pass by chance more often."""
    check = import_module(f"stdnum.{name}").is_valid

    def is_valid(value: str) -> bool:
        try:
            return len(re.sub(r"\W", "", value)) >= 8 and bool(check(value))
        except (
            ArithmeticError,
            LookupError,
            ValueError,
        ):  # some look up a place or a date that no such number has
            return False

    return is_valid
