"""What a model file is, and what it fits, from its header alone.

    python tools/inspect_model.py FILE… [--checkpoint CHECKPOINT] [--json]

--json prints one object a line: file, kind, scheme, family, rank, ranks, modules, also, source, fits; a file that cannot be read has file and error instead.
With --checkpoint, fits counts the layers that have a place there. The exit code is 1 if any file could not be read.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.errors import WebUIError
from backend.networks.fit import RUNS, Checkpoint, Description, describe, fit
from backend.safetensors_header import Header, read_header
from backend.sidecar import read_sidecar


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a .safetensors file")
    parser.add_argument("--checkpoint", type=Path, help="a .safetensors checkpoint to count the fitting layers of")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args(arguments)
    try:
        checkpoint = options.checkpoint and read_checkpoint(options.checkpoint)
    except WebUIError as error:
        print(error, file=sys.stderr)
        return 1
    findings = [inspect(path, checkpoint) for path in options.files]
    for finding in findings:
        print(json.dumps({key: value for key, value in finding.items() if key != "line"}, ensure_ascii=False) if options.json else line(finding))
    return int(any("error" in finding for finding in findings))


def inspect(path: Path, checkpoint: Checkpoint | None) -> dict[str, object]:
    """What --json prints of a file, and "line" for people."""
    try:
        header = read_header(path)
    except WebUIError as error:
        return {"file": str(path), "error": str(error)}
    description = describe(header, read_sidecar(path))
    return {"file": str(path), **description.as_dict(), **fits(header, description, checkpoint), "line": description.line}


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises WebUIError for what is no checkpoint."""
    checkpoint = Checkpoint.read(read_header(path))
    if checkpoint is None:
        raise WebUIError(f"{path.name} is no Stable Diffusion checkpoint: nothing can be fitted to it.")
    return checkpoint


def fits(header: Header, description: Description, checkpoint: Checkpoint | None) -> dict[str, object]:
    if checkpoint is not None:
        result = fit(header, checkpoint)
        return {"fits": result.text, "fitting": result.fitting, "total": result.total}
    if not description.is_network:
        return {"fits": None}
    known = [family for family in description.families if family in RUNS]
    if known:
        return {"fits": f"{' or '.join(known)} checkpoints"}
    return {"fits": "unknown" if not description.families else f"not at all, because {description.family} is not run by this program"}


def line(finding: dict[str, object]) -> str:
    if "error" in finding:
        return f"{finding['file']}: {finding['error']}"
    return f"{finding['file']}: {finding['line']}" + (f"; fits {finding['fits']}" if finding["fits"] else "")


if __name__ == "__main__":
    sys.exit(main())
