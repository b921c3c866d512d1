"""What all pages share: how templates are filled in, and the style sheet that they include."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from accord.page import markup, words


def environment(templates: Path) -> Environment:
    """Jinja for a folder of templates. All values that aren't markup are escaped, since names and levels come from users' data."""
    environment = Environment(
        loader=FileSystemLoader([templates, Path(__file__).parent]),
        autoescape=True,
        finalize=markup.plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": words.number, "count": "{:,}".format}
    environment.globals |= {
        "BETTER": words.BETTER,
        "SPLITS": words.SPLITS, "VERDICTS": words.VERDICTS, "verdict": words.verdict,
        "security_policy": markup.security_policy,
    }  # fmt: skip
    return environment
