"""Runs the metaloom program as its users do: under mpirun, on made-up texts and a tiny random model."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("METALOOM_PROGRAM", ROOT / "build" / "metaloom"))
CHAIN = "tests/system/chain.toml"
STAGES = ("1_muppet", "2_mlm", "3_metaprompting", "4_spt")
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "OMPI_MCA_mpi_yield_when_idle": "1", "METALOOM_PYTHON": sys.executable,
               "CUDA_VISIBLE_DEVICES": ""}  # more ranks than most machines have GPUs


def missing():
    """Why the program cannot be run here, or None."""
    if not PROGRAM.exists():
        return f"{PROGRAM} is not built"
    if shutil.which("mpirun") is None:
        return "mpirun is not installed"
    return None


class Workplace:
    """A temporary folder with the tiny stores and the tiny model; removed at the end."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="metaloom-system-"))
        self.model = self.folder / "tiny.h5"
        self.stores = self.folder / "stores"
        self.empty = self.folder / "empty.toml"  # a configuration of which all is typed
        self.empty.write_text("")
        subprocess.run([sys.executable, "tests/system/make_tiny_model.py", str(self.model)], cwd=ROOT, check=True,
                       env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
        self.metaloom("data", "tests/data/tiny.toml", f"out={self.stores}", f"tokenizer={self.model}")

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def metaloom(self, *words, code=0, **variables):
        """Runs a verb in one process, with those environment variables; returns what it printed."""
        done = subprocess.run([str(PROGRAM), *map(str, words)], cwd=ROOT, env=ENVIRONMENT | variables, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != code:
            raise AssertionError(f"metaloom {' '.join(map(str, words))}: exit code {done.returncode}, not {code}\n"
                                 f"{done.stdout}")
        return done.stdout

    def few_shot_stage(self):
        """The folder of a metaprompting stage of one update, for adapt to start from."""
        stage = self.folder / "few-shot"
        if not stage.exists():
            self.metaloom(*self.words("train", self.empty, stage, 'data.datasets=["intents"]', "data.ways=3",
                                      "data.max_length=32", "method.name=metaprompting", "method.rule=fomaml", "steps=1",
                                      "evaluate.before=false", "evaluate.episodes=1", "comm.threads=1"))
        return stage

    def run(self, *words, given=b"", **variables):
        """Runs a verb with `given` on its standard input; returns the ended process, its output as bytes."""
        return subprocess.run([str(PROGRAM), *map(str, words)], cwd=ROOT, input=given,
                              env=ENVIRONMENT | {"OMP_NUM_THREADS": "1"} | variables,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)

    def output(self, *words):
        """What a verb that succeeds prints on standard output alone."""
        return subprocess.run([str(PROGRAM), *map(str, words)], cwd=ROOT, env=ENVIRONMENT, text=True, timeout=300,
                              check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout

    def words(self, verb, config, run, *typed, model=None, stores=None):
        """The words of a verb for a configuration, its run folder (below the place's own) and what is typed."""
        return [verb, config, f"run={os.path.join(self.folder, run)}", f"model.weights={model or self.model}",
                f"data.root={stores or self.stores}", *typed]

    def chain(self, run, *more, config=CHAIN):
        """The words that train the chain into `run`."""
        return self.words("train", config, run, *more)

    def pair(self, run, *more, **other):
        """The words that train two short stages into `run`."""
        return self.words("train", "tests/system/pair.toml", run, *more, **other)

    def start(self, ranks, words):
        """Starts the program on `ranks` ranks, in a process group of its own."""
        command = ["mpirun", "-np", str(ranks), "--oversubscribe", "--bind-to", "none", str(PROGRAM), *map(str, words)]
        return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def train(self, run, ranks, *more, config=CHAIN):
        """Trains the chain to its end; returns what was printed."""
        process = self.start(ranks, self.chain(run, *more, config=config))
        try:
            output, _ = process.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        if process.returncode != 0:
            raise AssertionError(f"training on {ranks} ranks: exit code {process.returncode}\n{output}")
        return output

    def file(self, run, stage, name):
        """The bytes of one section of a stage's last checkpoint."""
        return (self.folder / run / stage / "checkpoints" / "latest" / f"{name}.h5").read_bytes()

    def metrics(self, run, stage, kind="update"):
        import json

        lines = (self.folder / run / stage / "metrics.jsonl").read_text().splitlines()
        return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


class SystemTest(unittest.TestCase):
    """Tests of one class share a Workplace; they are skipped where the program cannot be run."""

    @classmethod
    def setUpClass(cls):
        if missing():
            raise unittest.SkipTest(missing())
        cls.place = Workplace()
        cls.addClassCleanup(cls.place.close)


def ranks_of(mpirun):
    """Process ids of the ranks that this mpirun started; none of those that have ended, whether or not it has noticed."""
    children = pathlib.Path(f"/proc/{mpirun.pid}/task/{mpirun.pid}/children")
    try:
        return [int(pid) for pid in children.read_text().split() if not ended(pid)]
    except OSError:
        return []


def ended(pid):
    """A signal can still be sent to a process that has ended and waits for its parent to ask how."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
