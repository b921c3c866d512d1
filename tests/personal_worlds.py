"""Columns of a table that identify people, and honest ones that look like them, each made from a seed."""

import string
from collections.abc import Callable
from typing import Any

import numpy as np
from faker import Faker
from faker.config import AVAILABLE_LOCALES
from stdnum import luhn
from stdnum.es import dni
from stdnum.nl import bsn

Made = list[Any]
"""The values of a column."""
N = 400


class Maker:
    """Makes columns, the same ones for the same seed."""

    def __init__(self, seed: int, n: int = N) -> None:
        self.rng, self.n, self.seed = np.random.default_rng(seed), n, seed

    def fake(self, what: str, locale: str = "en_US", **arguments: Any) -> Made:
        assert locale in AVAILABLE_LOCALES
        faker = Faker(locale)
        faker.seed_instance(self.seed)
        return [getattr(faker, what)(**arguments) for _ in range(self.n)]

    def any(self, *values: Any) -> Made:
        return [values[i] for i in self.rng.integers(len(values), size=self.n)]

    def digits(self, n: int) -> str:
        return "".join(map(str, self.rng.integers(0, 10, n)))

    def form(self, form: str) -> Made:
        """Texts in which # stands for a digit and A for a capital."""
        signs = {"#": string.digits, "A": string.ascii_uppercase}
        return [
            "".join(str(self.rng.choice(list(signs[sign]))) if sign in signs else sign for sign in form)
            for _ in range(self.n)
        ]

    def whole(self, low: int, high: int) -> Made:
        return self.rng.integers(low, high, self.n).tolist()

    def real(self, mean: float, spread: float, places: int = 2) -> Made:
        return np.round(self.rng.normal(mean, spread, self.n), places).tolist()

    def checked(self, make: Callable[[str], str], n: int) -> Made:
        return [make(self.digits(n)) for _ in range(self.n)]

    def dates(self, first: str, last: str) -> Made:
        days = np.arange(np.datetime64(first), np.datetime64(last))
        return self.rng.choice(days, self.n).astype("datetime64[us]").tolist()


def _dutch(start: str) -> str:
    """A Dutch number from its first digits."""
    return (
        next(start[:8] + d for d in string.digits if bsn.is_valid(start[:8] + d))
        if any(bsn.is_valid(start[:8] + d) for d in string.digits)
        else "111222333"
    )


