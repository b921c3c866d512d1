"""Columns that may identify a person: told by their values first and their names second."""

import ipaddress
import re
from collections.abc import Callable, Sequence

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess
from accord.data.infer.hints import says
from accord.data.infer.national_ids import kind_of_number
from accord.data.infer.people import (
    share_of_full_names,
    share_of_single_names,
    share_spelled_as_names,
    share_with_names,
    share_with_titles,
)
from accord.data.infer.phones import are_phones, could_be_phones, is_phone
from accord.data.infer.streets import is_address
from accord.data.infer.times import BIRTHS

MOST = 0.9
"""Share of the different values that have to look alike."""
MANY = 0.6
"""The same for addresses, which no form has all of, and for titles."""
FULL, WITH, SINGLE = 0.25, 0.75, 0.45
"""Shares of values that are a given name and a surname, that have either, and that are one, from which a column holds names of
people: no list has all names. Of 35,000 columns of public tables no other one came as far."""
SPELLED = 0.95
SHORT = 5
"""Letters up to which a word for a number is short."""
SOME = 0.25
"""The same in a column that is called like people."""
IN_TEXTS = 0.05
"""Share of texts with a mail address or a telephone number from which they tell of people."""
MIN_DISTINCT, MIN_NAMES = 4, 15
"""Different values from which a form, or names in a list, are no chance."""
MAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[A-Za-z]{2,}")
MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
DEGREES = re.compile(r"-?(?:1[0-7]|\d)?\d\.\d{3,}(?:[,;\s]+-?(?:1[0-7]|\d)?\d\.\d{3,})?")
PROFILE = re.compile(
    r"https?://\S*(?:linkedin\.com/in|facebook\.com|twitter\.com|x\.com|instagram\.com|github\.com)/\S+"
)
GIVEN = {
    "first name", "firstname", "fname", "given name", "forename", "middle name", "vorname", "prenom", "primer nombre", "nome proprio", "voornaam", "imie",
    "fornavn", "fornamn", "etunimi", "last name", "lastname", "lname", "surname", "family name", "maiden name", "nachname", "familienname", "nom de famille",
    "apellido", "apellidos", "cognome", "sobrenome", "apelido", "achternaam", "nazwisko", "etternavn", "efternamn", "efternavn", "sukunimi", "full name", "fullname",
    "фамилия", "имя", "отчество", "contact name", "person name", "patient name", "customer name", "client name", "employee name", "student name", "user real name",
    "nombre completo", "nom complet", "nome completo", "nombre y apellidos",
}  # fmt: skip
"""Words for names of people and nothing else."""
NAMES = {
    "name", "names", "nom", "nombre", "nome", "naam", "navn", "namn", "customer", "client", "patient", "author", "owner", "player", "employee", "contact",
    "passenger", "teacher", "student", "candidate", "manager", "agent", "doctor", "physician", "applicant", "driver", "guest", "seller", "buyer", "kunde",
    "ansprechpartner", "inhaber", "cliente", "paciente", "salesperson", "sales rep", "holder", "cardholder", "beneficiary", "signatory", "member", "person",
    "recipient", "sender", "spouse", "mother", "father", "parent", "guardian", "emergency contact", "next of kin", "supervisor", "reporter", "assignee", "artist",
    "director", "actor", "host", "host name", "nurse", "attorney", "witness", "victim", "suspect", "officer",
}  # fmt: skip
PHONES = {
    "phone", "phones", "telephone", "tel", "phone number", "phone no", "telefon", "telefono", "telefone", "telephone number", "mobile", "mobile number", "mobil",
    "cell", "cellphone", "handy", "handynummer", "rufnummer", "telefonnummer", "movil", "portable", "gsm", "fax", "msisdn", "whatsapp", "contact number", "contact no",
    "celular", "cellulare", "telefoon", "puhelin", "телефон", "telefonszam",
}  # fmt: skip
MAILS = {
    "mail",
    "email",
    "e mail",
    "email address",
    "mail address",
    "correo",
    "courriel",
    "posta",
    "mailadresse",
    "почта",
}
ADDRESSES = {
    "address", "addr", "street", "street address", "home address", "billing address", "shipping address", "adresse", "anschrift", "strasse", "wohnort adresse",
    "direccion", "domicilio", "calle", "indirizzo", "endereco", "morada", "adres", "straat", "rue", "ulica", "address line", "address1", "address2", "адрес", "osoite",
    "adress", "gatuadress",
}  # fmt: skip
NUMBERS = {
    "ssn", "social security", "social security number", "national id", "nin", "nino", "national insurance number", "national insurance", "tax id", "tax number", "tin", "steuer id",
    "steuernummer", "passport", "passport number", "passport no", "passnummer", "reisepass", "pasaporte", "passeport", "driver license", "drivers license", "driving licence",
    "driving license", "driver licence", "license number", "licence number", "license no", "fuehrerschein", "fuhrerschein", "license plate", "licence plate", "number plate", "plate", "plate number",
    "kennzeichen", "autokennzeichen", "matricula", "immatriculation", "targa", "vehicle registration", "registration plate", "vin", "health insurance", "insurance number", "medicare number", "medicaid id", "mrn",
    "medical record", "medical record number", "krankenversicherung", "versichertennummer", "sozialversicherungsnummer", "svnr", "iban", "bic", "account number", "account no", "acct no", "bank account",
    "kontonummer", "cuenta bancaria", "credit card", "card number", "card no", "cc number", "creditcard", "debit card", "ccnum", "pan", "cvv", "dni", "nif", "nie", "nir", "bsn", "cpf", "pesel",
    "personnummer", "cpr", "aadhaar", "aadhar", "codice fiscale", "curp", "rut", "cedula", "id card", "identity card", "identity number", "identity document", "personal id", "personal number",
    "personalausweis", "ausweisnummer", "numero de securite sociale", "numero securite sociale", "health card", "nhs number", "nhs no", "sin", "imei", "imsi", "mac address", "device id", "advertising id",
    "id number", "national number", "rodne cislo", "hetu", "voter id", "policy number", "policy no",
}  # fmt: skip
HANDLES = {
    "username", "user name", "login", "login name", "userid name", "handle", "twitter", "nickname", "nick", "screen name", "benutzername", "usuario", "instagram", "facebook",
    "skype", "telegram", "linkedin", "github", "password", "passwort", "password hash", "contrasena",
}  # fmt: skip
THINGS = {
    "color", "colour", "farbe", "couleur", "city", "town", "stadt", "ville", "ciudad", "citta", "cidade", "ort", "state", "county", "country", "region", "brand", "make",
    "model", "product", "item", "team", "company", "month", "street name", "species", "hurricane", "storm", "ship", "vessel",
}  # fmt: skip
PLACES = {"latitude", "longitude", "lat", "lon", "lng", "long", "coordinates", "geo", "gps"}
HOMES = {"home", "user", "customer", "client", "patient", "residence", "residential", "person", "rider", "member", "dropoff home", "house hold", "household", "living", "subject", "employee"}  # fmt: skip
MOVING = {"ip", "ip address", "ipaddress", "ip addr", "ipv4", "ipv6", "client ip", "remote addr"}


