"""Models with tokenizers of their own, from the folder that transformers wrote to a prediction: RoBERTa at its mask, GPT-2 at the
word after the template."""

import gzip
import json
import unittest

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer, RobertaConfig, RobertaForMaskedLM, RobertaTokenizer
from transformers.utils import logging

from tests.system.program import ROOT, SystemTest

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
         "max_position_embeddings": 66}
CLOZE, NEXT = "<soft:2> {text} the topic is [MASK] .", "<soft:2> {text} The topic is"


def tiny_texts():
    for file in sorted((ROOT / "tests" / "data" / "tiny").glob("*/*.jsonl*")):
        with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
            yield from (str(value) for line in lines for value in json.loads(line).values())
    yield from (CLOZE, NEXT, " The topic of this text is about it was")


class Tokenizers(SystemTest):
    def folder(self, name, specials, kind, model):
        """A folder as transformers writes it: a random model, and byte pairs learnt of the tiny texts."""
        logging.disable_progress_bar()
        torch.manual_seed(7)
        learnt = Tokenizer(models.BPE())
        learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        learnt.train_from_iterator(tiny_texts(), trainers.BpeTrainer(
            vocab_size=600, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
        content = json.loads(learnt.to_str())["model"]
        folder = self.place.folder / name
        model(len(content["vocab"])).save_pretrained(folder)
        kind(vocab=content["vocab"], merges=[tuple(pair) for pair in content["merges"]]).save_pretrained(folder)
        return folder

    def brought_in(self, name, *made):
        """The archive and the stores of such a model."""
        folder, archive, stores = self.folder(name, *made), self.place.folder / f"{name}.h5", self.place.folder / f"{name}-stores"
        self.place.metaloom("import", folder, f"out={archive}")
        self.place.metaloom("data", "tests/data/tiny.toml", f"out={stores}", f"tokenizer={folder}")
        return {"model": archive, "stores": stores}

    def train(self, place, run, template, *typed, code=0):
        settings = ("steps=2", "evaluate.episodes=1", "evaluate.batches=1", "comm.threads=1", "data.max_length=40",
                    "evaluate.before=false", f"method.template={template}", *typed)
        return self.place.metaloom(*self.place.words("train", self.place.empty, run, *settings, **place), code=code)

    def check(self, name, place, template):
        episodes = ('data.datasets=["intents"]', "data.ways=3", "method.name=metaprompting", "method.rule=fomaml")
        few = self.place.folder / f"{name}-few"
        self.assertIn("loss", self.train(place, few, template, *episodes))
        self.assertIn("loss", self.train(place, f"{name}-mean", template, *episodes, "method.label_pieces=mean"))
        self.assertIn("loss", self.train(place, f"{name}-spt", template, 'data.datasets=["moods"]', "method.name=spt",
                                         "method.keep=1", "method.prompt_rows=2", "method.bottleneck=8", "steps=4"))
        rows = self.place.folder / "rows.jsonl"
        rows.write_text("".join(json.dumps({"text": f"play music {n}", "label": label}) + "\n"
                                for n, label in enumerate(["music", "weather"] * 3)))
        adapted = self.place.folder / f"{name}-adapted"
        self.place.metaloom("adapt", few, f"data={rows}", f"out={adapted}")
        self.assertRegex(self.place.metaloom("predict", adapted, f"data={rows}"), "music|weather")
        return episodes

    def test_roberta(self):
        place = self.brought_in("roberta", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], RobertaTokenizer,
                                lambda count: RobertaForMaskedLM(RobertaConfig(vocab_size=count, type_vocab_size=1, **SIZES)))
        episodes = self.check("roberta", place, CLOZE)
        self.assertIn("loss", self.train(place, "roberta-first", "[MASK] : {text}", *episodes, "method.scope=full"))

    def test_gpt2(self):
        place = self.brought_in("gpt2", ["<|endoftext|>"], GPT2Tokenizer, lambda count: GPT2LMHeadModel(GPT2Config(
            vocab_size=count, n_embd=32, n_layer=2, n_head=2, n_positions=64)))
        episodes = self.check("gpt2", place, NEXT)
        self.assertIn("Leave it out", self.train(place, "gpt2-bad", CLOZE, *episodes, code=2))


if __name__ == "__main__":
    unittest.main()
