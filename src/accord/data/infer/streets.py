"""Addresses of streets, as they are written in several countries."""

import re

WAYS = (
    "street|st|avenue|ave|av|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|square|sq|terrace|ter|way|parkway|pkwy|circle|cir|highway|hwy|"
    "alley|trail|trl|plaza|crescent|close|row|loop|mews|gardens|grove|hill|park|mount|ridge|view|walk|pike|turnpike|crossing|junction|extension|"
    "run|pass|path|branch|creek|forge|fork|forks|glen|green|harbor|haven|heights|hollow|inlet|island|isle|key|knoll|lake|landing|light|loaf|locks|"
    "manor|meadow|meadows|mill|mills|mission|motorway|mountain|neck|orchard|oval|overpass|passage|pine|pines|plain|plains|point|port|prairie|radial|"
    "ramp|ranch|rapid|rapids|rest|river|shoal|shore|spring|springs|spur|station|stravenue|stream|summit|throughway|trace|track|trafficway|tunnel|"
    "union|unions|valley|valleys|via|viaduct|village|ville|vista|wall|well|wells|skyway|shores|bridge|brook|brooks|burg|bypass|camp|canyon|cape|"
    "causeway|center|cliff|club|common|corner|corners|course|cove|crest|curve|dale|dam|divide|drives|estate|estates|expressway|falls|ferry|field|"
    "fields|flat|flats|ford|forest|fort|freeway|garden|gateway"
)
PATTERNS = (
    rf"\d+[a-z]?,?\s+(?:\S+\s+){{0,5}}(?:{WAYS})\b",  # 12 Long Lane, 1600 Pennsylvania Avenue NW
    r"\d+\s*(?:bis|ter)?,?\s+(?:rue|avenue|boulevard|chemin|place|impasse|all[ée]e|quai|route|cours|passage|square)\b",
    r"\b(?:rue|avenue|boulevard|chemin|impasse|all[ée]e|quai|route)\s+(?:de|du|des|d'|la|le)?\s*\S+.*\d",
    r"(?:stra(?:ß|ss)e|str\.?|weg|platz|allee|gasse|ring|ufer|damm|chaussee|steig|stieg|graben|markt)\s+\d+",
    r"(?:straat|laan|weg|plein|gracht|kade|dijk|singel|hof|pad|steeg|baan|dreef|dorp|boulevard|ring)\s+\d+",
    r"(?:gatan|v[äa]gen|gr[äa]nd|torget|stigen|vej|gade|veien|gata|vegen|bakken|svingen|stien|tunet|haugen|kroken|lia|moen|skogen|l[øo]kk[ae]n?|all[ée]|katu|tie|kuja|polku|utca|u\.|[úu]t|tere?|sokak|caddesi|sok\.|cad\.|bulvar\w?)\s*(?:no:?)?\s*\d+",
    r"\b(?:calle|c/|avenida|avda\.?|av\.|plaza|paseo|camino|ronda|urbanizaci[óo]n|v[íi]a|ca[ñn]ada|alameda|pasaje|glorieta|acceso|cuesta|vial|rambla|callej[óo]n|carrer)\s.*\d",
    r"\b(?:via|viale|piazza|piazzale|corso|vicolo|strada|largo|borgo|contrada|rotonda|incrocio|stretto|canale)\s.*\d",
    r"\b(?:rua|travessa|avenida|pra[çc]a|alameda|estrada|rodovia|largo|via|quadra|viela|vila|ladeira|passarela|esta[çc][ãa]o|jardim|s[íi]tio|lago(?:a)?|aeroporto|vale|vereda|recanto|residencial|loteamento|conjunto|distrito|favela|feira|fazenda|chácara|colônia|condomínio|campo|núcleo|morro|parque|pátio|setor|trecho|trevo|área|esplanada|lagoa)\s.*\d",
    r"(?:\bul\.|\bulica|\baleja|\bal\.|\bplac|\bpl\.|\bstr\.|\bstrada|\bulice|\bn[áa]m[ěe]st[íi])\s.*\d",
    r"(?:ул\.|улица|пр\.|проспект|пер\.|переулок|пл\.|бул\.|наб\.|ш\.|алл\.|вул\.|вулиця).*\d",
    r"\d+\s*(?:丁目|番|号)|[路街道巷].*\d+|\d+号|(?:로|길)\s*\d+|\d+\s?(?:로|길)",
    r"\bp\.?\s?o\.?\s?box\s+\d+|\bpostfach\s+\d+|\bapt\.?\s+\d+|\bsuite\s+\d+|\bpsc\s+\d+|\bunit\s+\d+\s+box\b|\b(?:uss|usns|usnv|usnsv)\s+\w+\nfpo",
)  # fmt: skip
ADDRESS = re.compile("|".join(f"(?:{pattern})" for pattern in PATTERNS), re.IGNORECASE)


def is_address(value: str) -> bool:
    """Whether the text seems to hold a street with its number.

    >>> is_address("12 Long Lane, Springfield"), is_address("Hauptstraße 5"), is_address("Kia Rio 1.4")
    (True, True, False)
    """
    return 6 <= len(value) <= 200 and ADDRESS.search(value) is not None
