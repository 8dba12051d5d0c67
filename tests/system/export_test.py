"""Trained heads as classification models of transformers: on the same rows the same loss and accuracy as the run's own; and
what an adapted checkpoint leaves beside the model."""

import json
import math
import pathlib
import subprocess
import sys
import unittest

import h5py
import torch
import transformers
from safetensors.torch import load_file
from transformers.utils import logging as transformers_logging

from tests.system.program import ENVIRONMENT, ROOT, SystemTest

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
FEW = '{"text": "play some music", "label": "music"}\n{"text": "will it rain", "label": "weather"}\n'
CLS, SEP = 101, 102


def rows_of(store):
    """([segments of word pieces], label) of every validation row."""
    with h5py.File(store) as file:
        split = {name: item[()].tolist() for name, item in file["validation"].items()}
    for row, label in enumerate(split["labels"]):
        segments = range(split["row_segments"][row], split["row_segments"][row + 1])
        yield [split["tokens"][split["segment_offsets"][s]:split["segment_offsets"][s + 1]] for s in segments], label


class ExportedHeads(SystemTest):
    def trained(self, kind):
        """A stage of muppet whose heads read the first position; trained once."""
        run = self.place.folder / f"heads-{kind}"
        if not run.exists():
            model = self.place.folder / f"{kind}.h5"
            subprocess.run([sys.executable, "tests/system/make_tiny_model.py", str(model), kind], cwd=ROOT, check=True,
                           env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
            self.place.metaloom(*self.place.words(
                "train", self.place.empty, run, "method.name=muppet", "method.state=cls", "steps=8", "optimizer.rate=3e-3",
                'data.datasets=["moods", "subjects", "sounds", "riddles"]', "data.max_length=60", "data.batch=4",
                "data.slots=4", "evaluate.before=false", "comm.threads=1", model=model))
        return run

    def final(self, run, dataset):
        return next(entry for entry in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
                    if entry["kind"] == "evaluation" and entry["final"] and entry["dataset"] == dataset)

    def exported(self, run, head, *words):
        out = self.place.folder / f"{run.name}-{head}"
        printed = self.place.metaloom("export", run, f"out={out}", f"head={head}", *words)
        auto = printed.split("load it with ")[1].partition(".")[0]
        model, about = getattr(transformers, auto).from_pretrained(out, output_loading_info=True)
        self.assertEqual([about[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")], [set()] * 3)
        return out, model.eval()

    def logits(self, model, text, pair):
        """Of one row, framed by hand as BERT and RoBERTa want it."""
        kind = model.config.model_type
        between = [SEP, SEP] if kind == "roberta" else [SEP]
        ids = [CLS, *text, *([*between, *pair] if pair else []), SEP]
        more = {}
        if kind == "bert":
            first = len(text) + 2
            more["token_type_ids"] = torch.tensor([[0] * first + [1] * (len(ids) - first)])
        rows = torch.tensor([ids])
        if "MultipleChoice" in type(model).__name__:
            rows, more = rows[:, None], {name: value[:, None] for name, value in more.items()}
        with torch.no_grad():
            return model(input_ids=rows, **more).logits[0]

    def check(self, run, model, dataset):
        right, losses = 0, []
        for segments, label in rows_of(self.place.stores / f"{dataset}.h5"):
            if "MultipleChoice" in type(model).__name__:
                scores = torch.cat([self.logits(model, segments[0], choice) for choice in segments[1:]])
            else:
                scores = self.logits(model, segments[0], segments[1] if len(segments) > 1 else [])
            right += int(scores.argmax()) == label
            losses.append(-float(scores.double().log_softmax(0)[label]))
        score = self.final(run, dataset)
        self.assertAlmostEqual(right / len(losses), score["value"], places=9)
        self.assertLessEqual(abs(math.fsum(losses) / len(losses) - score["loss"]), 1e-5)

    def test_heads_score_as_the_run_did(self):
        for kind, heads in {"bert": ("moods", "subjects", "sounds", "choice"), "roberta": ("sounds", "choice"),
                            "distilbert": ("sounds",)}.items():  # DistilBERT's as BERT
            run = self.trained(kind)
            for head in heads:
                with self.subTest(kind=kind, head=head):
                    out, model = self.exported(run, head)
                    self.check(run, model, {"choice": "riddles"}.get(head, head))
                    if head == "subjects":
                        with h5py.File(self.place.stores / "subjects.h5") as store:
                            labels = json.loads(bytes(store["meta"][()]))["labels"]
                        self.assertEqual([model.config.id2label[number] for number in range(len(labels))], labels)
                        card = (out / "README.md").read_text()
                        for part in (*labels, "AutoModelForSequenceClassification", 'state = "cls"', "muppet/subjects"):
                            self.assertIn(part, card)

    def test_heads_that_cannot_be_expressed(self):
        out = self.place.folder / "refused"
        printed = self.place.metaloom("export", self.trained("electra"), f"out={out}", "head=moods", code=3)
        self.assertIn("ElectraForSequenceClassification makes something else of the head moods", printed)
        self.assertIn("Did you mean 'moods'? Known: choice, moods, ",
                      self.place.metaloom("export", self.trained("electra"), f"out={out}", "head=mods", code=3))
        self.assertIn("no head was trained", self.place.metaloom("export", self.place.model, f"out={out}", "head=moods", code=3))
        self.assertIn("export needs out=FOLDER", self.place.metaloom("export", self.place.model, code=2))
        self.assertFalse(out.exists())
        self.assertEqual([], list(out.parent.glob(".refused*")))

    def test_labels_whose_store_is_gone(self):
        aside = self.place.stores.with_name("aside")
        run = self.trained("bert")
        self.place.stores.rename(aside)
        try:
            printed = self.place.metaloom("export", run, f"out={self.place.folder / 'numbers'}", "head=subjects", "precision=bf16")
        finally:
            aside.rename(self.place.stores)
        self.assertIn("the labels of subjects have numbers, no names", printed)
        config = json.loads((self.place.folder / "numbers" / "config.json").read_text())
        self.assertEqual((config["id2label"]["1"], config["dtype"]), ("LABEL_1", "bfloat16"))

    def test_an_adapted_checkpoint(self):
        """Its soft prompt lies beside the model; put where the template has it, it answers as `predict` does."""
        few, mine, out = (self.place.folder / name for name in ("few.jsonl", "mine", "mine-exported"))
        few.write_text(FEW)
        self.place.metaloom("adapt", self.place.few_shot_stage(), f"data={few}", f"out={mine}")
        printed = self.place.metaloom("export", mine, f"out={out}")
        self.assertIn("lie beside it, in metaloom.safetensors: prompt.soft", printed)
        soft = load_file(out / "metaloom.safetensors")["prompt.soft"]
        card = (out / "README.md").read_text()
        self.assertIn("classes: music, weather", card)
        model = transformers.AutoModelForMaskedLM.from_pretrained(out).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(out)
        template = card.split("of the template `")[1].partition("`")[0]
        self.assertTrue(template.startswith(f"<soft:{len(soft)}> "), template)
        labelled = self.place.folder / "labelled.jsonl"
        self.place.metaloom("predict", mine, f"data={few}", f"out={labelled}")
        for row in map(json.loads, pathlib.Path(labelled).read_text().splitlines()):
            words = template.removeprefix(f"<soft:{len(soft)}> ").replace("{text}", row["text"])
            ids = torch.tensor([[CLS, *[0] * len(soft), *tokenizer(words, add_special_tokens=False)["input_ids"], SEP]])
            with torch.no_grad():
                rows = model.get_input_embeddings()(ids)
                rows[0, 1:1 + len(soft)] = soft
                logits = model(inputs_embeds=rows).logits[0, ids[0].tolist().index(tokenizer.mask_token_id)]
            names = ["music", "weather"]
            share = logits[[tokenizer.convert_tokens_to_ids(name) for name in names]].softmax(0)
            self.assertAlmostEqual(float(share[names.index(row["predicted"])]), row["probability"], places=5)


if __name__ == "__main__":
    unittest.main()