NAMES = [
    "Owen Braund",
    "Florence Cumings",
    "Laina Heikkinen",
    "Jacques Futrelle",
    "William Allen",
    "James Moran",
    "Timothy McCarthy",
    "Gosta Palsson",
    "Oscar Johnson",
    "Nicholas Nasser",
    "Marguerite Sandstrom",
    "Elizabeth Bonnell",
    "William Saundercock",
    "Anders Andersson",
    "Hulda Vestrom",
    "Mary Hewlett",
    "Eugene Rice",
    "Charles Williams",
    "Julius Vander Planke",
    "Fatima Masselmani",
    "Joseph Fynney",
    "Lawrence Beesley",
    "Anna McGowan",
    "William Sloper",
    "Torborg Palsson",
    "Carl Asplund",
    "Farred Emir",
    "Charles Fortune",
    "Ellen O'Dwyer",
    "Lalio Todoroff",
    "Manuel Uruchurtu",
    "Mary Glynn",
    "Edward Wheadon",
    "Edgar Meyer",
    "Alexander Holverson",
]
PLANTED: dict[str, tuple[str, Callable[[Maker], Made]]] = {
    "French names": ("v11", lambda m: m.fake("name", "fr_FR")),
    "Portuguese names": ("v12", lambda m: m.fake("name", "pt_BR")),
    "Chinese names": ("v13", lambda m: m.fake("name", "zh_CN")),
    "Turkish names": ("v14", lambda m: m.fake("name", "tr_TR")),
    "Swedish names": ("v15", lambda m: m.fake("name", "sv_SE")),
    "Italian telephones": ("v16", lambda m: m.fake("phone_number", "it_IT")),
    "Italian streets": ("v17", lambda m: m.fake("street_address", "it_IT")),
    "Swedish streets": ("v18", lambda m: m.fake("street_address", "sv_SE")),
    "Polish streets": ("v19", lambda m: m.fake("street_address", "pl_PL")),
    "mail": ("email", lambda m: m.fake("email")),
    "mail, by its values": ("x1", lambda m: m.fake("ascii_company_email", "fr_FR")),
    "full names": ("name", lambda m: m.fake("name")),
    "full names, by their values": ("col_3", lambda m: m.fake("name", "en_GB")),
    "German names": ("Ansprechpartner", lambda m: m.fake("name", "de_DE")),
    "Spanish names": ("v7", lambda m: m.fake("name", "es_ES")),
    "Polish names": ("v8", lambda m: m.fake("name", "pl_PL")),
    "Japanese names": ("v9", lambda m: m.fake("name", "ja_JP")),
    "Russian names": ("v10", lambda m: m.fake("name", "ru_RU")),
    "names after surnames": ("passenger", lambda m: [f"{v.split()[-1]}, {v.split()[0]}" for v in m.any(*NAMES)]),
    "names by hand": ("who", lambda m: m.any(*NAMES)),
    "names in capitals": ("holder", lambda m: [v.upper() for v in m.fake("name")]),
    "titles": ("signed_by", lambda m: [f"Dr. {v}" for v in m.any(*NAMES)]),
    "given names": ("first_name", lambda m: m.fake("first_name")),
    "given names, by their values": ("x4", lambda m: m.fake("first_name", "it_IT")),
    "surnames": ("Nachname", lambda m: m.fake("last_name", "de_DE")),
    "surnames, by their values": ("x5", lambda m: m.fake("last_name")),
    "apellidos": ("Apellidos", lambda m: m.fake("last_name", "es_MX")),
    "telephones": ("phone", lambda m: m.fake("phone_number")),
    "telephones, as integers": ("mobile_no", lambda m: m.whole(2_000_000_000, 9_999_999_999)),
    "telephones abroad": ("x6", lambda m: m.form("+346########")),
    "German telephones": ("Telefon", lambda m: m.fake("phone_number", "de_DE")),
    "French telephones": ("x11", lambda m: m.fake("phone_number", "fr_FR")),
    "British telephones": ("x12", lambda m: m.fake("phone_number", "en_GB")),
    "North American telephones": ("contact", lambda m: m.form("(415) 555-####")),
    "addresses": ("address", lambda m: [v.replace("\n", ", ") for v in m.fake("address")]),
    "streets": ("x13", lambda m: m.fake("street_address", "en_US")),
    "German streets": ("x14", lambda m: m.fake("street_address", "de_DE")),
    "French streets": ("adresse", lambda m: m.fake("street_address", "fr_FR")),
    "Spanish streets": ("x15", lambda m: m.fake("street_address", "es_ES")),
    "Dutch streets": ("x16", lambda m: m.fake("street_address", "nl_NL")),
    "social security numbers": ("ssn", lambda m: m.fake("ssn")),
    "social security numbers, by their values": ("x17", lambda m: m.fake("ssn")),
    "IBAN": ("x18", lambda m: m.fake("iban", "de_DE")),
    "IBAN in groups": ("konto", lambda m: [" ".join(v[i : i + 4] for i in range(0, len(v), 4)) for v in m.fake("iban", "fr_FR")]),
    "payment cards": ("x19", lambda m: m.fake("credit_card_number")),
    "payment cards, as integers": ("card_number", lambda m: [int(v) for v in m.fake("credit_card_number", card_type="visa16")]),
    "masked cards": ("credit_card", lambda m: m.form("************####")),
    "DNI": ("x20", lambda m: m.checked(lambda d: d + dni.calc_check_digit(d), 8)),
    "BSN": ("x21", lambda m: m.checked(_dutch, 8)),
    "codice fiscale": ("x22", lambda m: m.fake("ssn", "it_IT")),
    "PESEL": ("x23", lambda m: m.fake("ssn", "pl_PL")),
    "NIR": ("x24", lambda m: m.fake("ssn", "fr_FR")),
    "Swedish numbers": ("x25", lambda m: m.fake("ssn", "sv_SE")),
    "Finnish codes": ("x26", lambda m: m.fake("ssn", "fi_FI")),
    "CPF": ("x27", lambda m: m.fake("cpf", "pt_BR")),
    "British insurance numbers": ("nino", lambda m: m.form("AB ## ## ## C")),
    "passports": ("passport_no", lambda m: m.fake("passport_number")),
    "licences": ("driver_license", lambda m: m.form("A####-#####-#####")),
    "plates": ("license_plate", lambda m: m.fake("license_plate")),
    "IP": ("x28", lambda m: m.fake("ipv4_public")),
    "IPv6": ("x29", lambda m: m.fake("ipv6")),
    "MAC": ("x30", lambda m: m.fake("mac_address")),
    "births": ("date_of_birth", lambda m: m.dates("1930-01-01", "2005-01-01")),
    "Geburtsdatum": ("Geburtsdatum", lambda m: [d.strftime("%d.%m.%Y") for d in m.dates("1930-01-01", "2005-01-01")]),
    "users": ("username", lambda m: m.fake("user_name")),
    "homes": ("home_latitude", lambda m: m.real(52, 3, 5)),
    "texts with mails": ("notes", lambda m: [f"{t} Please write to {a} soon." for t, a in zip(m.fake("sentence"), m.fake("email"), strict=True)]),
    "medical records": ("MRN", lambda m: m.whole(1_000_000, 9_999_999)),
}  # fmt: skip
"""What is planted: the column's name and its values."""
HONEST: dict[str, tuple[str, Callable[[Maker], Made]]] = {
    "product codes": ("product_code", lambda m: m.form("AA-####-A")),
    "cities": ("city", lambda m: m.fake("city")),
    "German cities": ("x1", lambda m: m.fake("city", "de_DE")),
    "well-known cities": ("place", lambda m: m.any(*["London", "Paris", "Berlin", "Madrid", "Rome", "Vienna", "Houston", "Austin", "Dallas", "Phoenix", "Jackson", "Lincoln", "Denver", "Seattle", "Boston", "Chicago", "Orlando", "Memphis", "Sydney", "Florence", "York", "Hamburg", "Lyon"])),
    "cities of two words": ("x9", lambda m: m.any(*["San Jose", "Los Angeles", "New York", "San Diego", "Fort Worth", "El Paso", "Las Vegas", "Long Beach", "Virginia Beach", "Kansas City", "Colorado Springs", "New Orleans", "Santa Ana", "Saint Paul", "Jersey City", "St. Louis", "Santa Clara", "Santa Rosa", "San Antonio", "Palm Bay", "Cape Coral", "Grand Rapids"])),
    "teams": ("team", lambda m: m.any(*["Boston Celtics", "Chicago Bulls", "Utah Jazz", "Miami Heat", "Orlando Magic", "Phoenix Suns", "Denver Nuggets", "Houston Rockets", "Dallas Mavericks", "Brooklyn Nets", "Indiana Pacers", "Detroit Pistons", "Atlanta Hawks", "Charlotte Hornets", "Washington Wizards", "Memphis Grizzlies", "San Antonio Spurs", "Portland Trail Blazers"])),
    "films": ("title", lambda m: m.any(*["Forrest Gump", "The Godfather", "Jurassic Park", "Pulp Fiction", "Annie Hall", "Erin Brockovich", "Mary Poppins", "Citizen Kane", "Taxi Driver", "Blade Runner", "Jackie Brown", "Rocky", "Top Gun", "Star Wars", "Notting Hill", "Mean Girls", "Good Will Hunting", "Raging Bull", "Toy Story", "Fight Club"])),
    "streets without numbers": ("street_name", lambda m: m.fake("street_name")),
    "foods": ("item", lambda m: m.any(*["Red Rose", "Olive Oil", "Ginger Ale", "Basil Pesto", "Rosemary Bread", "Daisy Flour", "Coco Pops", "Earl Grey", "Granny Smith", "Pink Lady", "Ruby Port", "Amber Ale", "Caesar Salad", "Victoria Sponge", "Mary Biscuits", "Anna Potatoes"])),
    "words of an order": ("x10", lambda m: m.fake("catch_phrase")),
    "countries": ("country", lambda m: m.fake("country")),
    "states": ("state", lambda m: m.fake("state")),
    "zip codes": ("zip", lambda m: m.form("0####")),
    "long zip codes": ("zip_plus", lambda m: m.form("#####-####")),
    "British postcodes": ("postcode", lambda m: m.form("AA# #AA")),
    "cars": ("name", lambda m: m.any(*["chevrolet chevelle malibu", "buick skylark 320", "plymouth satellite", "amc rebel sst", "ford torino", "ford galaxie 500", "pontiac catalina", "toyota corona mark ii", "datsun pl510", "volkswagen 1131", "peugeot 504", "audi 100 ls", "saab 99e", "bmw 2002", "dodge dart custom", "mazda rx2 coupe", "fiat 124b", "opel 1900", "honda civic"])),
    "makes": ("make", lambda m: m.any(*["Ford", "Mercedes", "Lincoln", "Chrysler", "Honda", "Toyota", "Bentley", "Porsche", "Ferrari", "Dodge", "Chevrolet", "Buick", "Tesla", "Opel", "Fiat", "Renault", "Peugeot"])),
    "models": ("model_name", lambda m: [f"{a} {b}" for a, b in zip(m.any("Galaxy", "Pixel", "Xperia", "Nova", "Razr", "iPhone"), m.whole(1, 40), strict=True)]),
    "companies": ("customer", lambda m: [f"{w} Inc" for w in m.fake("word")]),
    "fake companies": ("x2", lambda m: m.fake("company")),
    "German companies": ("client", lambda m: m.fake("company", "de_DE")),
    "jobs": ("job", lambda m: m.fake("job")),
    "colours": ("color_name", lambda m: m.fake("color_name")),
    "currencies": ("currency", lambda m: m.fake("currency_name")),
    "months": ("month", lambda m: m.any(*["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"])),
    "prices": ("price", lambda m: m.real(50, 10)),
    "cents": ("amount_cents", lambda m: m.whole(100_000_000, 99_999_999_999)),
    "order numbers": ("order_number", lambda m: m.form("2024-######")),
    "order numbers, digits": ("order_no", lambda m: m.whole(10_000_000, 99_999_999)),
    "ten digits": ("x3", lambda m: m.whole(2_000_000_000, 9_999_999_999)),
    "invoices": ("invoice", lambda m: m.form("INV-######")),
    "parts": ("part", lambda m: m.form("###-##-####")),
    "parts of ten digits": ("part_no", lambda m: m.form("###-###-###")),
    "flights": ("flight", lambda m: m.form("AA####")),
    "tails": ("tailnum", lambda m: m.form("N###AA")),
    "ISBN": ("isbn", lambda m: m.fake("isbn13")),
    "ISBN-10": ("x4", lambda m: m.fake("isbn10")),
    "EAN": ("ean", lambda m: m.fake("ean13")),
    "EAN, as integers": ("x5", lambda m: [int(v) for v in m.fake("ean13")]),
    "versions": ("version", lambda m: [f"{a}.{b}.{c}.{d}" for a, b, c, d in m.rng.integers(0, 20, (m.n, 4))]),
    "UUIDs": ("uuid", lambda m: m.fake("uuid4")),
    "hashes": ("sha", lambda m: m.fake("sha1")),
    "times": ("created", lambda m: m.dates("2020-01-01", "2024-01-01")),
    "days as text": ("x6", lambda m: [d.strftime("%d/%m/%Y") for d in m.dates("2020-01-01", "2024-01-01")]),
    "clock": ("departure", lambda m: m.form("1#:##")),
    "compact days": ("x7", lambda m: [int(d.strftime("%Y%m%d")) for d in m.dates("2020-01-01", "2024-01-01")]),
    "unix times": ("ts", lambda m: m.whole(1_600_000_000, 1_700_000_000)),
    "stations": ("station_latitude", lambda m: m.real(52, 3, 5)),
    "longitudes": ("longitude", lambda m: m.real(4, 3, 5)),
    "calls": ("phone_calls", lambda m: m.whole(0, 40)),
    "minutes on the phone": ("mobile_minutes", lambda m: m.whole(0, 4_000)),
    "mails sent": ("emails_sent", lambda m: m.whole(0, 400)),
    "address counts": ("address_count", lambda m: m.whole(0, 9)),
    "names of levels": ("name_type", lambda m: m.any("short", "long", "nick")),
    "species": ("species", lambda m: m.any("Adelie", "Chinstrap", "Gentoo")),
    "ages": ("age", lambda m: m.whole(18, 90)),
    "sexes": ("sex", lambda m: m.any("male", "female")),
    "incomes": ("income", lambda m: m.whole(10_000, 400_000)),
    "populations": ("population", lambda m: m.whole(1_000, 30_000_000)),
    "salaries": ("person_income", lambda m: m.real(60_000, 9_000)),
    "customer grades": ("customer", lambda m: m.any("gold", "silver", "bronze")),
    "sizes": ("dimensions", lambda m: [f"{a} x {b} cm" for a, b in m.rng.integers(1, 90, (m.n, 2))]),
    "reviews": ("review", lambda m: m.fake("sentence")),
    "sites": ("url", lambda m: m.fake("url")),
    "drugs": ("drug", lambda m: m.any(*["aspirin", "ibuprofen", "paracetamol", "metformin", "atorvastatin", "lisinopril", "amlodipine", "omeprazole", "simvastatin", "losartan", "albuterol", "gabapentin", "sertraline", "furosemide", "prednisone", "tramadol"])),
    "wines": ("wine", lambda m: [f"{a} {b}" for a, b in zip(m.any("Chateau Margaux", "Barolo Riserva", "Rioja Alta", "Pinot Noir"), m.whole(1980, 2020), strict=True)]),
    "airports": ("origin", lambda m: m.any("JFK", "LGA", "EWR", "BOS", "LAX", "SFO")),
    "measures": ("sensor_12", lambda m: m.real(0, 1, 6)),
    "checked numbers of six digits": ("x8", lambda m: m.checked(lambda d: d + luhn.calc_check_digit(d), 5)),
    "house types": ("house_type", lambda m: m.any("Detached 3 bed", "Terrace 2 bed", "Flat 1 bed")),
    "licences of software": ("license", lambda m: m.any("MIT", "GPL-3.0", "Apache-2.0", "BSD-3")),
}  # fmt: skip
"""What is honest, as the planted ones."""
