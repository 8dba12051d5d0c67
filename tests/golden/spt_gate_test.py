"""SPT's search gradients by plain transformers and torch, against the program's: gates (re-parameterised) and prompt
generators at every layer, dense and hypercomplex, with the consistency loss; a random tiny BERT and the real MiniLM
with its MLM head. Control: the plain gradient of the gates, as DARTS has it, must fail the same comparison.

Knows nothing of metaloom but the file formats: h5py exchanges the arrays.
run: METALOOM_BUILD_DIR=build .venv/bin/python tests/golden/spt_gate_test.py
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

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from metaprompting_gradient_test import REAL_MODEL, ROOT, SENTENCES, Model, put_text, relative, write_tiny_model  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("METALOOM_BUILD_DIR", ROOT / "build")) / "golden_spt"
LIMIT, LIMIT_DOUBLE = 1e-5, 1e-10  # relative L2 in fp32 and fp64
DIFFERENT = 0.1  # re-parameterised and plain gradients must differ by more
TEMPLATE = "{text} , the topic is [MASK] ."
TAIL = [",", "the", "topic", "is", "[MASK]", ".", "[SEP]"]


def generator_shapes(width, bottleneck, order):
    matrices = {"down": (bottleneck, width), "up": (width, bottleneck)}
    shapes = {f"{name}.bias": (outputs,) for name, (outputs, _) in matrices.items()}
    for name, (outputs, inputs) in matrices.items():
        if order == 1:
            shapes[f"{name}.weight"] = (outputs, inputs)
        else:
            shapes[f"{name}.rules"] = (order, order, order)
            shapes[f"{name}.factors"] = (order, outputs // order, inputs // order)
    return shapes


def random_theta(layers, method, width, seed):
    """Gates and generators of a hyper-network in the middle of a search: nothing zero, nothing equal."""
    torch.manual_seed(seed)
    theta = {"gates": torch.randn(layers + 1)}
    for layer in range(layers):
        for name, shape in generator_shapes(width, method["bottleneck"], method["phm"]).items():
            theta[f"search.{layer}.{name}"] = torch.randn(shape) * (0.3 if len(shape) == 3 else 0.2)
    return theta


def matrix(theta, name):
    if f"{name}.weight" in theta:
        return theta[f"{name}.weight"]
    return sum(torch.kron(a, b) for a, b in zip(theta[f"{name}.rules"], theta[f"{name}.factors"]))


def generated(theta, layer, states, lengths, rows):
    """The paper's order of things: down, pool over the row's own tokens, activate, up."""
    name = f"search.{layer}"
    down = states @ matrix(theta, f"{name}.down").T + theta[f"{name}.down.bias"]
    pooled = torch.stack([torch.nn.functional.adaptive_avg_pool1d(row[:length].T, rows).T
                          for row, length in zip(down, lengths)])
    return torch.relu(pooled) @ matrix(theta, f"{name}.up").T + theta[f"{name}.up.bias"]


def mask_states(model, theta, gates, ids, lengths, mask_at, method):
    """States at [MASK] of the hyper-network whose gates [N + 1] are these."""
    net = model.net.bert
    rows, length = ids.shape
    hidden = net.embeddings(input_ids=ids)
    prompt = torch.zeros(rows, method["prompt_rows"], hidden.shape[-1], dtype=hidden.dtype)
    visible = torch.arange(length)[None, :] < torch.tensor(lengths)[:, None]
    visible = torch.cat([torch.ones(rows, method["prompt_rows"], dtype=torch.bool), visible], 1)
    bias = torch.zeros(visible.shape, dtype=hidden.dtype).masked_fill(~visible, float("-inf"))[:, None, None, :]
    for layer, block in enumerate(net.encoder.layer):
        fresh = generated(theta, layer, hidden, lengths, method["prompt_rows"])
        prompt = (1 - method["tau"] * gates[layer]) * prompt + gates[layer] * fresh
        out = block(torch.cat([prompt, hidden], 1), attention_mask=bias)
        out = out[0] if isinstance(out, tuple) else out
        prompt, hidden = out.split([method["prompt_rows"], length], 1)
    return hidden[torch.arange(rows), mask_at]


def search_loss(model, case, theta, keep, reparameterise):
    method = case["method"]
    tail = [model.id(piece) for piece in TAIL]
    rows = [[model.id("[CLS]")] + text + tail for text in case["rows"]]
    lengths = [len(row) for row in rows]
    ids = torch.tensor([row + [0] * (max(lengths) - len(row)) for row in rows])
    mask_at = torch.tensor(lengths) - 3
    gates = torch.sigmoid(theta["gates"])
    if reparameterise:
        gates = gates * gates.sum().detach() / gates.sum()
    states = mask_states(model, theta, gates, ids, lengths, mask_at, method)
    logits = model.net.cls(states)
    classes = torch.stack([logits[:, [word[0] for word in words]].mean(1) for words in case["label_words"]], 1)
    loss = torch.nn.functional.cross_entropy(classes, torch.tensor(case["labels"]))
    if method["consistency"]:
        masked = mask_states(model, theta, gates * keep, ids, lengths, mask_at, method)
        loss = loss + method["consistency"] * torch.nn.functional.mse_loss(masked, states)
    return loss


def gradient(model, case, theta, names, keep, reparameterise=True):
    model.net.to(torch.float64)
    leaves = {name: value.double().requires_grad_() for name, value in theta.items()}
    loss = search_loss(model, case, leaves, torch.tensor(keep), reparameterise)
    slopes = torch.autograd.grad(loss, [leaves[name] for name in names])
    return {name: slope.numpy() for name, slope in zip(names, slopes)}, loss.item()


class GateGradient(unittest.TestCase):
    figures = {}

    def setUp(self):
        torch.set_num_threads(1)
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def program(self, model, case, theta):
        with h5py.File(self.folder / "case.h5", "w", libver=("v110", "v110")) as file:
            put_text(file, "case", json.dumps(case))
            for name, value in theta.items():
                file[f"theta/{name}"] = value.numpy()
        out = self.folder / "out.h5"
        out.unlink(missing_ok=True)
        subprocess.run([PROGRAM, model.path, self.folder / "case.h5", out], check=True,
                       env={**os.environ, "OMP_NUM_THREADS": "1"})
        with h5py.File(out) as file:
            found = {name: item[()].astype(np.float64) for name, item in file["gradient"].items()}
            return found, file["loss"][0], file["mask"][()]

    def compare(self, label, model, words, rows, labels, method):
        """The gates' turn and the generators' turn, in both precisions, against one fp64 reference each."""
        layers, width = model.net.config.num_hidden_layers, model.net.config.hidden_size
        method = {"template": TEMPLATE, "dropout": 0.0, "search_steps": 50, "keep": 1} | method
        theta = random_theta(layers, method, width, seed=5)
        case = {"max_length": 40, "label_words": words, "rows": rows, "labels": labels, "method": method}
        for step, turn in ((1, "gates"), (0, "weights")):
            names = ["gates"] if turn == "gates" else [name for name in theta if name != "gates"]
            for double, limit in ((True, LIMIT_DOUBLE), (False, LIMIT)):
                now = f"{label}, {turn}, {'fp64' if double else 'fp32'}"
                with self.subTest(now):
                    ours, loss, keep = self.program(model, case | {"double": double, "step": step}, theta)
                    self.assertEqual(set(ours), set(names))
                    right, right_loss = gradient(model, case, theta, names, keep)
                    np.testing.assert_allclose(loss, right_loss, rtol=limit)
                    off = relative(ours, right)
                    self.assertLessEqual(off, limit, f"{now}: not the gradient of transformers")
                    self.figures[now] = f"{off:.1e}"
                    if turn == "gates":
                        plain, _ = gradient(model, case, theta, names, keep, reparameterise=False)
                        control = relative(plain, right)
                        self.assertGreater(control, DIFFERENT, "the plain gradient must fail the comparison")
                        self.figures[now] += f" (control, plain gates: {control:.2f})"

    def test_tiny_random_model(self):
        write_tiny_model(self.folder / "tiny.h5")
        model = Model(self.folder / "tiny.h5")
        random = np.random.default_rng(2)
        rows = [random.integers(14, 40, random.integers(3, 9)).tolist() for _ in range(7)]
        labels = random.integers(0, 3, 7).tolist()
        words = [[[40]], [[41, 42], [43]], [[44]]]
        for tau, order, consistency in ((1.0, 1, 1.0), (0.4, 2, 0.7), (0.0, 4, 0.0)):
            method = {"prompt_rows": 3, "bottleneck": 8, "phm": order, "tau": tau, "consistency": consistency,
                      "keep_probability": 0.5}
            self.compare(f"tiny, tau {tau}, PHM {order}, consistency {consistency}", model, words, rows, labels, method)

    def test_minilm(self):
        path = REAL_MODEL
        if not path.exists():
            path = self.folder / "minilm-mlm.h5"
            subprocess.run([sys.executable, "-m", "tools.import_model", "minilm-mlm", "--out", path], check=True, cwd=ROOT)
        model = Model(path)
        tokenizer = tokenizers.Tokenizer.from_str(model.tokenizer)
        tokenizer.no_padding()
        ids = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        words = [[ids(word) for word in name.split()] for name in SENTENCES]
        rows = [ids(text) for texts in SENTENCES.values() for text in texts]
        labels = [n for n in range(len(SENTENCES)) for _ in range(3)]
        method = {"prompt_rows": 5, "bottleneck": 64, "phm": 1, "tau": 1.0, "consistency": 1.0, "keep_probability": 0.5}
        self.compare("minilm-mlm", model, words, rows, labels, method)

    @classmethod
    def tearDownClass(cls):
        print("search gradients, relative L2 from transformers:", json.dumps(cls.figures, indent=2))


if __name__ == "__main__":
    unittest.main()
