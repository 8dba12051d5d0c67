"""Heads of muppet's as classification models: against the head written out in torch's own words, on transformers' states."""

import json
import unittest
from unittest import mock

import torch
import transformers
from transformers.utils import logging as transformers_logging

from export_scratch import ExportScratch

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()
SIZES = {"vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
         "max_position_embeddings": 14}
LABELS = 3


def roberta():
    return transformers.RobertaModel(transformers.RobertaConfig(**SIZES, type_vocab_size=1))


def electra(width):
    return transformers.ElectraModel(transformers.ElectraConfig(**SIZES, embedding_size=width))


def distilbert():
    return transformers.DistilBertForMaskedLM(transformers.DistilBertConfig(
        vocab_size=40, dim=8, n_layers=2, n_heads=2, hidden_dim=12, max_position_embeddings=14))


class HeadsTest(ExportScratch):
    def head(self, name, outputs):
        return {f"head.{name}.{layer}.{end}": torch.randn(*shape) for layer, rows in (("dense", 8), ("out", outputs))
                for end, shape in (("weight", (rows, 8)), ("bias", (rows,)))}

    def trained(self, model):
        self.archive_of(model)
        self.theta = self.head("topics", LABELS) | self.head("choice", 1)
        return self.checkpoint(self.theta, state="cls")

    def said(self, model, ids, name):
        """What the head says of the model's states of the first position."""
        weights = [self.theta[f"head.{name}.{end}"] for end in ("dense.weight", "dense.bias", "out.weight", "out.bias")]
        with torch.no_grad():
            states = model.base_model.eval()(ids).last_hidden_state[:, 0]
        return torch.nn.functional.linear(torch.nn.functional.linear(states, *weights[:2]).tanh(), *weights[2:])

    def check(self, model, name, expected, **more):
        """The exported folder loads without a word and says what the head says."""
        step = self.trained(model)
        out = self.out / expected
        said = self.export(step, out, head=name, overwrite=True)
        self.assertIn(f"{expected}, stage 1_muppet", said)
        auto = said.split("load it with ")[1].partition(".")[0]
        loaded, about = getattr(transformers, auto).from_pretrained(out, output_loading_info=True)
        self.assertEqual([about[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")], [set()] * 3)
        ids = torch.randint(5, 40, (6, 9), generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            logits = loaded.eval()(ids[:, None] if name == "choice" else ids, **more).logits
        wanted = self.said(model, ids, name)
        self.assertEqual(wanted.shape, logits.shape)
        self.assertLessEqual(float((logits - wanted).abs().max()), 1e-5)
        return said, auto, out

    def test_classes_with_the_same_layers(self):
        loads = []
        for model, expected in ((self.small(), "BertFor"), (self.small(transformers.BertModel), "BertFor"), (roberta(), "RobertaFor")):
            for head, name in (("topics", "SequenceClassification"), ("choice", "MultipleChoice")):
                with self.subTest(model=type(model).__name__, head=head):
                    _, *load = self.check(model, head, expected + name)
                    loads.append(load)
        self.assertEqual(len(loads), 6)

    def test_models_that_are_bert_under_other_names(self):
        for model in (distilbert(), electra(8)):
            for head, name in (("topics", "SequenceClassification"), ("choice", "MultipleChoice")):
                with self.subTest(model=type(model).__name__, head=head):
                    types = torch.ones(6, 1, 9, dtype=torch.long) if name == "MultipleChoice" else torch.ones(6, 9, dtype=torch.long)
                    more = {"token_type_ids": types} if "Distil" in type(model).__name__ else {}  # it knows no types
                    said, auto, out = self.check(model, head, f"BertFor{name}", **more)
                    self.assertIn("as BERT, which the", said)
                    self.assert_no_warning((auto, out))

    def test_a_class_with_another_activation_is_refused(self):
        step = self.trained(electra(5))
        self.refused(self.run_export(step, head="topics"),
                     "ElectraForSequenceClassification makes something else of the head topics")

    def test_a_class_that_reads_another_position_is_refused(self):
        """BartForSequenceClassification wants an end in each row: an internal error."""
        step = self.trained(transformers.BartModel(transformers.BartConfig(
            vocab_size=40, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=12, decoder_ffn_dim=12, max_position_embeddings=14)))
        self.refused(self.run_export(step, head="topics"), "reads the last state of its decoder", "Export without head=")
        self.assertIn("BartModel", self.export(step))

    def test_a_class_that_cannot_run_on_the_rows_is_refused(self):
        step = self.trained(self.small())
        with mock.patch.object(transformers.BertForSequenceClassification, "forward", side_effect=ValueError("no end\nx")):
            self.refused(self.run_export(step, head="topics"), "does not run on a row that the head topics reads: no end",
                         "Export without head=")

    def test_labels_without_names(self):
        self.assertIn("the labels of topics have numbers, no names", self.check(self.small(), "topics", "BertForSequenceClassification")[0])
        config = json.loads((self.out / "BertForSequenceClassification" / "config.json").read_text())
        self.assertEqual((config["id2label"], config["problem_type"]),
                         ({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, "single_label_classification"))

    def test_heads_that_read_a_mean_and_heads_that_are_not_there(self):
        self.archive_of(self.small())
        theta = {f"head.x.{name}": value for name, value in {
            "dense.weight": torch.randn(8, 8), "dense.bias": torch.randn(8), "out.weight": torch.randn(3, 8),
            "out.bias": torch.randn(3)}.items()}
        step = self.checkpoint(theta, state="mean")
        self.refused(self.run_export(step, head="x"), "reads the mean of a row's states", "method.state=cls")
        self.refused(self.run_export(step, head="y"), "there is no head 'y'", "Known: x, mlm, none, all")


if __name__ == "__main__":
    unittest.main()
