"""For tests of export: archives of random models by transformers, checkpoints by hand, and what transformers says of folders."""

import json
import os
import subprocess
import sys

import torch
import transformers

from scratch import ROOT, ScratchTest, call, import_model

from tools.archive import get_text, hdf5_reader, hdf5_writer, put_checked_tensor, put_text
from tools.export import __main__ as export_program

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LOADER = """
import sys, transformers
for auto, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    getattr(transformers, auto).from_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(folder)
"""


def parts_of(path):
    """(parameters as bytes by name, tokenizer.json, vocabulary) of an archive."""
    with hdf5_reader(path) as file:
        parameters = {}
        file["parameters"].visititems(lambda name, item: parameters.update({name: item[()].tobytes()})
                                      if hasattr(item, "shape") else None)
        return parameters, get_text(file, "tokenizer/tokenizer.json"), get_text(file, "tokenizer/vocabulary")


class ExportScratch(ScratchTest):
    def setUp(self):
        super().setUp()
        self.source, self.archive, self.exported = self.folder / "source", self.folder / "model.h5", self.out / "exported"

    def archive_of(self, model, archive=None):
        model.save_pretrained(self.source)
        words = [*SPECIAL, *(f"w{number}" for number in range(len(SPECIAL), model.config.vocab_size))]
        self.write("source/vocab.txt", "\n".join(words) + "\n")
        self.imported(self.source, archive or self.archive)
        return archive or self.archive

    def imported(self, folder, archive):
        code, said, err = call(import_model, folder, "--out", archive)
        self.assertEqual(code, 0, err)
        return said

    def run_export(self, source=None, out=None, **words):
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in words.items() if value is not True]
        flags += [f"--{name}" for name, value in words.items() if value is True]
        return call(export_program, source or self.archive, "--out", out or self.exported, *flags)

    def export(self, *places, **words):
        code, said, err = self.run_export(*places, **words)
        self.assertEqual(code, 0, err)
        return said

    def refused(self, result, *parts, code=3):
        self.assert_one_clear_error(result, code, *parts)
        self.assertEqual([name for name in os.listdir(self.out) if name.startswith(".")] if self.out.exists() else [], [])

    def assert_no_warning(self, *loads):
        """transformers as a user starts it loads these (class, folder) and says nothing."""
        words = [str(word) for load in loads for word in load]
        done = subprocess.run([sys.executable, "-c", LOADER, *words], cwd=ROOT, capture_output=True, text=True, timeout=300,
                              env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"})
        said = [line for line in done.stderr.splitlines() if "Loading weights" not in line]
        self.assertEqual((done.returncode, done.stdout, said), (0, "", []))

    def logits(self, model, vocabulary):
        ids = torch.randint(5, vocabulary, (3, 7), generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            out = model.eval()(ids)
        return out.logits if hasattr(out, "logits") else out.last_hidden_state

    def small(self, kind=transformers.BertForMaskedLM, **more):
        torch.manual_seed(0)
        return kind(transformers.BertConfig(**{"vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
                                               "intermediate_size": 12, "max_position_embeddings": 10} | more))

    def checkpoint(self, theta, **config):
        """A checkpoint as the program writes it, of the archive and these trained tensors."""
        step = self.folder / "step_00000003"
        step.mkdir(exist_ok=True)
        with hdf5_writer(step / "theta.h5") as file:
            for name, value in theta.items():
                put_checked_tensor(file, name, value.numpy())
        with hdf5_writer(step / "progress.h5") as file:
            put_text(file, "config", 'steps = 3\n[method]\nname = "muppet"\n' + "".join(
                f"{key} = {json.dumps(value)}\n" for key, value in config.items()))
            put_text(file, "progress", '{"stage": "1_muppet"}')
        sections = {"theta": "theta.h5", "progress": "progress.h5", "model": f"../{self.archive.name}"}
        self.write("step_00000003/manifest.json", json.dumps(
            {"step": 3, "sections": {name: {"file": file} for name, file in sections.items()}}))
        return step
