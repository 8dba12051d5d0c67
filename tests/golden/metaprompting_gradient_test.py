"""MetaPrompting's meta-gradient by plain transformers and torch, against the program's: second order through the
unrolled inner loop, for a soft prompt alone and for the whole model with it; a random tiny BERT and the real MiniLM
with its MLM head. Control: the first-order gradient must fail the same comparison.

Knows nothing of metaloom but the file formats: h5py exchanges the arrays.
run: METALOOM_BUILD_DIR=build .venv/bin/python tests/golden/metaprompting_gradient_test.py
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np
import tokenizers
import torch
import transformers
from torch.func import functional_call

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("METALOOM_BUILD_DIR", ROOT / "build")) / "golden_metaprompting"
REAL_MODEL = ROOT / ".cache" / "models" / "minilm-mlm.h5"
WORDS = "embeddings.word_embeddings.weight"
LIMIT, LIMIT_DOUBLE = 1e-5, 1e-12  # relative L2 in fp32 and fp64
DIFFERENT = 0.1  # first and second order must differ by more

SENTENCES = {  # per class: a support text, then two queries
    "alarm": ["wake me up at seven tomorrow", "set an alarm for six in the morning", "remove my alarm for monday"],
    "weather": ["will it rain this afternoon", "do i need an umbrella in london today", "how cold is it outside"],
    "music": ["play some jazz from the sixties", "skip this song please", "who sings this track"],
    "email": ["reply to the message from anna", "any new mail from my boss", "send a note to the whole team"],
    "play game": ["let us play chess", "start a new game with me", "i want to play tic tac toe"],
    "transport taxi": ["book a taxi to the station", "call me a cab for nine", "get me a ride home"],
}


def put_text(file, name, text):
    file.create_dataset(name, data=np.frombuffer(text.encode(), dtype=np.uint8)).attrs["text"] = 1


class Model:
    """A model archive, and the same weights in transformers."""

    def __init__(self, path):
        self.path = path
        with h5py.File(path) as file:
            meta = json.loads(bytes(file["meta"][()]))
            self.pieces = bytes(file["tokenizer/vocabulary"][()]).decode().split("\n")
            self.tokenizer = bytes(file["tokenizer/tokenizer.json"][()]).decode()
            weights = {}
            file["parameters"].visititems(
                lambda name, item: weights.update({name: torch.from_numpy(item[()])}) if isinstance(item, h5py.Dataset) else None)
        config = transformers.BertConfig(**{**meta["config"], "attn_implementation": "eager"})
        self.net = transformers.BertForMaskedLM(config).eval()
        prefixed = {name if name.startswith("cls.") else f"bert.{name}": value for name, value in weights.items()}
        left_out = self.net.load_state_dict(prefixed, strict=False)
        assert not left_out.unexpected_keys, left_out
        assert all("decoder" in name for name in left_out.missing_keys), left_out
        self.net.tie_weights()

    def id(self, piece):
        return self.pieces.index(piece)


def write_tiny_model(path):
    """A random BERT as a model archive, large enough weights for every layer to bend what passes through."""
    config = {"model_type": "bert", "vocab_size": 64, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
              "intermediate_size": 40, "max_position_embeddings": 48, "type_vocab_size": 2, "hidden_act": "gelu",
              "layer_norm_eps": 1e-12}
    torch.manual_seed(1)
    net = transformers.BertForMaskedLM(transformers.BertConfig(**config))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", ".", "the", "topic", "is", "of", "this", "text", "about"]
    pieces += [f"word{index}" for index in range(len(pieces), 64)]
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        meta = {"format": "metaloom-model", "version": 1, "backbone": "bert", "config": config,
                "tokenizer_digest": "none", "source": "random"}
        put_text(file, "meta", json.dumps(meta))
        put_text(file, "tokenizer/tokenizer.json", "{}")
        put_text(file, "tokenizer/vocabulary", "\n".join(pieces))
        for name, value in net.named_parameters():
            if not name.startswith("cls.predictions.decoder"):
                noise = torch.randn(value.shape) * 0.3 + float(name.endswith("LayerNorm.weight"))
                file[f"parameters/{name.removeprefix('bert.')}"] = noise.numpy()


def tiny_episodes(random, count, ways=3, queries=2):
    """Random texts over the free words of the tiny vocabulary; five labels of one or two words."""
    words = [[[40 + 3 * n], [41 + 3 * n, 42 + 3 * n]][:1 + n % 2] for n in range(5)]
    def text():
        return random.integers(14, 40, random.integers(3, 8)).tolist()
    tasks = []
    for _ in range(count):
        tasks.append({"classes": random.permutation(5)[:ways].tolist(),
                      "support": [text() for _ in range(ways)], "support_labels": list(range(ways)),
                      "query": [text() for _ in range(ways * queries)], "query_labels": list(range(ways)) * queries})
    return words, tasks


def real_episodes(model, random, count, ways=4):
    """Episodes of hand-written sentences, tokenised by the model's own tokenizer."""
    tokenizer = tokenizers.Tokenizer.from_str(model.tokenizer)
    tokenizer.no_padding()
    ids = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    names = list(SENTENCES)
    words = [[ids(word) for word in name.split()] for name in names]
    tasks = []
    for _ in range(count):
        classes = random.permutation(len(names))[:ways].tolist()
        texts = [[ids(text) for text in SENTENCES[names[n]]] for n in classes]
        tasks.append({"classes": classes, "support": [each[0] for each in texts], "support_labels": list(range(ways)),
                      "query": [text for each in texts for text in each[1:]],
                      "query_labels": [n for n in range(ways) for _ in range(2)]})
    return words, tasks


