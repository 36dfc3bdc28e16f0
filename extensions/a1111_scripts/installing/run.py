"""python run.py …/install.py: runs it as A1111 does, with `launch` importable. A process of its own; see backend/install_script.py."""

import runpy
import sys
from pathlib import Path


def main(installer: Path) -> None:
    sys.path.insert(0, str(installer.parent))
    sys.argv = [str(installer)]
    runpy.run_path(str(installer), run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
