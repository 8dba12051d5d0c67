"""An SPT search in PyTorch on transformers' layers: a step for the generators, then one for the gates.

There is no public code of the paper; this is written from its text, as a careful user would.
"""

import torch
from torch import nn
from torch.nn import functional

from bench.peer_metaprompting import cloze, first_pieces
from bench.peer_model import load_model


class Spt:
    def __init__(self, style, model_path, work, state):
        self.work, self.tuned, self.step = work, style == "tuned", 0
        self.model, vocabulary = load_model(model_path)
        self.model.eval().requires_grad_(False)
        self.layers = self.model.bert.encoder.layer
        self.soft = state["theta/prompt.soft"]
        self.gates = nn.Parameter(state["theta/gates"].clone())
        self.generators = nn.ModuleList()
        for index in range(len(self.layers)):
            generator = nn.ModuleDict()
            for part in ("down", "up"):
                weight = state[f"theta/search.{index}.{part}.weight"]
                generator[part] = nn.Linear(weight.shape[1], weight.shape[0])
                generator[part].load_state_dict({"weight": weight, "bias": state[f"theta/search.{index}.{part}.bias"]})
            self.generators.append(generator)
        self.gate_masks = state["gate_masks"]
        weights = list(self.generators.parameters())
        self.trained = [weights, [self.gates]]
        self.optimizers = [torch.optim.AdamW(weights, lr=work["rate"], weight_decay=0.0),
                           torch.optim.AdamW([self.gates], lr=work["rate"] * work["gate_rate"], weight_decay=0.0)]
        self.slots = [(cloze(work, vocabulary, task["query"]), first_pieces(work["datasets"][0], task["classes"]))
                      for task in work["tasks"]]

    def pooled(self, hidden, attention):
        """Adaptive average pooling over each row's valid tokens: [R, P, D]."""
        rows = self.work["prompt_rows"]
        if self.tuned:
            return torch.bmm(self.pooling(attention, rows), hidden)
        return torch.stack([functional.adaptive_avg_pool1d(row[:length].T, rows).T
                            for row, length in zip(hidden, attention.sum(1).tolist())])

    @staticmethod
    def pooling(attention, rows):
        length, place = attention.sum(1)[:, None], torch.arange(attention.shape[1])
        bins = torch.arange(rows)
        first, end = bins * length // rows, ((bins + 1) * length + rows - 1) // rows
        inside = (place >= first[..., None]) & (place < end[..., None])
        return inside / (end - first)[..., None]

    def mask_state(self, rows, gates):
        """gates: [R, N + 1]."""
        words = self.model.get_input_embeddings()(rows["ids"])
        soft = self.soft.expand(len(words), -1, -1)
        hidden = self.model.bert.embeddings(inputs_embeds=torch.cat([words[:, :1], soft, words[:, 1:]], 1))
        count = self.work["prompt_rows"]
        attention = torch.cat([torch.ones(len(words), count, dtype=torch.long), rows["attention"]], 1)
        bias = torch.zeros(attention.shape).masked_fill(attention == 0, -torch.inf)[:, None, None, :]
        prompt = None
        for index, (layer, generator) in enumerate(zip(self.layers, self.generators)):
            fresh = generator["up"](torch.relu(generator["down"](self.pooled(hidden, rows["attention"]))))
            gate = gates[:, index, None, None]
            prompt = gate * fresh if prompt is None else (1 - gate) * prompt + gate * fresh
            out = layer(torch.cat([prompt, hidden], 1), bias)
            out = out[0] if isinstance(out, tuple) else out
            prompt, hidden = out[:, :count], out[:, count:]
        return hidden[torch.arange(len(hidden)), rows["mask_at"]]

    def scores(self, states, words):
        head = self.model.cls.predictions
        if self.tuned:
            used = torch.cat(words)
            logits = functional.linear(head.transform(states), head.decoder.weight[used], head.decoder.bias[used])
            return torch.stack([part.mean(1) for part in logits.split([len(ids) for ids in words], 1)], 1)
        logits = head(states)
        return torch.stack([logits[:, ids].mean(1) for ids in words], 1)

    def loss(self, rows, words, kept):
        open_gates = torch.sigmoid(self.gates)
        open_gates = open_gates * (open_gates.sum().detach() / open_gates.sum())
        count = len(rows["ids"])
        masked, plain = (open_gates * kept).expand(count, -1), open_gates.expand(count, -1)
        if self.tuned:
            twice = {key: torch.cat([value, value]) for key, value in rows.items()}
            first, second = self.mask_state(twice, torch.cat([masked, plain])).chunk(2)
        else:
            first, second = self.mask_state(rows, masked), self.mask_state(rows, plain)
        task_loss = functional.cross_entropy(self.scores(second, words), rows["labels"])
        return task_loss + functional.mse_loss(first, second)

    def update(self):
        turn = self.step % 2
        optimizer, trained = self.optimizers[turn], self.trained[turn]
        for parameter in self.trained[0] + self.trained[1]:
            parameter.requires_grad_(not self.tuned or any(parameter is one for one in trained))
            parameter.grad = None
        total = 0.0
        for rows, words in self.slots:
            loss = self.loss(rows, words, self.gate_masks[turn]) / len(self.slots)
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        self.step += 1
        return total

    def iterate(self):
        return (self.update() + self.update()) / 2