def personal(facts: Facts) -> tuple[Guess, ...]:
    """That a column may identify a person, what of it the log should keep, and that it is no feature if it names the person. No
    reason shows a value."""
    if facts.is_instant:
        return _kept("dates of birth, by its name") if says(facts.source, BIRTHS) else ()
    if _is_place(facts):
        return _kept("where a person lives or is, by its name and range")
    values = [value for value in facts.sample if value] if facts.is_text or facts.is_whole else []
    if not values:
        return ()
    what = _by_values(values, says(facts.source, THINGS) is None) or _by_name(facts, values)
    if what is not None:
        return _kept(what) if what.startswith("dates") else (*_kept(what), _info(what))
    if facts.is_text and sum(_tells_of_people(value) for value in values) >= max(2, IN_TEXTS * len(values)):
        what = "texts with mail addresses or telephone numbers in them"
        return Guess("pii", "drop", what, "no pii, or pii: hash"), _info(what)
    return ()


def _kept(what: str) -> tuple[Guess, ...]:
    return (Guess("pii", "hash", what, "no pii, or pii: drop"),)


def _info(what: str) -> Guess:
    return Guess("role", "info", f"names a person, not what people have in common: {what}", "role: feature")


def _by_values(values: Sequence[str], may_be_names: bool) -> str | None:
    """What the values look like, whatever the column is called. Names of colours, towns and makes are names of people too."""
    if len(values) < MIN_DISTINCT:
        return None
    for what, test in FORMS.items():
        if (share := _share(test, values)) >= MOST:
            return f"{what}, as {share:.0%} of its different values look"
    if _are_ips(values):
        return "IP addresses, by how its values are written"
    if are_phones(values):
        return "telephone numbers, by how its values are written"
    if (number := kind_of_number(values)) is not None:
        return f"{number}, by their form and check digits"
    if (share := _share(is_address, values)) >= MANY:
        return f"addresses, as {share:.0%} of its different values look"
    return _as_names(values) if may_be_names and len(values) >= MIN_NAMES else None


