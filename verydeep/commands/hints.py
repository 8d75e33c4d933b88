"""Options as other programs call them, and which of ours is meant."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

THEIRS = {
    "--batch": ("bs", "batch-size", "batchsize", "b", "per-device-train-batch-size"),
    "--crop": ("img-size", "image-size", "imgsz", "input-size", "crop-size", "size", "img", "res"),
    "--device": ("gpu", "gpus", "cuda", "cpu", "use-gpu", "no-cuda", "accelerator", "local-rank"),
    "--epochs": ("num-epochs", "n-epochs", "nb-epochs", "max-epochs", "epoch", "e", "n"),
    "--from": (
        "pretrained", "weights", "checkpoint", "finetune", "fine-tune", "init", "transfer", "load",
    ),
    "--json": ("as-json", "output-format"),
    "--net": ("model", "arch", "architecture", "network", "backbone", "config", "model-name", "a"),
    "--out": (
        "output", "output-dir", "out-dir", "outdir", "save-dir", "save", "save-path", "log-dir",
        "logdir", "project", "dest", "output-file", "o",
    ),
    "--overwrite": ("force", "f", "y", "yes", "exist-ok", "clobber"),
    "--protocol": ("tta", "crops", "ten-crop", "dense"),
    "--quiet": ("silent", "q", "no-progress"),
    "--rate": ("lr", "learning-rate", "lr0", "base-lr", "eta"),
    "--recipe": ("config-file", "cfg", "preset", "yaml", "c"),
    "--resume": ("resume-from", "continue", "resume-from-checkpoint"),
    "--scale": ("resize", "resize-size", "rescale", "s"),
    "--scales": ("multiscale", "multi-scale"),
    "--seed": ("random-seed", "random-state", "manual-seed"),
    "--part": ("split", "subset"),
    "--task": ("mode",),
    "--threads": ("workers", "num-workers", "jobs", "j", "cores", "num-threads", "nproc"),
    "--to": ("format", "family", "target", "t"),
    "--top": ("topk", "top-k", "k"),
    "--tune": ("freeze", "freeze-backbone", "unfreeze", "feature-extract", "frozen"),
    "--width": ("width-mult", "width-multiplier", "alpha"),
}  # fmt: skip
"""What other programs call each of our options, without dashes."""
MEANT = {theirs: ours for ours, names in THEIRS.items() for theirs in names}

SETTINGS = {
    **{n: n for n in ("momentum", "dropout", "patience", "initial", "precision", "average")},
    **dict.fromkeys(("decay", "weight-decay", "wd", "l2"), "decay"),
    **dict.fromkeys(("ema", "model-ema", "ema-decay"), "average"),
    **dict.fromkeys(("amp", "fp16", "bf16", "mixed-precision", "half"), "precision"),
    **dict.fromkeys(("compile", "torch-compile"), "compiled"),
    **dict.fromkeys(("micro-batch", "micro-batch-size"), "micro_batch"),
    **dict.fromkeys(("color", "colour", "color-jitter"), "colour"),
    **dict.fromkeys(("warmup", "warm-up", "warmup-epochs", "warmup-steps"), "warm_up"),
    **dict.fromkeys(
        ("fall", "cosine", "scheduler", "lr-scheduler", "lr-schedule", "sched"), "fall"
    ),
    **dict.fromkeys(("label-smoothing", "smoothing"), "smoothing"),
    **dict.fromkeys(("swa", "swa-start"), "mean_from"),
    **dict.fromkeys(("early-stopping", "lr-patience"), "patience"),
}
"""Settings that `--set` alone takes, and what other programs call them."""
VERBS = {
    **dict.fromkeys(("eval", "test", "validate", "val", "score"), "evaluate"),
    **dict.fromkeys(("fit", "finetune", "fine-tune", "tune", "resume", "learn"), "train"),
    **dict.fromkeys(("infer", "inference", "classify", "run", "recognise", "recognize"), "predict"),
    **dict.fromkeys(("summary", "models", "model", "list", "net", "cost"), "nets"),
    **dict.fromkeys(("import", "convert", "download", "fetch"), "weights import"),
    **dict.fromkeys(("export", "quantize", "quantise"), "weights export"),
    **dict.fromkeys(("info", "show"), "weights show"),
    **dict.fromkeys(("ensemble", "average"), "fuse"),
    **dict.fromkeys(
        ("gradcam", "grad-cam", "cam", "saliency", "heatmap", "interpret", "visualize"), "explain"
    ),
    **dict.fromkeys(("inspect", "data", "stats"), "look"),
    **dict.fromkeys(("demo", "quickstart", "example", "start"), "tour"),
}
"""Verbs of ours by what others call them."""
EXAMPLES = {"precision": "bf16", "initial": "he", "compiled": "true", "average": "0.999"}
EXAMPLES |= {"momentum": "0.9", "dropout": "0.5", "decay": "5e-4", "patience": "5"}
EXAMPLES |= {"colour": "0.1", "micro_batch": "16", "warm_up": "1", "fall": "cosine"}
EXAMPLES |= {"smoothing": "0.1", "mean_from": "15"}

ARGUMENTS = {
    "DATA": (
        "data", "dataset", "data-dir", "data-path", "train-dir", "root", "i", "path", "source",
        "input",
    ),
    "WEIGHTS": ("weights", "model", "checkpoint", "load", "ckpt", "net", "from", "m"),
    "PICTURE...": ("image", "images", "input", "picture", "pictures", "img", "source", "i"),
    "OUT": ("out", "output", "output-dir", "o"),
    "FILE": ("file", "input", "i", "weights", "model"),
    "SCORES...": ("scores", "input", "i"),
}  # fmt: skip
"""What other programs take by an option and ours without one."""


def hint(option: str, options: Collection[str], arguments: Collection[str]) -> str:
    """What to give in place of an option that a verb does not take, with `options` and arguments.

    >>> hint("--lr", ["--rate", "--seed"], ["DATA"])
    'no option --lr; it is --rate here'
    >>> hint("--data", ["--rate"], ["DATA"])
    'no option --data; give DATA without an option'
    >>> hint("--wd", ["--rate", "--set"], ["DATA"])
    'no option --wd; it is --set decay=5e-4 here'
    """
    option = option.partition("=")[0]
    name = option.lstrip("-").lower().replace("_", "-")
    return f"no option {option}{_instead(option, name, options, arguments)}"


def verb_hint(word: str, verbs: Collection[str]) -> str:
    """What to say of a word that is no verb.

    >>> verb_hint("fit", ["train", "look"])
    "no verb 'fit'; it is `train` here"
    """
    near = get_close_matches(word, verbs, 1, 0.6)
    meant = VERBS.get(word.lower(), "")
    if meant.split(" ")[0] in verbs:
        return f"no verb {word!r}; it is `{meant}` here"
    return f"no verb {word!r}{f'; did you mean `{near[0]}`?' if near else ''}"


def _instead(option: str, name: str, options: Collection[str], arguments: Collection[str]) -> str:
    dashed = f"--{name}"
    for ours in (dashed, MEANT.get(name), *get_close_matches(dashed, options, 1, 0.85)):
        if ours in options:
            return f"; it is {ours} here"
    for argument in arguments:
        if name in ARGUMENTS.get(argument, ()):
            return f"; give {argument} without an option"
    if name in SETTINGS and "--set" in options:
        key = SETTINGS[name]
        return f"; it is --set {key}={EXAMPLES[key]} here"
    near = get_close_matches(option, options, 2, 0.6)
    return f"; there is {' and '.join(near)}" if near else ""
