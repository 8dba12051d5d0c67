"""Killed with -9 at random moments and started again, a run ends with the weights of an undisturbed one, bit for bit."""

import os
import random
import signal
import subprocess
import time
import unittest

from tests.system.program import STAGES, Workplace, missing, ranks_of

KILLS = int(os.environ.get("METALOOM_KILLS", "6"))


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if missing():
            raise unittest.SkipTest(missing())
        cls.place = Workplace()
        cls.place.train("whole", 2, "comm.ordered=true")

    @classmethod
    def tearDownClass(cls):
        cls.place.close()

    def kill_one_rank_after(self, run, ranks, seconds, chance):
        """Starts the run and kills a rank; returns whether it had ended before."""
        process = self.place.start(ranks, self.place.chain(run, "comm.ordered=true"))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        pids = ranks_of(process)
        if pids and process.poll() is None:
            os.kill(chance.choice(pids), signal.SIGKILL)
        try:
            output, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            self.fail("the job did not end after one of its ranks was killed")
        if process.returncode == 0:
            return True
        self.assertNotIn("Traceback", output)
        return False

    def check_equal_to_whole(self, run):
        for stage in STAGES:
            for section in ("theta", "optimizer"):
                self.assertEqual(self.place.file("whole", stage, section), self.place.file(run, stage, section),
                                 f"{stage}: {section} differs")
            whole = [(e["step"], e["loss"]) for e in self.place.metrics("whole", stage)]
            again = [(e["step"], e["loss"]) for e in self.place.metrics(run, stage)]
            self.assertEqual(whole, again, f"{stage}: the curve has gaps, repeats or other values")

    def test_kills_at_random_moments_change_nothing(self):
        seed = int(os.environ.get("METALOOM_KILL_SEED", time.time_ns() % 1000000))
        print(f"seed of the kills: {seed} (METALOOM_KILL_SEED repeats them)")
        chance = random.Random(seed)
        for _ in range(KILLS):
            if self.kill_one_rank_after("killed", 2, chance.uniform(0.5, 8), chance):
                break
        self.place.train("killed", 2, "comm.ordered=true")
        self.check_equal_to_whole("killed")

    def test_a_stage_goes_on_on_another_number_of_ranks(self):
        """The run stops after some updates of its third stage on 2 ranks, and goes on on 1, then 4."""
        for stop, ranks in ((signal.SIGUSR1, 2), (signal.SIGUSR2, 1)):
            process = self.place.start(ranks, self.place.chain("resized", "comm.ordered=true"))
            time.sleep(4)
            for pid in ranks_of(process):
                os.kill(pid, stop)
            process.communicate(timeout=120)
            self.assertIn(process.returncode, (0, 85), "a stopped run says: resume me")
        self.place.train("resized", 4, "comm.ordered=true")
        self.check_equal_to_whole("resized")

    def test_a_damaged_checkpoint_is_set_aside(self):
        self.place.train("damaged", 1, "comm.ordered=true")
        folder = self.place.folder / "damaged" / "4_spt"
        (folder / "result.json").unlink()
        theta = (folder / "checkpoints" / "latest" / "theta.h5").resolve()
        image = bytearray(theta.read_bytes())
        image[len(image) // 2] ^= 1
        theta.write_bytes(image)
        output = self.place.train("damaged", 1, "comm.ordered=true")
        self.assertIn("set aside", output)
        self.assertIn("going on after update 4", output)
        self.assertTrue(any((folder / "checkpoints" / "quarantine").iterdir()))
        self.check_equal_to_whole("damaged")


if __name__ == "__main__":
    unittest.main()