def _as_names(values: Sequence[str]) -> str | None:
    if (share := share_with_titles(values)) >= MANY:
        return f"names of people: {share:.0%} of its different values have a title such as Mr"
    if share_spelled_as_names(values) < SPELLED:
        return None
    full, single = share_of_full_names(values), share_of_single_names(values)
    if full >= WITH or (full >= FULL and share_with_names(values) >= WITH):
        return f"names of people: {full:.0%} of its different values are a given name and a surname that lists have"
    if single >= SINGLE:
        return f"names of people: {single:.0%} of its different values are in lists of names"
    return None


def _by_name(facts: Facts, values: Sequence[str]) -> str | None:
    """What the column is called, where its values could be that."""
    for what, said, could_be in CALLED:
        if (word := says(facts.source, said)) is not None and could_be(facts, values):
            return f"{what}, by its name ({word}) and what its values could be"
    return None


def _is_place(facts: Facts) -> bool:
    """Whether the column is named like where a person lives, and has degrees to three places or more."""
    if not (says(facts.source, PLACES) and says(facts.source, HOMES)) or facts.n_distinct < MIN_NAMES:
        return False
    return _share(_matches(DEGREES), facts.sample) >= MOST


def _share(test: Callable[[str], bool], values: Sequence[str]) -> float:
    return sum(map(test, values)) / len(values)


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _are_ips(values: Sequence[str]) -> bool:
    """Whether the values are addresses of the internet and no versions of something, whose numbers are small."""
    large = [value for value in values if ":" in value or any(len(part) == 3 for part in value.split("."))]
    return _share(_is_ip, values) >= MOST and len(large) >= len(values) / 2


def _tells_of_people(value: str) -> bool:
    if MAIL.search(value):
        return True
    return (
        any(is_phone(found) for found in re.findall(r"\+?\(?\d[\d\s().\-]{7,18}\d", value))
        and len(value) > 25
    )


def _are_varied(facts: Facts) -> bool:
    return facts.n_distinct >= MIN_NAMES or (facts.uniqueness > 0.5 and facts.n_distinct >= MIN_DISTINCT)


def _are_numbers(facts: Facts, values: Sequence[str]) -> bool:
    """Whether the values could be the numbers of papers: nearly each another, and as long. A short word for them may mean
    something else, such as near infrared, so that it asks for more."""
    signs = [re.sub(r"[\s\-./*•]", "", value) for value in values]
    lengths = sorted(len(sign) for sign in signs if sign.isalnum() and any(map(str.isdigit, sign)))
    if not _are_varied(facts) or facts.uniqueness < 0.1 or len(lengths) < MOST * len(values):
        return False
    low, high = lengths[len(lengths) // 20], lengths[-1 - len(lengths) // 20]
    word = says(facts.source, NUMBERS) or ""
    return (low >= 7 and high - low <= 1) if len(word) <= SHORT else (low >= 4 and high <= 34)


def _could_be_people(facts: Facts, values: Sequence[str]) -> bool:
    if not _are_varied(facts) or share_spelled_as_names(values) < 0.8:
        return False
    return max(share_of_full_names(values), share_of_single_names(values)) >= SOME


FORMS: dict[str, Callable[[str], bool]] = {
    "mail addresses": _matches(MAIL),
    "addresses of devices (MAC)": _matches(MAC),
    "profiles of people": _matches(PROFILE),
}
CALLED: tuple[tuple[str, set[str], Callable[[Facts, Sequence[str]], bool]], ...] = (
    ("mail addresses", MAILS, lambda facts, values: sum("@" in value for value in values) > len(values) / 2),
    ("IP addresses", MOVING, lambda facts, values: _share(_is_ip, values) > 0.5),
    ("telephone numbers", PHONES, lambda facts, values: _are_varied(facts) and could_be_phones(values)),
    ("names of people", GIVEN, lambda facts, values: _are_varied(facts) and share_spelled_as_names(values) >= MOST),
    ("names of people", NAMES, _could_be_people),
    ("addresses", ADDRESSES, lambda facts, values: facts.is_text and _are_varied(facts) and _share(lambda value: any(map(str.isdigit, value)) and any(map(str.isalpha, value)), values) > 0.5),
    ("numbers of a person", NUMBERS, _are_numbers),
    ("names of users", HANDLES, lambda facts, values: facts.is_text and _are_varied(facts) and facts.uniqueness > 0.2 and _share(lambda value: " " not in value, values) >= MOST),
    ("dates of birth", BIRTHS, lambda facts, values: _are_varied(facts) and _share(_matches(re.compile(r"[\d./\- ]{6,}|\d{1,2}\.? \w+ \d{4}")), values) >= MOST),
)  # fmt: skip
