"""Words that stand for a missing value, told apart from values."""

import polars as pl

from accord.data.infer.distinct import Words, edges

ALWAYS = frozenset(
    ("", "?", "??", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "<null>", "#null!", "\\n", "#value!", "#ref!", "#div/0!", "nat", "(null)", "[null]")
)  # fmt: skip
"""Programs write these for nothing else, in small letters."""
AMONG_NUMBERS = frozenset(
    ("-", "--", "---", "----", "\u2013", "\u2014", ".", "..", "...", "*", "**", "x", "none", "nil", "unknown", "unk", "missing", "not available", "not applicable",
     "not reported", "not recorded", "no data", "nodata", "undefined", "unspecified", "empty", "blank", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity",
     "k.a.", "k. a.", "s/d", "nd", "n.d.", "nc", "tbd", "#", "error", "invalid", "desconocido", "unbekannt", "inconnu")
)  # fmt: skip
"""Among numbers and dates these mean that there is none; elsewhere some are values of their own."""
SIGNS = frozenset(("-", "--", "---", "----", "\u2013", "\u2014", ".", "..", "..."))
"""Of these, the ones that are missing among other words too, unless all words are signs."""
NO_DAYS = r"^(0000-00-00|0001-01-01|9999-12-31|00/00/0000|00\.00\.0000)([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?$"
"""The days that databases write where there is none."""
CONTINENTS = frozenset(("AF", "AN", "AS", "EU", "NA", "OC", "SA"))
COUNTRY_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD
CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF
GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI
SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
VN VU WF WS XK YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(COUNTRY_CODES.split())
STATE_CODES = """
AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI
SC SD TN TX UT VT VA WA WV WI WY PR
"""
STATES = frozenset(STATE_CODES.split())
N_COUNTRIES = 40
SENTINELS = [
    sign * float(digits)
    for sign in (-1, 1)
    for digits in (*("9" * n for n in range(2, 10)), *("8" * n for n in range(3, 10)), "2147483648")
]
"""Numbers that are written for a missing one: digits that repeat, as -999."""
MIN_SENTINELS = 3


def always(words: Words) -> list[str]:
    """The words that mean a missing value whatever the column's type."""
    found = words.text.filter(words.text.str.to_lowercase().is_in(list(ALWAYS))).to_list()
    return [word for word in found if word != "NA"] if "NA" in found and _is_a_code(words) else found


def _is_a_code(words: Words) -> bool:
    """Whether NA is Namibia or North America among the others."""
    if len(words.text) > len(COUNTRIES) + 20:
        return False
    others = set(
        words.without(list(words.text.filter(words.text.str.to_lowercase().is_in(list(ALWAYS))))).text
    )
    if len(others) >= 3 and others <= CONTINENTS:
        return True
    return len(others & COUNTRIES) >= N_COUNTRIES and len(others - COUNTRIES) <= 5 and not others <= STATES


def among_numbers(words: Words) -> list[str]:
    """The further words that mean a missing value among numbers and dates."""
    return words.text.filter(words.text.str.to_lowercase().is_in(list(AMONG_NUMBERS))).to_list()


def among_instants(words: Words) -> list[str]:
    """The further words that mean a missing value among dates."""
    return [*among_numbers(words), *words.text.filter(words.matching(NO_DAYS))]


def among_words(words: Words) -> list[str]:
    """The further ones among other words: a dash, unless it is one sign of several."""
    if not words.matching(r"[\p{L}\p{N}]").any() or words.matching(r"^\++$").any():
        return []
    return words.text.filter(words.text.is_in(list(SIGNS))).to_list()


def sentinels(words: Words, numbers: pl.Series) -> list[str]:
    """The words among numbers, whose values are `numbers`, that are written for a missing one: they stand far outside the rest, and
    often."""
    least = max(MIN_SENTINELS, words.n_rows // 1000)
    rest, found = numbers.drop_nulls(), pl.Series([False]).new_from_index(0, len(numbers))
    for value in sorted(numbers.filter(numbers.is_in(SENTINELS)).unique(), key=abs, reverse=True):
        is_one, others = (numbers == value).fill_null(False), rest.filter(rest != value)
        if words.rows(is_one) >= least and others.n_unique() >= 2 and _is_far(value, others):
            rest, found = others, found | is_one
    return sorted(words.text.filter(found))


def may_be_sentinels(numbers: pl.Series) -> bool:
    """Whether some of the numbers, one for each row, have to be looked at."""
    return bool(numbers.is_in(SENTINELS).sum() >= MIN_SENTINELS)


def _is_far(value: float, rest: pl.Series) -> bool:
    low, high = edges(rest)
    gap = low - value if value < low else value - high
    is_only_negative = value < 0 <= low
    return gap > high - low or (is_only_negative and value <= -99)
