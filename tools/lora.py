"""Makes a LoRA of others: several merged into one, one at a lower rank, or what one checkpoint has over another.

    python tools/lora.py merge OUT FILE[=WEIGHT[,UNET]]… [--rank N]
    python tools/lora.py resize OUT FILE --rank N [--sv-fro 0.9 | --sv-ratio 20 | --sv-cumulative 0.8]
    python tools/lora.py extract OUT TUNED BASE --rank N [--conv-rank N] [--no-text]

A weight is for the whole file, or for its text encoders and its U-Net: ink.safetensors=0.5,0.8. Without --rank a merge is exact and the ranks add up.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.errors import WebUIError
from backend.make import described
from backend.networks.bake import Ingredient, merge
from backend.networks.baked_file import PRECISIONS, Baked, write_baked
from backend.networks.decompose import RULES, Rank
from backend.networks.extract import extract


def main(arguments: list[str] | None = None) -> int:
    options = read_arguments(arguments)
    try:
        if options.out.exists() and not options.force:
            raise WebUIError(f"{options.out} is there already: choose another name, or --force to replace it.")
        baked = options.make(options)
        write_baked(baked, options.out, options.precision, force=options.force)
    except WebUIError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(report(baked, options.out, each=options.verbose)))
    return 0


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="merge | resize | extract")
    merging = _command(commands, "merge", "several into one", make_merged)
    merging.add_argument("files", nargs="+", type=ingredient, metavar="FILE[=WEIGHT[,UNET]]")
    merging.add_argument("--rank", type=positive, help="by singular values to this rank; else exact")
    resizing = _command(commands, "resize", "one to a lower rank", make_resized)
    resizing.add_argument("file", type=Path)
    resizing.add_argument("--rank", type=positive, required=True, help="the rank, or with a rule the highest one")
    rules = resizing.add_mutually_exclusive_group()
    rules.add_argument("--sv-fro", type=share, help="as many as keep this share of the Frobenius norm, 0…1")
    rules.add_argument("--sv-ratio", type=ratio, help="those whose singular value is above the largest one divided by this, above 1")
    rules.add_argument("--sv-cumulative", type=share, help="as many as keep this share of the sum of the singular values, 0…1")
    extracting = _command(commands, "extract", "what one checkpoint has over another", make_extracted)
    extracting.add_argument("tuned", type=Path)
    extracting.add_argument("base", type=Path)
    extracting.add_argument("--rank", type=positive, required=True)
    extracting.add_argument("--no-text", action="store_true", help="leave the text encoders out")
    for command, what in ((merging, "--rank"), (resizing, "--rank"), (extracting, "none: convolutions are left out")):
        command.add_argument("--conv-rank", type=positive, help=f"of kernels wider than 1 (as it comes: {what})")
    return parser.parse_args(arguments)


def _command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, words: str, make: object) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=words, description=words)
    command.set_defaults(make=make)
    command.add_argument("out", type=Path, help="the new .safetensors file")
    command.add_argument("--precision", choices=list(PRECISIONS), default="fp16")
    command.add_argument("--force", action="store_true", help="replace the file if it is there")
    command.add_argument("--verbose", action="store_true", help="rank and error of each layer")
    return command


def make_merged(options: argparse.Namespace) -> Baked:
    if options.conv_rank and not options.rank:
        raise WebUIError("--conv-rank needs --rank: without it a merge is exact.")
    return merge(options.files, options.rank and Rank(options.rank), options.conv_rank and Rank(options.conv_rank))


def make_resized(options: argparse.Namespace) -> Baked:
    rule = next((rule for rule in RULES if getattr(options, rule) is not None), "")
    value = getattr(options, rule) if rule else 0.0
    ranks = [Rank(most, rule, value) for most in (options.rank, options.conv_rank or options.rank)]
    baked = merge([Ingredient(path=options.file)], *ranks)
    return baked


def make_extracted(options: argparse.Namespace) -> Baked:
    return extract(options.tuned, options.base, options.rank, options.conv_rank or 0, text=not options.no_text)


def report(baked: Baked, out: Path, *, each: bool) -> list[str]:
    lines = []
    if each:
        lines += [f"{layer}: rank {rank}" + (f", error {baked.errors[layer]:.4f}" if layer in baked.errors else "") for layer, rank in baked.ranks.items()]
    return [*lines, *baked.notes, f"{out}: {described(baked)}"]


def ingredient(text: str) -> Ingredient:
    """FILE, FILE=0.8 or FILE=0.5,0.8 – unless the file itself is called so."""
    name, equals, weights = text.rpartition("=")
    if not equals or Path(text).exists():
        return Ingredient(path=Path(text))
    te, comma, unet = weights.partition(",")
    return Ingredient(path=Path(name), te_weight=float(te), unet_weight=float(unet if comma else te))


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def share(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1:
        raise ValueError(text)
    return number


def ratio(text: str) -> float:
    number = float(text)
    if not number > 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
