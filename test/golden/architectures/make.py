#!/usr/bin/env python3
"""Writes a tiny model of each architecture below as transformers saves it, with losses of two rows in float64 and, for
each component, the number of its weights and the norm of the gradient of the mean loss. Made with transformers 5.24 and
torch 2.15. Usage: make.py"""
import json, os, shutil
import torch
from transformers import AutoConfig, AutoModelForCausalLM

here = os.path.dirname(os.path.abspath(__file__))
base = dict(vocab_size=61, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=24, max_position_embeddings=64, bos_token_id=0, eos_token_id=0, pad_token_id=None)
models = {
    "olmo": ("olmo", dict(base)),
    "olmo2": ("olmo2", dict(base)),
    "gemma": ("gemma", dict(base, head_dim=8)),
    "gemma2": ("gemma2", dict(base, head_dim=8, sliding_window=5, query_pre_attn_scalar=12,
                              attn_logit_softcapping=0.5, final_logit_softcapping=2.0)),
    "llama-linear-rope": ("llama", dict(base, rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 3.0})),
    "phi-grouped": ("phi", dict(base)),
    "gemma3-wide-heads": ("gemma3_text", dict(base, head_dim=8, num_hidden_layers=3, sliding_window=5,
                                              query_pre_attn_scalar=8, layer_types=["sliding_attention", "full_attention",
                                                                                    "sliding_attention"])),
}


def parts(model, cfg):
    """Component: (tensor, rows, columns) of its weights."""
    width = getattr(cfg, "head_dim", None) or cfg.hidden_size // cfg.num_attention_heads
    heads, groups = cfg.num_attention_heads, cfg.num_key_value_heads
    names = dict(model.named_parameters())
    every = slice(None)
    yield "embed", [("model.embed_tokens.weight", every, every)]
    if "lm_head.weight" in names:
        yield "unembed", [(n, every, every) for n in names if n.startswith("lm_head.")]
    for layer in range(cfg.num_hidden_layers):
        block = f"model.layers.{layer}."
        out = block + ("self_attn.dense" if cfg.model_type == "phi" else "self_attn.o_proj")

        def attention(queries, keys):
            own = [(f"{block}self_attn.{p}_proj", queries if p == "q" else keys) for p in "qkv"]
            for name, rows in own:
                yield name + ".weight", rows, every
                if name + ".bias" in names:
                    yield name + ".bias", rows, None
            yield out + ".weight", every, queries

        for head in range(heads):
            group = head * groups // heads
            yield f"head:{layer}.{head}", list(attention(slice(head * width, (head + 1) * width),
                                                         slice(group * width, (group + 1) * width)))
        each = heads // groups * width
        for group in range(groups):
            yield f"group:{layer}.{group}", list(attention(slice(group * each, (group + 1) * each),
                                                           slice(group * width, (group + 1) * width)))
        yield f"mlp:{layer}", [(n, every, every) for n in names if n.startswith(block + "mlp.")]
    yield "full", [(n, every, every) for n in names]


expected = {}
for i, (name, (kind, settings)) in enumerate(models.items()):
    torch.manual_seed(200 + i)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings), attn_implementation="eager")
    with torch.no_grad():
        for n, p in model.named_parameters():
            p.copy_(p + 0.1 * torch.randn_like(p) if p.dim() == 1
                    else torch.randn_like(p) * (0.5 if "embed" in n else 0.8 / p.shape[-1] ** 0.5))
    folder = f"{here}/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    if os.path.exists(f"{folder}/generation_config.json"):
        os.remove(f"{folder}/generation_config.json")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").double().eval()
    ids = torch.randint(1, 61, (2, 20), generator=torch.Generator().manual_seed(i))
    log = model(ids, use_cache=False).logits.log_softmax(-1)
    losses = -log[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    losses.mean().backward()
    gradients = {n: p.grad for n, p in model.named_parameters()}
    components = {}
    for component, own in parts(model, model.config):
        taken = [gradients[n][rows] if columns is None or gradients[n].dim() == 1 else gradients[n][rows, columns]
                 for n, rows, columns in own]
        components[component] = {"weights": sum(g.numel() for g in taken),
                                 "gradient": sum((g ** 2).sum().item() for g in taken) ** 0.5}
    expected[name] = {"ids": ids.tolist(), "losses": losses.tolist(), "components": components}
    print(name, losses.mean().item(), components["head:0.1"], components["full"])
json.dump(expected, open(f"{here}/expected.json", "w"))
