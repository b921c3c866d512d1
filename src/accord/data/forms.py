"""Forms that numbers, dates and truth are often written in, to be tried on values that aren't written as programs write them."""

from collections.abc import Mapping, Sequence

DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d/%m/%y", "%m/%d/%y", "%d %B %Y", "%d %b %Y", "%B %d, %Y")  # fmt: skip
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
CURRENCIES = "$€£¥₹₽₩₺₪₫฿"
CURRENCY_CODES = ("USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "CNY", "INR", "BRL", "MXN", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "TRY", "ZAR", "KRW", "SGD", "HKD", "Rs", "kr")  # fmt: skip
MARKS: Sequence[Mapping[str, str]] = (
    {}, {"thousands": ","}, {"decimal": ","}, {"decimal": ",", "thousands": "."}, {"thousands": " "}, {"thousands": "'"},
    {"decimal": ",", "thousands": " "}, {"decimal": ",", "thousands": "\u00a0"}, {"decimal": ",", "thousands": "\u202f"},
)  # fmt: skip
"""The signs of numbers: the decimal point and what stands between groups of three digits, where a program would write neither."""
TRUTHS = {
    "true": "false", "yes": "no", "y": "n", "t": "f", "on": "off", "ja": "nein", "j": "n", "oui": "non", "si": "no", "sí": "no",
    "sim": "não", "tak": "nie", "да": "нет", "是": "否", "1": "0",
}  # fmt: skip
"""Words for true, each with its word for false."""
