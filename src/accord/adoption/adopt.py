"""Adopting the template: the steps by which a clone becomes a project, each of which may be repeated.

What is to be done is checked as a whole and written to .accord/init.json before anything changes; the name in
pyproject.toml, by which a project is told from the template, changes last. So after a kill the same call goes on.

Nothing that the template has is deleted where a later version may edit it, for that would be a conflict of every merge: the
example's files move to docs/example, and git follows them. What both have in one place is left to .ci/merge-driver.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment, PackageLoader

from accord import code, dvc
from accord.adoption import project_name
from accord.adoption.plan import Adoption
from accord.config import compose, selection
from accord.config.selection import Selection
from accord.errors import AccordError
from accord.files import read_as, read_json, remove, write_json, write_text
from accord.paths import Paths
from accord.promotion import commits, releases

TEMPLATE = "accord"
EXAMPLE = {"data": ("flights",), "objective": ("balanced", "sales", "satisfaction")}
"""The options of conf/ that are the example: nothing else of the template needs them."""
NEUTRAL = {"data": "diabetes", "objective": "quality"}
"""What a project selects until it has a data set of its own: it runs in seconds."""
FIRST_VERSION = "0.1.0"
ATTRIBUTES = """\
# This project's own, of which a merge of the template leaves what is here: docs/your-project.md. make setup names the driver.
README.md            merge=project
pyproject.toml       merge=project
params.yaml          merge=project
conf/config.yaml     merge=project
dvc.lock             merge=project
conf.lock.yaml       merge=project
conf.lock/*          merge=project
data/batches.json    merge=project
models/champion.json merge=project
"""
TEST = '''\
"""What {name} adds to accord is tested here; `make test` runs it."""

from pathlib import Path

import {name}


def test_the_projects_own_package_is_the_one_in_src():
    assert Path({name}.__file__).parents[1] == Path(__file__).parents[2] / "src"
'''


def adopt(name: str, keeps_example: bool, paths: Paths) -> Adoption:
    """Makes this clone of the template the project `name`. Raises AccordError, with nothing changed, if it can't be."""
    if paths.adoption_plan.exists():
        plan = read_as(paths.adoption_plan, Adoption)
        if (plan.name, plan.keeps_example) != (name, keeps_example):
            raise AccordError(f"A project {plan.name} was begun here and not ended: accord init {plan.words}")
    else:
        plan = _planned(name, keeps_example, paths)
        write_json(paths.adoption_plan, plan)
    _carry_out(plan, paths)
    remove(paths.adoption_plan)
    return plan


def _planned(name: str, keeps_example: bool, paths: Paths) -> Adoption:
    _check_clone(paths)
    project_name.check(name, paths)
    _metadata(name, paths)
    before = selection.read(paths)
    after = before if keeps_example else _without_example(before, paths.conf)
    if not keeps_example:
        _check_composes(after, paths)
    is_of_example = before.groups["data"] in EXAMPLE["data"] and not keeps_example
    return Adoption(
        name=name,
        keeps_example=keeps_example,
        groups={group: after.groups[group] for group in EXAMPLE},
        drops_made=is_of_example,
        drops_released=is_of_example and _champion_is_of_example(paths),
    )


def _check_clone(paths: Paths) -> None:
    """Raises AccordError unless this is a clone of the template as git has it."""
    if not paths.git.exists():
        raise AccordError(
            f"There is no git repository in {paths.absolute.root}, by which later versions of the template come in; "
            "clone the template: git clone"
        )
    if (called := _is_called(paths)) not in ("", TEMPLATE):
        raise AccordError(f"This is the project {called} already; accord init is for a clone of the template")
    if commits.git(paths, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        raise AccordError(
            "Nothing is committed here, so that git could merge no later version of the template; clone it: git clone"
        )
    if changes := commits.changes(paths):
        named = ", ".join(change.file for change in changes[:3])
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        raise AccordError(f"Changes are not committed: {named}{more}; commit or stash them first")


def _without_example(before: Selection, conf: Path) -> Selection:
    """The selection with the neutral options in place of the example's."""
    of_example = {group for group, options in EXAMPLE.items() if before.groups[group] in options}
    if "data" in of_example:
        of_example = set(EXAMPLE)
    return selection.with_words(before, [f"{group}={NEUTRAL[group]}" for group in sorted(of_example)], conf)


def _check_composes(after: Selection, paths: Paths) -> None:
    """Raises AccordError if the selection doesn't do without the example's files."""
    with TemporaryDirectory() as folder:
        conf = Path(folder) / "conf"
        shutil.copytree(paths.conf, conf)
        config = conf / "config.yaml"
        write_text(config, _listing(after.groups, config.read_text(encoding="utf-8")))
        for path in _of_example(paths):
            remove(conf / path.relative_to(paths.conf))
        try:
            compose.fitted(after, conf)
        except AccordError as error:
            raise AccordError(
                f"Without the example the selection would be no config: {str(error).replace(str(conf), str(paths.conf))}. "
                "Select something else, or keep the example: --keep-example"
            ) from error


def _champion_is_of_example(paths: Paths) -> bool:
    """Whether no model but the example's was released last; where its bytes aren't here, nothing is taken for that."""
    champion = releases.champion_id(paths)
    manifest = paths.releases / str(champion) / "manifest.json"
    return champion is None or (manifest.is_file() and read_json(manifest)["data"]["name"] in EXAMPLE["data"])


def _of_example(paths: Paths) -> list[Path]:
    found = [paths.conf / group / f"{name}.yaml" for group, options in EXAMPLE.items() for name in options]
    return [path for path in found if path.exists()]


def _carry_out(plan: Adoption, paths: Paths) -> None:
    for path, text in _own_files(plan, paths).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    attributes = paths.attributes.read_text(encoding="utf-8")
    if ATTRIBUTES not in attributes:
        write_text(paths.attributes, attributes + ATTRIBUTES)
    subprocess.run([".ci/merge-driver", "install"], cwd=paths.root, check=True)
    if not plan.keeps_example:
        _move_example(plan, paths)
    write_text(paths.pipeline, code.with_deps(paths.pipeline.read_text(encoding="utf-8")))
    if plan.drops_made:
        _drop_made(plan, paths)
        dvc.reproduce(paths, quiet=True, stage="compose")
    if _is_called(paths) != plan.name:
        write_text(paths.metadata, _metadata(plan.name, paths))


def _own_files(plan: Adoption, paths: Paths) -> dict[Path, str]:
    """What the project begins with in its own places."""
    page = Environment(loader=PackageLoader("accord.adoption", "."), keep_trailing_newline=True)
    readme = page.get_template("README.md.j2").render(
        name=plan.name,
        kept=plan.groups["data"] in EXAMPLE["data"],
        is_neutral=plan.groups == NEUTRAL,
        **plan.groups,
    )
    return {
        paths.readme: readme,
        paths.root
        / "src"
        / plan.name
        / "__init__.py": f'"""What is {plan.name}\'s own, beside accord: tasks, models."""\n',
        paths.root / "tests" / plan.name / f"test_{plan.name}.py": TEST.format(name=plan.name),
    }


def _move_example(plan: Adoption, paths: Paths) -> None:
    """Selects what is left without the example's files, and puts these where the documentation's readers find them."""
    config = paths.conf / "config.yaml"
    write_text(config, _listing(plan.groups, config.read_text(encoding="utf-8")))
    words = [f"{group}={option}" for group, option in plan.groups.items()]
    selection.write(selection.with_words(selection.read(paths), words, paths.conf), paths.params)
    for path in _of_example(paths):
        moved = paths.example / paths.in_root(path)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)


def _listing(groups: Mapping[str, str], config: str) -> str:
    """The text of conf/config.yaml with these options in place of the example's."""
    for group, options in EXAMPLE.items():
        line = rf"^  - {group}: ({'|'.join(options)})$"
        config = re.sub(line, f"  - {group}: {groups[group]}", config, flags=re.MULTILINE)
    return config


def _drop_made(plan: Adoption, paths: Paths) -> None:
    """Removes what was made of the example. DVC's cache and the store of releases keep the bytes, git has the rest."""
    made = [paths.root / out for out in dvc.outs(dvc.stages(paths))]
    pages = [path for path in (paths.root / "reports").iterdir() if path.name != ".gitignore"]
    for path in (*made, *pages, paths.pipeline_lock):
        remove(path)
    if plan.drops_released:
        write_text(paths.champion, "{}\n")
        for path in (
            paths.release_log,
            paths.retraining_log,
            paths.tries,
            paths.retraining_plan,
            paths.releases,
        ):
            remove(path)


def _metadata(name: str, paths: Paths) -> str:
    """The text of pyproject.toml as the project `name` has it. Raises AccordError if it isn't as the template has it."""
    text = paths.metadata.read_text(encoding="utf-8")
    for line, own in {
        rf'name = "{TEMPLATE}"': f'name = "{name}"',
        'description = ".*"': f'description = "{name}, machine learning on tabular data with accord"',
        r'dynamic = \["version"\]': f'version = "{FIRST_VERSION}"',
        "testpaths = .*": f'testpaths = ["tests/{name}", "tests/data_sets", "tests/project", "tests/model/test_contract_suite.py", "src/{name}"]',
    }.items():
        text, n = re.subn(f"^{line}$", own, text, flags=re.MULTILINE)
        if n != 1:
            raise AccordError(
                f"{paths.metadata} has {n} lines {line}; expected one, as the template has it: git checkout {paths.metadata}"
            )
    return text


def _is_called(paths: Paths) -> str:
    """The name in pyproject.toml; empty if it has none."""
    called = re.search(r'^name = "(.*)"$', paths.metadata.read_text(encoding="utf-8"), re.MULTILINE)
    return called[1] if called else ""
