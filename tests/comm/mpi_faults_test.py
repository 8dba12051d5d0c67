"""What becomes of a job of real processes when one rank fails or falls silent (process_faults_test.cpp): it ends, soon,
with one line that names the rank and what it was doing, and never with exit code 0. The deadline there is 2 s."""

import pathlib
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mpirun

RANKS = 3
HANG, DATA, INTERNAL, TEMPORARY = 86, 3, 70, 75
# fault, victim -> exit codes mpirun may give, what must be printed. A signal's own code is 128 + signal.
SCENARIOS = {
    ("nothing", 0): ({0}, []),
    ("keep others waiting", 2): ({0}, []),
    ("throw", 1): ({DATA}, ["sets/trec.h5: row 7 is broken"]),
    ("throw a stranger", 2): ({INTERNAL}, ["not ours"]),
    ("stop", 1): ({HANG}, ['rank 1 (', 'was last in section "forward pass"', 'in section "reduce"']),
    ("stop", 0): ({HANG}, ['rank 0 (', 'was last in section "forward pass"']),
    ("stop while waiting", 2): ({HANG}, ["rank 2 (", 'was last in section "reduce"']),
    ("sleep", 2): ({HANG}, ["silent: rank 2 (", 'was last in section "forward pass"']),
    ("be stuck", 1): ({HANG}, ["rank 1 (", 'is stuck: nothing has happened for 1 s in section "endless loop"']),
    ("kill", 1): ({128 + 9, TEMPORARY}, ["rank 1 (", 'was last in section "forward pass"', "its process has ended"]),
    ("kill", 0): ({128 + 9, TEMPORARY}, ["rank 0 (", 'was last in section "forward pass"', "its process has ended"]),
    ("segfault", 2): ({128 + 11, TEMPORARY}, ["rank 2 (", 'was last in section "forward pass"', "its process has ended"]),
    # mpirun itself notices an exit without leaving MPI; whose code it returns is up to it.
    ("exit", 1): (set(range(1, 256)), ["rank 1 (", 'was last in section "forward pass"', "its process has ended"]),
}


def play(scenario):
    fault, victim = scenario
    return mpirun.run(RANKS, "ProcessFaults.*", {"METALOOM_FAULT": fault, "METALOOM_VICTIM": str(victim)}, timeout=60)


class MpiFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with ThreadPoolExecutor(2) as pool:  # mostly they wait
            cls.played = dict(zip(SCENARIOS, pool.map(play, SCENARIOS)))

    def test_every_fault_ends_the_job_and_is_named(self):
        for scenario, (codes, lines) in SCENARIOS.items():
            with self.subTest(fault=scenario):
                done = self.played[scenario]
                self.assertIn(done.returncode, codes, done.stdout)
                said = [line for line in done.stdout.splitlines() if line.startswith("metaloom: error:")]
                if lines:
                    self.assertTrue(any(all(part in line for part in lines) for line in said), done.stdout)
                else:
                    self.assertEqual(said, [], done.stdout)
                    self.assertEqual(done.stdout.count("ended in peace"), RANKS, done.stdout)

    def test_a_hang_is_told_in_one_line(self):
        for scenario, (codes, _) in SCENARIOS.items():
            if codes == {HANG} and scenario[0] != "be stuck":  # its end is seen by others too
                with self.subTest(fault=scenario):
                    out = self.played[scenario].stdout
                    self.assertEqual(out.count("metaloom: error:"), 1, out)


if __name__ == "__main__":
    why = mpirun.available()
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    unittest.main()
