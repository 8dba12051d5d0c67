"""docs/models.md: what every kind of model can do, by running the tests that say so.

run: python -m tests.models_table [--build build], or make models-table (20 minutes on two cores). A cell is what the
tests of that kind gave; one that failed is an error, and nothing is written.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

from tools.failure import Failure, run

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- by tests/models_table.py -->\n", "<!-- end -->\n"
CAUSAL = "refused: it foretells the next word"
COLUMNS = ("kind", "muppet, metaprompting, spt", "mlm", "prompts, soft tokens, kept rows", "second order, per-task weights", "texts written",
           "import, export", "parity fp64", "parity fp32")
LAWS = {"prompts": ["BackboneLaws.*"], "second": ["BackboneGradients.SecondDerivative*", "TaskWeights.Equal*"]}


def output_of(command, environment):
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure(f"exit code {done.returncode}: {done.stdout[-1500:]}", " ".join(map(str, command)), "Mend it first")
    return done.stdout


class Tests:
    def __init__(self, build):
        self.build = build
        self.environment = {"METALOOM_PROGRAM": str(build / "metaloom"), "METALOOM_BUILD_DIR": str(build), "PYTHONPATH": str(ROOT),
                            "METALOOM_PYTHON": sys.executable, "OMPI_MCA_mpi_yield_when_idle": "1", "OMP_NUM_THREADS": "1",
                            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "METALOOM_CONFIGURATIONS": "20"}

    def script(self, kind, script, *tests):
        print(f"{kind}: {script}", flush=True)
        return output_of([sys.executable, script, *tests], self.environment | {"METALOOM_KINDS": kind})

    def lawful(self, which):
        """The kinds over which each of these laws was tried; all of them held."""
        tried = []
        for law in LAWS[which]:
            said = output_of([self.build / "test_models", f"--gtest_filter={law}"], self.environment)
            tried.append(set(re.findall(r"^- (\S+)\nOK", said, flags=re.M)))
        return set.intersection(*tried)

    def row(self, kind, family, laws):
        figures = dict(re.findall(rf"{kind} +(double|float) +largest relative difference (\S+)",
                                  self.script(kind, "tests/golden/backbone_parity_test.py", f"Parity.test_{kind.replace('-', '_')}")))
        written = "none: it has no decoder"
        if family.writes:
            pieces = re.search(r"(\d+) pieces equal, (\d+) of them by beams", self.script(
                kind, "tests/golden/generation_test.py", f"Generation.test_{kind.replace('-', '_')}"))
            written = f"greedily, by beams ({pieces[1]} pieces equal)"
        self.script(kind, "tests/tools/import_model_test.py", "ImportTest.test_every_kind_keeps_its_weights")
        self.script(kind, "tests/tools/export_test.py", "ExportTest.test_every_kind_comes_back", "ExportTest.test_bodies_alone")
        self.script(kind, "tests/system/kinds_test.py")
        causal = family.writes and not family.target
        encoder = ", in its encoder" if family.target else ""
        return (kind, "yes", CAUSAL if causal else "yes", "yes" + encoder if kind in laws["prompts"] else None,
                "yes" if kind in laws["second"] else None, written, "yes, yes", figures["double"], figures["float"])


def table(build):
    from tests.golden.families import ALL

    tests = Tests(build)
    laws = {which: tests.lawful(which) for which in LAWS}
    rows = [tests.row(kind, family, laws) for kind, family in ALL.items()]
    for row in rows:
        if None in row:
            raise Failure(f"no law of {COLUMNS[row.index(None)]} was tried over {row[0]}", "test_models", "Register a BackboneExample")
    return "".join(f"| {' | '.join(row)} |\n" for row in (COLUMNS, ["---"] * len(COLUMNS), *rows))


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.models_table", description=__doc__.partition("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    options = parser.parse_args()
    made = table(options.build.resolve())
    page = PAGE.read_text(encoding="utf-8")
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(page[:start] + made + page[end:], encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {made.count(chr(10)) - 2} kinds")


if __name__ == "__main__":
    run(main)
