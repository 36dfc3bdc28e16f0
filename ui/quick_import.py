"""Makes `import gradio` take half as long: gradio 6 reads, parses and compares the source of each of its components at every start, to keep .pyi files
for editors beside them. Nothing at run time needs those; where gradio changes its inside, this does nothing."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

MODULE, WRITER = "gradio.component_meta", "create_or_modify_pyi"


def leave_out_stubs() -> None:
    """To be called before gradio is imported for the first time."""
    if MODULE not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_disarm(module: ModuleType) -> None:
            execute(module)
            if hasattr(module, WRITER):
                setattr(module, WRITER, write_nothing)

        spec.loader.exec_module = execute_and_disarm  # type: ignore[method-assign]
        return spec


def write_nothing(*_: object) -> None:
    """In the place of the function that writes stubs."""
