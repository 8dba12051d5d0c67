"""python tests/system/make_tiny_model.py OUT.h5: a BERT of two narrow layers with random weights and the real tokenizer,
as a model archive; a model for tests that want the program to run, not to learn."""

import pathlib
import shutil
import sys
import tempfile

import torch
from transformers import BertConfig, BertForMaskedLM
from transformers.utils import logging

from tools import import_model

logging.disable_progress_bar()
torch.manual_seed(7)
with tempfile.TemporaryDirectory() as folder:
    config = BertConfig(vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=64, max_position_embeddings=64)
    BertForMaskedLM(config).save_pretrained(folder)
    shutil.copy(import_model.package_folder() / "tokenizer.json", pathlib.Path(folder) / "tokenizer.json")
    sys.argv = ["import_model", folder, "--out", sys.argv[1]]
    import_model.main()
