"""A body alone, forward or with its gradient, in transformers: MiniLM, or the random model of a kind."""

import torch

from bench.kinds import body_of
from bench.peer_model import load_model, padded


class Encoder:
    def __init__(self, style, model_path, work, state):
        self.body = (body_of(work["kind"], model_path) if "kind" in work else load_model(model_path)[0].bert).eval()
        self.inputs = [padded([row["segments"][0] for row in task["query"]]) for task in work["tasks"]]
        self.passes = work["passes"]
        self.choose(0)

    def choose(self, number):
        """The pass that is iterated from now on; tells the dtype of its products."""
        self.ids, self.mask = self.inputs[number]
        self.training = self.passes[number]["training"]
        self.bf16 = self.passes[number]["dtype"] == "bf16"
        return {"dtype": str(torch.bfloat16 if self.bf16 else self.body.dtype).removeprefix("torch.")}

    def loss(self):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            states = self.body(self.ids, attention_mask=self.mask).last_hidden_state
        return states.float().pow(3).mean()

    def iterate(self):
        if not self.training:
            with torch.no_grad():
                return self.loss().item()
        self.body.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss.item()
