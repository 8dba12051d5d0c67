"""python tests/system/make_tiny_model.py OUT.h5 [KIND]: a model of two narrow layers with random weights and BERT's tokenizer,
as a model archive; a model for tests that want the program to run, not to learn."""

import pathlib
import shutil
import sys
import tempfile

import torch
import transformers
from transformers.utils import logging

from tools import import_model

SIZES = {"vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
         "max_position_embeddings": 66}
KINDS = {
    "bert": lambda: transformers.BertForMaskedLM(transformers.BertConfig(**SIZES | {"max_position_embeddings": 64})),
    "roberta": lambda: transformers.RobertaForMaskedLM(transformers.RobertaConfig(**SIZES, type_vocab_size=1)),
    "xlm-roberta": lambda: transformers.XLMRobertaForMaskedLM(transformers.XLMRobertaConfig(**SIZES, type_vocab_size=1)),
    "camembert": lambda: transformers.CamembertForMaskedLM(transformers.CamembertConfig(**SIZES, type_vocab_size=1)),
    "distilbert": lambda: transformers.DistilBertForMaskedLM(transformers.DistilBertConfig(
        vocab_size=30522, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64)),
    "electra": lambda: transformers.ElectraForPreTraining(transformers.ElectraConfig(**SIZES, embedding_size=24)),
    "modernbert": lambda: transformers.ModernBertForMaskedLM(transformers.ModernBertConfig(
        **SIZES, local_attention=8, global_attn_every_n_layers=2, pad_token_id=0, bos_token_id=101, eos_token_id=102,
        cls_token_id=101, sep_token_id=102)),
    "deberta-v2": lambda: transformers.DebertaV2ForMaskedLM(transformers.DebertaV2Config(
        **SIZES, relative_attention=True, pos_att_type="p2c|c2p", position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
        position_biased_input=False, conv_kernel_size=3, legacy=False)),
    "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=30522, n_embd=32, n_layer=2, n_head=2, n_inner=64, n_positions=64, bos_token_id=102, eos_token_id=102)),
    "bart": lambda: transformers.BartForConditionalGeneration(transformers.BartConfig(
        vocab_size=30522, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64, pad_token_id=0, bos_token_id=101, eos_token_id=102,
        decoder_start_token_id=102, forced_eos_token_id=102)),
    **{kind: lambda kind=kind: transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(
        kind, **SIZES, num_key_value_heads=1, head_dim=16, bos_token_id=101, eos_token_id=102)) for kind in ("llama", "mistral", "qwen2", "qwen3")},
}

logging.disable_progress_bar()
torch.manual_seed(7)
with tempfile.TemporaryDirectory() as folder:
    KINDS[sys.argv[2] if len(sys.argv) > 2 else "bert"]().save_pretrained(folder)
    shutil.copy(import_model.package_folder() / "tokenizer.json", pathlib.Path(folder) / "tokenizer.json")
    sys.argv = ["import_model", folder, "--out", sys.argv[1]]
    import_model.main()