def framed(model, texts, soft):
    """[CLS] <soft> text , the topic is [MASK] . [SEP]: ids, attention mask, positions of soft tokens and of [MASK]."""
    tail = [model.id(piece) for piece in (",", "the", "topic", "is", "[MASK]", ".", "[SEP]")]
    rows = [[model.id("[CLS]")] + [model.id("[UNK]")] * soft + text + tail for text in texts]
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    return ids, mask, torch.tensor([len(row) - 3 for row in rows])


def class_loss(model, case, task, part, phi, buffers):
    """Mean cross-entropy of the class logits: means of the MLM logits at [MASK] of the label words' first pieces."""
    soft = phi["soft"]
    ids, mask, mask_at = framed(model, task[part], len(soft))
    embeddings = torch.nn.functional.embedding(ids, phi[f"bert.{WORDS}"])
    slots = torch.arange(1, 1 + len(soft))
    embeddings = embeddings.index_put((torch.arange(len(ids))[:, None], slots[None, :]), soft.expand(len(ids), *soft.shape))
    weights = {name: value for name, value in phi.items() if name != "soft"} | buffers
    logits = functional_call(model.net, weights, kwargs={"inputs_embeds": embeddings, "attention_mask": mask}).logits
    at_mask = logits[torch.arange(len(ids)), mask_at]
    classes = torch.stack([at_mask[:, [word[0] for word in case["label_words"][n]]].mean(1) for n in task["classes"]], 1)
    return torch.nn.functional.cross_entropy(classes, torch.tensor(task[f"{part}_labels"]))


def meta_gradient(model, case, soft, rates, steps, full, first_order):
    """Sum over the episodes of d query loss / d theta in fp64, theta = soft tokens and, if `full`, all of the model."""
    model.net.to(torch.float64)
    frozen = {name: value.detach() for name, value in model.net.named_parameters()}
    buffers = dict(model.net.named_buffers())
    total, losses = {}, []
    for task in case["tasks"]:
        theta = {"soft": soft.double().clone().requires_grad_()}
        if full:
            theta |= {name: value.clone().requires_grad_() for name, value in frozen.items()}
        phi = dict(theta)
        for _ in range(steps):
            loss = class_loss(model, case, task, "support", frozen | phi, buffers)
            slopes = torch.autograd.grad(loss, list(phi.values()), create_graph=not first_order)
            phi = {name: value - rates["soft" if name == "soft" else "model"] * slope
                   for (name, value), slope in zip(phi.items(), slopes)}
        loss = class_loss(model, case, task, "query", frozen | phi, buffers)
        losses.append(loss.item())
        for name, slope in zip(theta, torch.autograd.grad(loss, list(phi.values() if first_order else theta.values()))):
            total[name] = total.get(name, 0) + slope
    return {name: value.numpy().astype(np.float64) for name, value in total.items()}, np.array(losses)


