"""What a second call of tools/quickstart.sh and its tools/prepare.sh leaves alone, and what makes it import again; a
script notes the calls."""

import os
import shutil
import subprocess
import unittest

from scratch import ROOT, ScratchTest

PARTS = ["data/minilm-mlm/delta.safetensors", "tools/import_model.py", "tools/weights.py", "tools/weight_files.py",
         "tools/kinds.py", "tools/tokenizer_files.py", "tools/model_folder.py", "tools/text_files.py", "tools/archive.py",
         "requirements.lock"]
NOTES_CALLS = """#!/bin/sh
echo "$(basename "$0") $1" >>calls
if [ "$1" = import ]; then mkdir -p .cache/models && : >.cache/models/minilm-mlm.h5; fi
"""


class Quickstart(ScratchTest):
    def setUp(self):
        super().setUp()
        for name in PARTS:
            os.utime(self.write(name, ""), (1e9, 1e9))
        for name in ("quickstart.sh", "prepare.sh"):
            shutil.copy(ROOT / "tools" / name, self.folder / "tools")
        for name in ("build/metaloom", "bin/mpirun"):
            self.write(name, NOTES_CALLS).chmod(0o755)

    def calls(self):
        """What one run of the script starts, in order."""
        (self.folder / "calls").unlink(missing_ok=True)
        subprocess.run(["bash", "tools/quickstart.sh"], cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"})
        return (self.folder / "calls").read_text().splitlines()

    def test_the_model_is_imported_once_and_again_when_what_makes_it_changes(self):
        rest = ["metaloom data", "mpirun -np", "metaloom report"]
        self.assertEqual(self.calls(), ["metaloom import", *rest])
        self.assertEqual(self.calls(), rest)
        for part in PARTS:
            with self.subTest(part):
                os.utime(self.folder / part, (4e9, 4e9))
                self.assertEqual(self.calls(), ["metaloom import", *rest])
                os.utime(self.folder / part, (1e9, 1e9))
                self.assertEqual(self.calls(), rest)


if __name__ == "__main__":
    unittest.main()
