"""What a column's name says: its words, told apart however they are joined."""

import re
import unicodedata
from collections.abc import Collection

JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|[\W_]+")
"""Where a word ends: before a capital, before a digit, or at any sign."""


def words(name: str) -> tuple[str, ...]:
    """The words of a name, in small letters without accents.

    >>> words("customerID"), words("Date de naissance"), words("X2nd_flr")
    (('customer', 'id'), ('date', 'de', 'naissance'), ('x', '2nd', 'flr'))
    """
    return tuple(
        word for word in JOINED.split(plain(name, keep_case=True)) for word in [word.lower()] if word
    )


def plain(text: str, keep_case: bool = False) -> str:
    """The text without accents, in small letters.

    >>> plain("Größe"), plain("Matrícula")
    ('grosse', 'matricula')
    """
    decomposed = unicodedata.normalize(
        "NFKD",
        text.replace("ß", "ss").replace("ø", "o").replace("ł", "l").replace("Ł", "L").replace("Ø", "O"),
    )
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    bare = unicodedata.normalize("NFC", bare)  # Korean syllables are whole again
    return bare if keep_case else bare.lower()


def says(name: str, phrases: Collection[str]) -> str | None:
    """The longest of the phrases that the name holds, as whole words next to each other or written together.

    >>> says("Home_Phone", {"phone", "mobile"}), says("firstname", {"first name"}), says("telephone_booths", {"phone"})
    ('phone', 'first name', None)
    """
    spoken = words(name)
    runs = {" ".join(spoken[i:j]) for i in range(len(spoken)) for j in range(i + 1, len(spoken) + 1)}
    together = "".join(spoken)
    found = [phrase for phrase in phrases if phrase in runs or phrase.replace(" ", "") in (*spoken, together)]
    return max(found, key=lambda phrase: (len(phrase), phrase), default=None)
