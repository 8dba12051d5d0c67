"""A MUPPET step as a user of PyTorch and transformers writes it: one backward per slot, then AdamW."""

import math

import torch
from torch import nn

from bench.peer_model import load_model, padded


class Muppet:
    def __init__(self, style, model_path, work, state):
        model, vocabulary = load_model(model_path, dropout=work["dropout"])
        self.cls, self.sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
        self.bert, self.dropout = model.bert.train(), nn.Dropout(work["dropout"])
        self.heads, self.slots = nn.ModuleDict(), []
        for task in work["tasks"]:
            dataset = work["datasets"][task["dataset"]]
            choice = dataset["family"] == "multiple_choice"
            name = "choice" if choice else dataset["name"]
            head = {part: nn.Linear(*reversed(state[f"theta/head.{name}.{part}.weight"].shape)) for part in ("dense", "out")}
            for part, linear in head.items():
                linear.load_state_dict({"weight": state[f"theta/head.{name}.{part}.weight"],
                                        "bias": state[f"theta/head.{name}.{part}.bias"]})
            self.heads[name] = nn.ModuleDict(head)
            self.slots.append((name, choice, self.encode(task["query"], choice),
                               torch.tensor([row["label"] for row in task["query"]])))
        named = [*self.bert.named_parameters(), *self.heads.named_parameters()]
        decayed = [value for name, value in named if not (name.endswith(".bias") or "LayerNorm" in name)]
        others = [value for name, value in named if name.endswith(".bias") or "LayerNorm" in name]
        self.optimizer = torch.optim.AdamW([{"params": decayed}, {"params": others, "weight_decay": 0.0}],
                                           lr=work["rate"], weight_decay=work["weight_decay"])
        self.parameters = decayed + others

    def encode(self, rows, choice):
        framed, types = [], []
        for row in rows:
            first, *rest = row["segments"]
            for other in rest if choice else [rest[0] if rest else None]:
                second = [] if other is None else [*other, self.sep]
                framed.append([self.cls, *first, self.sep, *second])
                types.append([0] * (len(first) + 2) + [1] * len(second))
        ids, mask = padded(framed)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": padded(types)[0]}

    def loss(self, name, choice, batch, labels):
        hidden = self.bert(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        state = (hidden * mask).sum(1) / mask.sum(1)
        head = self.heads[name]
        logits = head["out"](self.dropout(torch.tanh(head["dense"](self.dropout(state)))))
        if choice:
            logits = logits.view(len(labels), -1)
        return nn.functional.cross_entropy(logits, labels) / math.log(logits.shape[1])

    def iterate(self):
        total = 0.0
        self.optimizer.zero_grad()
        for slot in self.slots:
            loss = self.loss(*slot) / len(self.slots)
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return total
