"""What an exported tokenizer is besides its pieces: where texts end, chats, and how texts are generated."""

import json
import unittest

import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers.utils import logging as transformers_logging

from export_scratch import ExportScratch

from tools.archive import get_json, hdf5_reader
from tools.export.tokenizer import special_tokens

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()
SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
TEMPLATE = "{% for one in messages %}{{ one['role'] }}: {{ one['content'] }}<|eot_id|>{% endfor %}"
GENERATION = {"do_sample": True, "eos_token_id": [1, 2], "temperature": 0.6, "top_p": 0.9}
SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 20}
CAUSAL = {"roles": ["begin"], "types": False}


def byte_pairs():
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({piece: number for number, piece in enumerate([*SPECIAL, *letters])}, []))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens([AddedToken(piece, normalized=False) for piece in SPECIAL])
    return made.to_str()


class TokenizerTest(ExportScratch):
    def llama(self, **settings):
        """A folder like Llama 3's: several ends in its configuration, none of them in its rows."""
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(
            vocab_size=260, bos_token_id=0, eos_token_id=[1, 2], pad_token_id=None, **SIZES))
        model.save_pretrained(self.source)
        for name, content in settings.items():
            self.write(f"source/{name}.json", json.dumps(content))
        self.write("source/tokenizer.json", byte_pairs())
        self.imported(self.source, self.archive)
        self.export(overwrite=True)
        self.assert_no_warning(("AutoModelForCausalLM", self.exported))
        return transformers.AutoTokenizer.from_pretrained(self.exported)

    def test_a_chat_model(self):
        """It had no eos_token, no chat_template and no generation_config.json."""
        loaded = self.llama(tokenizer_config={"chat_template": TEMPLATE, "eos_token": "<|eot_id|>"},
                            generation_config=GENERATION | {"transformers_version": "4.40.0"})
        self.assertEqual((loaded.bos_token, loaded.eos_token, loaded.chat_template), (SPECIAL[0], "<|eot_id|>", TEMPLATE))
        self.assertEqual(json.loads((self.exported / "generation_config.json").read_text()), GENERATION)
        self.imported(self.exported, self.folder / "again.h5")
        metas = []
        for path in (self.archive, self.folder / "again.h5"):
            with hdf5_reader(path) as file:
                metas.append(get_json(file, "meta"))
        self.assertEqual(*({key: meta[key] for key in ("chat_template", "generation_config")} for meta in metas))
        self.export(out=self.out / "body", head="none")
        self.assertFalse((self.out / "body" / "generation_config.json").exists())

    def test_ends_that_no_settings_name(self):
        loaded = self.llama()
        self.assertEqual((loaded.bos_token, loaded.eos_token, loaded.chat_template), (SPECIAL[0], SPECIAL[1], None))

    def test_the_end_of_causal_kinds(self):
        text = byte_pairs()
        for config, named, end in (({}, {}, SPECIAL[1]), ({"eos_token_id": 2}, {}, SPECIAL[2]), ({"eos_token_id": [2, 1]}, {}, SPECIAL[2]),
                                   ({"eos_token_id": []}, {}, SPECIAL[1]), ({"eos_token_id": 1}, {"eos_token": SPECIAL[2]}, SPECIAL[2]),
                                   ({"eos_token_id": 1}, {"eos_token": "<absent>"}, SPECIAL[1])):
            with self.subTest(config=config, named=named):
                self.assertEqual(special_tokens(text, CAUSAL, config, named), {"bos_token": SPECIAL[0], "eos_token": end})

    def test_a_template_of_its_own_file_and_one_that_is_none(self):
        self.archive_of(self.small())
        self.write("source/chat_template.jinja", TEMPLATE)
        self.imported(self.source, self.archive)
        self.export()
        self.assertEqual(transformers.AutoTokenizer.from_pretrained(self.exported).chat_template, TEMPLATE)
        self.write("source/additional_chat_templates/tools.jinja", "{{ tools }}")
        self.imported(self.source, self.archive)
        self.export(overwrite=True)
        self.assertEqual(transformers.AutoTokenizer.from_pretrained(self.exported).chat_template,
                         {"default": TEMPLATE, "tools": "{{ tools }}"})
        (self.source / "additional_chat_templates" / "tools.jinja").unlink()
        (self.source / "chat_template.jinja").unlink()
        self.write("source/tokenizer_config.json", '{"chat_template": 7}')
        with self.assertRaisesRegex(AssertionError, "chat_template is a int, neither a text nor a list"):
            self.imported(self.source, self.archive)


if __name__ == "__main__":
    unittest.main()