def relative(found, right):
    """|found - right| / |right| over all tensors."""
    off = sum(np.square(found[name] - value).sum() for name, value in right.items())
    return float(np.sqrt(off / sum(np.square(value).sum() for value in right.values())))


class MetaGradient(unittest.TestCase):
    figures = {}

    def setUp(self):
        torch.set_num_threads(1)
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def program(self, model, case, soft):
        with h5py.File(self.folder / "case.h5", "w", libver=("v110", "v110")) as file:
            put_text(file, "case", json.dumps(case))
            file["theta/prompt.soft"] = soft.numpy()
        out = self.folder / "out.h5"
        out.unlink(missing_ok=True)
        subprocess.run([PROGRAM, model.path, self.folder / "case.h5", out], check=True,
                       env={**os.environ, "OMP_NUM_THREADS": "1"})
        with h5py.File(out) as file:
            gradient = {name: item[()].astype(np.float64) for name, item in file["gradient"].items()}
            return gradient, file["loss"][()]

    def compare(self, label, model, words, tasks, soft, rates, scope):
        """Both precisions and both rules of the program against one fp64 reference."""
        method = {"template": f"<soft:{len(soft)}> {{text}} , the topic is [MASK] .", "scope": scope,
                  "inner_steps": 3, "inner_rate": rates["soft"], "model_inner_rate": rates["model"]}
        case = {"max_length": 40, "label_words": words, "tasks": tasks}
        spelled = {"soft": "prompt.soft"} | {name: f"model.{name.removeprefix('bert.')}"
                                             for name, _ in model.net.named_parameters()}
        right, losses = {}, None
        for rule in ("maml", "fomaml"):
            gradient, losses = meta_gradient(model, case, soft, rates, 3, scope == "full", rule == "fomaml")
            right[rule] = {spelled[name]: value for name, value in gradient.items()}
        for double, limit in ((True, LIMIT_DOUBLE), (False, LIMIT)):
            label_now = f"{label}, {scope}, {'fp64' if double else 'fp32'}"
            with self.subTest(label_now):
                off = {}
                for rule in ("maml", "fomaml"):
                    ours, our_losses = self.program(model, case | {"double": double, "method": method | {"rule": rule}}, soft)
                    self.assertEqual(set(ours), set(right["maml"]))
                    np.testing.assert_allclose(our_losses, losses, rtol=limit)
                    off[rule] = relative(ours, right["maml"])
                    self.assertLessEqual(relative(ours, right[rule]), limit, f"{label_now}: {rule} is not transformers'")
                self.figures[label_now] = f"{off['maml']:.1e} (control, first order: {off['fomaml']:.2f})"
                self.assertGreater(off["fomaml"], DIFFERENT, "the first-order gradient must fail the comparison")

    def test_tiny_random_model(self):
        write_tiny_model(self.folder / "tiny.h5")
        model = Model(self.folder / "tiny.h5")
        words, tasks = tiny_episodes(np.random.default_rng(2), 3)
        soft = torch.randn(3, 24, generator=torch.Generator().manual_seed(3)) * 0.3
        for scope in ("prompt", "full"):
            self.compare("tiny", model, words, tasks, soft, {"soft": 1.0, "model": 0.03}, scope)

    def test_minilm(self):
        path = REAL_MODEL
        if not path.exists():
            path = self.folder / "minilm-mlm.h5"
            subprocess.run([sys.executable, "-m", "tools.import_model", "minilm-mlm", "--out", path], check=True, cwd=ROOT)
        model = Model(path)
        words, tasks = real_episodes(model, np.random.default_rng(4), 2)
        start = [model.id(piece) for piece in "the topic of this text is about a".split()]
        soft = model.net.bert.embeddings.word_embeddings.weight.detach()[start].clone()
        for scope, some in (("prompt", tasks), ("full", tasks[:1])):
            self.compare("minilm-mlm", model, words, some, soft, {"soft": 0.15, "model": 0.0015}, scope)

    @classmethod
    def tearDownClass(cls):
        print("second order, relative L2 from transformers:", json.dumps(cls.figures, indent=2))


if __name__ == "__main__":
    unittest.main()
