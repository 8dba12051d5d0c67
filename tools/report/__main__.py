"""A run's page and its table of gains.

usage: python -m tools.report RUN [--out FILE]

RUN is the folder of a run, finished or not, of one stage or of several. Writes RUN/report.html, one file that needs no
network, and prints the measured gains.

example: python -m tools.report runs/quickstart
"""

import argparse
import pathlib

from tools.archive import write_text_file
from tools.failure import Arguments, run as run_program
from tools.report import comparisons, gains_text, page
from tools.report.run_folder import read_run


def main():
    parser = Arguments(prog="python -m tools.report", description=__doc__,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--out", metavar="FILE", help="the HTML file (default RUN/report.html)")
    options = parser.parse_args()
    run = read_run(options.run)
    out = pathlib.Path(options.out) if options.out else pathlib.Path(options.run) / "report.html"
    write_text_file(out, page.render(run))
    print(gains_text.gains_text(comparisons.groups(run), run))
    print(f"report: {out}")


if __name__ == "__main__":
    run_program(main)
