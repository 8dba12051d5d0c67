"""Killed with -9 at random moments and started again, a run ends with the weights of an undisturbed one, bit for bit."""

import contextlib
import os
import random
import signal
import subprocess
import time
import unittest

from tests.system.program import STAGES, SystemTest, ranks_of

KILLS = int(os.environ.get("METALOOM_KILLS", "4"))  # at random moments, besides one in each stage
# Many small updates: whatever is aimed at the middle of a stage hits it.
SETTINGS = ["comm.ordered=true", "steps=40", "checkpoint.every=5"]


class Resume(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        begun = time.monotonic()
        cls.place.train("whole", 2, *SETTINGS)
        cls.seconds = time.monotonic() - begun

    def updates(self, run, stage):
        """How many updates the run has written down; a last line may be cut off."""
        path = self.place.folder / run / stage / "metrics.jsonl"
        return path.read_text().count('"kind":"update"') if path.exists() else 0

    def disturb(self, run, ranks, moment, signalled, stop):
        """Starts the run, waits until `moment()`, sends `stop` to the ranks that `signalled` picks.

        Returns the exit code, None if no rank was there any more.
        """
        process = self.place.start(ranks, self.place.chain(run, *SETTINGS))
        deadline = time.monotonic() + 120
        while process.poll() is None and not moment() and time.monotonic() < deadline:
            time.sleep(0.005)
        # At its start mpirun has no ranks yet: whoever aims at that moment waits for them. At its end it has none left.
        pids = ranks_of(process)
        while not pids and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
            pids = ranks_of(process)
        hit = False
        for pid in signalled(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, stop)
                hit = True
        try:
            output, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            self.fail(f"the job did not end after {stop.name}")
        self.assertNotIn("Traceback", output)
        if not hit:
            self.assertEqual(0, process.returncode, output)
            return None
        return process.returncode

    def check_equal_to_whole(self, run):
        for stage in STAGES:
            whole = [(e["step"], e["loss"]) for e in self.place.metrics("whole", stage)]
            again = [(e["step"], e["loss"]) for e in self.place.metrics(run, stage)]
            self.assertEqual(whole, again, f"{stage}: the curve has gaps, repeats or other values")
            for section in ("theta", "optimizer"):
                self.assertEqual(self.place.file("whole", stage, section), self.place.file(run, stage, section),
                                 f"{stage}: {section} differs")

    def kill_one(self, run, chance, moment):
        """Kills one of two ranks at that moment; returns whether it was still running."""
        code = self.disturb(run, 2, moment, lambda pids: [chance.choice(pids)] if pids else [], signal.SIGKILL)
        if code is not None:
            self.assertNotIn(code, (0, 85), "a killed run does not say that all is well")
        return code is not None

    def test_kills_change_nothing(self):
        """One in each stage after a random update, then some at any moment: start-up, saves and evaluations, too."""
        seed = int(os.environ.get("METALOOM_KILL_SEED", time.time_ns() % 1000000))
        print(f"seed of the kills: {seed} (METALOOM_KILL_SEED repeats them)")
        chance = random.Random(seed)
        for stage in STAGES:
            least = chance.randint(1, 25)
            hit = self.kill_one("killed", chance, lambda: self.updates("killed", stage) >= least)
            self.assertTrue(hit, f"{stage}: the run ended before it could be killed")
            self.assertFalse((self.place.folder / "killed" / stage / "result.json").exists(),
                             f"{stage}: the kill came after the stage")
        self.place.train("killed", 2, *SETTINGS)
        self.check_equal_to_whole("killed")
        kills = 0
        for _ in range(KILLS):
            when = time.monotonic() + chance.uniform(0, 0.8 * self.seconds)
            hit = self.kill_one("killed at random", chance, lambda: time.monotonic() > when)
            kills += hit
            if not hit:
                break
        self.assertGreater(kills, 0)
        self.place.train("killed at random", 2, *SETTINGS)
        self.check_equal_to_whole("killed at random")

    def test_a_stage_goes_on_on_another_number_of_ranks(self):
        """The run stops after some updates of its third stage on 2 ranks, then on 1, and goes on on 4."""
        stage = "3_metaprompting"
        for stop, ranks in ((signal.SIGUSR1, 2), (signal.SIGUSR2, 1)):
            before = self.updates("resized", stage)
            code = self.disturb("resized", ranks, lambda: self.updates("resized", stage) > before,
                                lambda pids: pids, stop)
            self.assertEqual(85, code, "a stopped run says: resume me")
            self.assertGreater(self.updates("resized", stage), before)
            self.assertFalse((self.place.folder / "resized" / stage / "result.json").exists())
        self.place.train("resized", 4, *SETTINGS)
        self.check_equal_to_whole("resized")

    def test_a_damaged_checkpoint_is_set_aside(self):
        self.place.train("damaged", 1, *SETTINGS)
        folder = self.place.folder / "damaged" / "4_spt"
        (folder / "result.json").unlink()
        theta = (folder / "checkpoints" / "latest" / "theta.h5").resolve()
        image = bytearray(theta.read_bytes())
        image[len(image) // 2] ^= 1
        theta.write_bytes(image)
        output = self.place.train("damaged", 1, *SETTINGS)
        self.assertIn("set aside", output)
        self.assertIn("going on after update 35", output)
        self.assertTrue(any((folder / "checkpoints" / "quarantine").iterdir()))
        self.check_equal_to_whole("damaged")


if __name__ == "__main__":
    unittest.main()
