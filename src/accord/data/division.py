"""What stage split does: each valid row into its split, all of them accounted for, and leaks between the splits looked for."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from accord.data import leaks, partitions, splitting
from accord.data.accounting import Accounting
from accord.data.validated import Validated
from accord.errors import AccordError
from accord.files import read_as, replacing, write_json
from accord.paths import Paths
from accord.schema.data import Data


def divide(data: Data, paths: Paths, most: int, scratch: Path) -> Accounting:
    """Writes the splits and the account of them, with at most so many rows in memory at once. Raises AccordError if the rows can't be
    split as the config says, or if what is suspected ends the run; then no split is written."""
    validated = read_as(paths.validation, Validated)
    boundaries = _boundaries(data, paths.valid, most)
    with ExitStack() as stack:
        folders = {name: stack.enter_context(replacing(paths.splits / name)) for name in splitting.SPLITS}
        counts, parts = _written(data, boundaries, paths.valid, most, folders)
        account = counts.account(data, validated.n_rows, validated.n_quarantined, boundaries)
        accounting = Accounting(**vars(account), leaks=leaks.across_splits(parts, data, most, scratch))
        write_json(paths.accounting, accounting)
        report = str(paths.accounting)
        if refusal := leaks.refusal(accounting.leaks, data.name, data.checks.leaks, report):
            raise AccordError(refusal)
    return accounting


def _boundaries(data: Data, valid: Path, most: int) -> splitting.Boundaries | None:
    time = data.time
    if time is None:
        return None
    if partitions.n_rows(valid) <= most:
        events = [splitting.events_of(rows, time) for rows in partitions.chunks(valid, most, [time.event])]
        return splitting.boundaries(lambda: events, data.split)
    chunks = partial(partitions.chunks, valid, most, [time.event])
    return splitting.boundaries(lambda: (splitting.events_of(rows, time) for rows in chunks()), data.split)


def _written(
    data: Data,
    boundaries: splitting.Boundaries | None,
    valid: Path,
    most: int,
    folders: Mapping[str, Path],
) -> tuple[splitting.Counts, dict[str, leaks.Part]]:
    """Writes each split to its folder. Gives their counts, and the way to read those that are looked at for leaks again."""
    for folder in folders.values():
        folder.mkdir()
    into = {name: partitions.Writing(folder, data.time) for name, folder in folders.items()}
    counts, n_chunks = splitting.Counts(), 0
    for rows in partitions.chunks(valid, most):
        parts = splitting.parts(rows, data, boundaries)
        counts.add(parts, data.time)
        for name, part in parts.items():
            into[name].add(part)
        n_chunks += 1
    for each in into.values():
        each.end()
    if n_chunks == 1:
        return counts, {name: leaks.Part.of(parts[name]) for name in splitting.SCORED}
    read = {name: partial(partitions.chunks, folders[name], most) for name in splitting.SCORED}
    return counts, {name: leaks.Part(counts.rows[name], again) for name, again in read.items()}
