"""What a place allows and asks for is respected, and named in one line where it ends something: limits, variables of
launchers, signals, names of folders."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from tests.system.program import ENVIRONMENT, PROGRAM, ROOT, SystemTest

USAGE, NO_CHECKPOINT, TEMPORARY, STOPPED = 2, 4, 75, 85
ONE_STAGE = ["method.name=muppet", 'data.datasets=["moods"]', "data.max_length=24", "evaluate.before=false",
             "evaluate.batches=1", "evaluate.episodes=1"]


class Place(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.place.folder
        cls.place.metaloom(*cls.training("good", "steps=1", "comm.threads=1"))

    @classmethod
    def training(cls, run, *words):
        return cls.place.words("train", cls.place.empty, run, *ONE_STAGE, *words)

    def error_of(self, output):
        lines = [line for line in output.splitlines() if "error:" in line]
        self.assertEqual(1, len(lines), output)
        return lines[0]

    # --- limits ---

    def limited(self, limit, *words):
        done = subprocess.run(["bash", "-c", f'{limit}; exec "$0" "$@"', str(PROGRAM), *map(str, words)], cwd=ROOT, text=True,
                              env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        return done.returncode, done.stdout

    def test_a_limit_on_file_sizes_is_named(self):
        """SIGXFSZ ended the program without a word."""
        code, output = self.limited("ulimit -f 40", *self.training("small-files", "steps=1", "comm.threads=1"))
        self.assertEqual(TEMPORARY, code, output)
        self.assertIn("ulimit -f", self.error_of(output))

    def test_locks_that_the_file_system_has_not(self):
        """HDF5 in Python asked for a lock of what it reads: ENOLCK ended every verb that starts Python."""
        if shutil.which("gcc") is None:
            self.skipTest("no gcc")
        source, library = self.folder / "nolock.c", self.folder / "nolock.so"
        source.write_text("#include <errno.h>\nint flock(int f, int o) { (void)f; (void)o; errno = ENOLCK; return -1; }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        shutil.copytree(self.place.stores, self.folder / "locked-stores")
        for words in (["data", "tests/data/tiny.toml", f"out={self.folder / 'no-lock-stores'}",
                       f"tokenizer={self.place.model}", 'only=["moods"]'],
                      self.training("no-lock", "steps=1", "comm.threads=1"),
                      ["report", self.folder / "good"]):
            with self.subTest(words[0]):
                self.place.metaloom(*words, LD_PRELOAD=str(library))

    def test_omp_num_threads_is_respected(self):
        """comm.threads=0 took all cores whatever the environment said."""
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("one core only")
        self.place.metaloom(*self.training("one-thread", "steps=1"), OMP_NUM_THREADS="1")
        self.assertIn("threads = 1", (self.folder / "one-thread" / "config.toml").read_text())

    # --- how threads wait ---

    def test_threads_wait_asleep(self):
        """OpenMP's threads span for milliseconds: a node with neighbours took 30 times as long."""
        for given, name, expected in [({}, "GOMP_SPINCOUNT", "1000"),
                                      ({"GOMP_SPINCOUNT": "7"}, "GOMP_SPINCOUNT", "7"),
                                      ({"OMP_WAIT_POLICY": "active"}, "GOMP_SPINCOUNT", None)]:
            with self.subTest(given=given):
                environment = {key: value for key, value in ENVIRONMENT.items()
                               if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")} | given
                process = self.begin(self.training(f"waits-{len(given)}{expected}", "steps=100000"), environment)
                try:
                    lines = pathlib.Path(f"/proc/{process.pid}/environ").read_text().split("\0")
                    has = dict(line.split("=", 1) for line in lines if "=" in line)
                    self.assertEqual(expected, has.get(name))
                finally:
                    process.kill()
                    process.communicate()

    # --- signals and launchers ---

    def begin(self, words, environment=ENVIRONMENT, before=None):
        """A training that has made an update."""
        process = subprocess.Popen([str(PROGRAM), *map(str, words)], cwd=ROOT, env=environment, text=True, preexec_fn=before,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        run = next(word.removeprefix("run=") for word in map(str, words) if word.startswith("run="))
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            file = pathlib.Path(run) / "metrics.jsonl"
            if file.exists() and '"update"' in file.read_text():
                return process
            time.sleep(0.05)
        process.kill()
        raise AssertionError(f"no update: {process.communicate()[0]}")

    def test_int_and_hup_save(self):
        """Ended the training without a checkpoint."""
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            with self.subTest(number.name):
                process = self.begin(self.training(number.name, "steps=100000", "checkpoint.every=100000", "comm.threads=1"))
                process.send_signal(number)
                output, _ = process.communicate(timeout=120)
                self.assertEqual(STOPPED, process.returncode, output)
                self.assertTrue((self.folder / number.name / "checkpoints" / "latest").exists())

    def test_an_ignored_hup_stays_ignored(self):
        """nohup would be of no use."""
        ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
        process = self.begin(self.training("nohup", "steps=100000", "comm.threads=1"), before=ignore)
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
        self.assertEqual(STOPPED, process.returncode, output)

    def test_launchers_that_metaloom_does_not_know(self):
        """Under torchrun every process trained the whole run, into one folder."""
        must = self.training("never", "resume=must", "comm.threads=1")
        pair = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
        for what, variables, code in [
            ("torchrun", pair | {"LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none", "MASTER_PORT": "29500"}, USAGE),
            ("deepspeed, accelerate", pair | {"MASTER_ADDR": "localhost"}, USAGE),
            ("torchrun with one process", pair | {"WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "none"}, NO_CHECKPOINT),
            ("a container's own variable", {"WORLD_SIZE": "2"}, NO_CHECKPOINT),
        ]:
            with self.subTest(what):
                output = self.place.metaloom(*must, code=code, **variables)
                if code == USAGE:
                    line = self.error_of(output)
                    for piece in ("2 processes", "mpirun -np N metaloom", "srun --mpi=pmix", "comm.backend=local"):
                        self.assertIn(piece, line)
        self.place.metaloom(*must, "comm.backend=local", code=NO_CHECKPOINT, **pair)

    # --- names ---

    def test_paths_with_an_equals_sign(self):
        """Five verbs took runs/lr=0.1 for a setting."""
        run = self.folder / "lr=0.1"
        self.place.metaloom(*self.training("lr=0.1", "steps=1", "comm.threads=1"))
        config = shutil.copy(self.folder / "empty.toml", self.folder / "a=b.toml")
        self.place.metaloom("train", config, *self.training("lr=0.1", "steps=1", "comm.threads=1")[2:])
        for words in (["inspect", run], ["verify", run], ["report", run], ["evaluate", run],
                      ["show", run / "config.toml"], ["plan", run / "config.toml"]):
            with self.subTest(words[0]):
                self.place.metaloom(*words)
        done = subprocess.run([str(PROGRAM), "inspect", "lr=0.1"], cwd=self.folder, env=ENVIRONMENT, capture_output=True,
                              text=True)
        self.assertEqual(0, done.returncode, done.stderr)

    def test_runs_with_odd_names(self):
        """Siblings: the name goes through the command line, config.toml and back."""
        for name in ("two words, quote\"d 'n #1 Läufe v1.2", "a\nb", "true", "[x]"):
            with self.subTest(name):
                self.place.metaloom(*self.training(name, "steps=1", "comm.threads=1"))
                self.place.metaloom("train", self.folder / name / "config.toml", "resume=must")

    def test_a_configuration_as_windows_saves_it(self):
        """A byte-order mark was "not valid TOML", and so was UTF-16, with the wrong cure."""
        text = (self.folder / "good" / "config.toml").read_text()
        good = self.folder / "marked.toml"
        good.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        self.place.metaloom("show", good)
        for encoding in ("utf-16", "utf-16-le"):
            with self.subTest(encoding):
                good.write_bytes(text.encode(encoding))
                line = self.error_of(self.place.metaloom("show", good, code=USAGE))
                self.assertIn("iconv -f UTF-16", line)


if __name__ == "__main__":
    unittest.main()
