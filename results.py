"""Every run and sweep under some folders as tables: grouped by config, ranked on validation, the test beside it.

python results.py DIR [DIR ...] [by=KEY,...] [compare=A,B] [csv=FILE] [markdown=FILE] [html=FILE] [latex=FILE]
                  [plot=FILE.png] [parallel=FILE.png]

DIR       a folder under which runs lie, such as logs
by        keys (or their ends, such as spatial_dim) whose values make the groups; else the whole config but for the seed
compare   the numbers of two groups: their difference over the same seeds and folds
csv       writes a row a group, in full precision
markdown  writes the tables as Markdown
html      writes them as one page by itself, with the pictures that are asked for
latex     writes them for a paper, with booktabs
plot      draws the groups with their intervals
parallel  draws the runs over the keys in which they differ, the metric of validation at the end
"""

import sys

from rich.console import Console

from experiment.front_door import readable_errors
from reports.results.options import read_options


def main(words: list[str]) -> int:
    """Prints and writes the tables; exits with 2 for folders or options that cannot be used."""
    console = Console(highlight=False)
    if not words or words[0] in ("-h", "--help"):
        console.print(__doc__.strip(), markup=False)
        return 0 if words else 2
    with readable_errors():
        options = read_options(words)
        from experiment.results.axes import bundles_of
        from experiment.results.ranking import results_page
        from experiment.results.runs import read_runs
        from reports.results import table
        from reports.results.written import write_files

        runs = read_runs(options.folders)
        page = results_page(runs, options.by, options.compare)
        write_files(options.files, page, lambda: bundles_of(page, runs, options.by))
        table.print_page(page, console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
