"""What every page is made with: how templates are filled in, and the style that they include."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from accord.page import markup, words


def environment(templates: Path) -> Environment:
    """Jinja over a folder of templates, set to show everything that isn't markup as text: names and levels come from users' data."""
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
        "METRIC_WORDS": words.METRIC_WORDS, "BETTER": words.BETTER, "DIRECTIONS": words.DIRECTIONS,
        "SPLITS": words.SPLITS, "VERDICTS": words.VERDICTS, "verdict": words.verdict,
        "security_policy": markup.security_policy,
    }  # fmt: skip
    return environment
