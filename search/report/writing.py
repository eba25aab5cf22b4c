"""A report on searches: one HTML page that holds everything and asks for nothing.

What was found, how it grew beside random search, every trial, the cells as drawings and in words, the settings, and
the commands that repeat it and go on from it. The page can be mailed, kept with a paper, printed, and read in ten
years: style, charts and script are inside, and no address is named.
"""

from collections.abc import Sequence
from pathlib import Path

from genotools.errors import DataError
from genotools.files import check_output, write_text
from genotools.search.report.page import page
from genotools.search.report.subjects import read_subjects

__all__ = ["write_report"]


def write_report(path: Path | str, runs: Sequence[Path | str], *, force: bool = False) -> None:
    """Write the report on ``runs`` to the file ``path``. The same runs give the same bytes.

    Parameters
    ----------
    path
        Where to, an ``.html`` file.
    runs
        Run folders, finished or not, or folders that ``search --seeds`` wrote. Random searches among them, or beside
        any of them, become the line that the others are measured against.
    force
        Overwrite an existing file.

    Raises
    ------
    DataError
        If there is no run, a folder holds none, or a file in it is damaged.
    OutputExistsError
        If ``path`` exists and ``force`` is not given.
    """
    if not runs:
        raise DataError("a report needs at least one run.")
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise DataError(f"{path}: a report is a web page, its name ends in .html.")
    output = check_output(path, force=force)
    html = page(read_subjects([Path(run) for run in runs]))
    write_text(output, html.encode("utf-8", "replace").decode("utf-8"))  # names of folders may be no text
