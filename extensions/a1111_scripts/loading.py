"""Imports scripts of A1111's form: under A1111's module names, with Gradio 3 as `interface` has it, and nothing of it for the rest of the program."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from backend.errors import WebUIError
from extensions.a1111_scripts.found import Found
from extensions.a1111_scripts.refusals import alternative

GRADIO = "a1111_gradio"  # what `import gradio` becomes in such scripts
SCRIPTS = "scripts"  # a namespace over the scripts/ folders of all extensions


class ShimModule(ModuleType):
    """One of A1111's modules. What it has not is named, with what there is instead."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        symbol = f"{self.__name__}.{name}"
        raise AttributeError(f"{symbol} is not there for scripts of A1111's form. {alternative(symbol)}")


def shim_modules(offered: Mapping[str, Mapping[str, Any]]) -> dict[str, ModuleType]:
    """By name, packages above them among them; a module is an attribute of its package."""
    modules: dict[str, ModuleType] = {}
    for name, names in offered.items():
        module = modules.setdefault(name, ShimModule(name))
        module.__dict__.update(names, __path__=[])
    for name in list(modules):
        package, _, inner = name.rpartition(".")
        while package:
            parent = modules.setdefault(package, ShimModule(package))
            parent.__dict__.setdefault("__path__", [])
            parent.__dict__.setdefault(inner, modules[name])
            name, (package, _, inner) = package, package.rpartition(".")
    return modules


class A1111Importer(MetaPathFinder):
    """Finds the shim's modules, and what scripts import of their own extension."""

    def __init__(self, modules: Mapping[str, ModuleType], found: Sequence[Found]) -> None:
        self.loading: Found | None = None
        self._modules, self._found = dict(modules), tuple(found)
        self._made: set[str] = set()

    # ---- the program's list of finders

    def install(self) -> None:
        """In the place of one that was there before."""
        for finder in [finder for finder in sys.meta_path if type(finder).__name__ == A1111Importer.__name__]:
            finder.uninstall()  # type: ignore[attr-defined]
        sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in self._made:
            sys.modules.pop(name, None)
        self._made.clear()

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = self._spec(fullname, path)
        if spec is not None:
            self._made.add(fullname)
        return spec

    def _spec(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        if fullname in self._modules:
            return ModuleSpec(fullname, _Ready(self._modules[fullname]), is_package=True)
        if fullname == SCRIPTS:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(one.folder / "scripts") for one in self._in_turn()]
            return spec
        if fullname.startswith(f"{SCRIPTS}.") and fullname.count(".") == 1:
            return self._file(fullname, [one.folder / "scripts" for one in self._in_turn()])
        if path is None:
            return self._file(fullname, [self.loading.folder] if self.loading else [])
        return self._file(fullname, [Path(place) for place in path if self._is_theirs(place)])

    def _in_turn(self) -> Iterator[Found]:
        """The one that is loaded now comes first."""
        if self.loading is not None:
            yield self.loading
        yield from (one for one in self._found if one is not self.loading)

    def _is_theirs(self, place: str) -> bool:
        return any(Path(place).is_relative_to(one.folder) for one in self._found if one.name != SCRIPTS) or any(
            Path(place).is_relative_to(one.folder / SCRIPTS) for one in self._found
        )

    def _file(self, fullname: str, folders: Sequence[Path]) -> ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        for folder in folders:
            package, file = folder / name / "__init__.py", folder / f"{name}.py"
            if package.is_file():
                return spec_from_file_location(fullname, package, loader=ScriptLoader(fullname, str(package)), submodule_search_locations=[str(folder / name)])
            if file.is_file():
                return spec_from_file_location(fullname, file, loader=ScriptLoader(fullname, str(file)))
            if (folder / name).is_dir() and any((folder / name).glob("*.py")):
                spec = ModuleSpec(fullname, None, is_package=True)
                spec.submodule_search_locations = [str(folder / name)]
                return spec
        return None

    # ---- running a script

    @contextmanager
    def inside(self, found: Found) -> Iterator[None]:
        """While one of its scripts is imported: its folder is first on sys.path."""
        before, self.loading = self.loading, found
        sys.path.insert(0, str(found.folder))
        try:
            yield
        finally:
            self.loading = before
            if str(found.folder) in sys.path:
                sys.path.remove(str(found.folder))

    def load(self, file: Path) -> ModuleType:
        """The module's name is that of the file, with its suffix, as in A1111."""
        spec = spec_from_file_location(file.name, file, loader=ScriptLoader(file.name, str(file)))
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


class _Ready(Loader):
    """Hands a module over that is there already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        pass


class ScriptLoader(SourceFileLoader):
    """Compiles with `import gradio` turned into what notes the controls. No byte code is kept: it would be another program's, too."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = ast.fix_missing_locations(_WithoutGradio().visit(ast.parse(data, path)))
        return compile(tree, path, "exec", dont_inherit=True)


class _WithoutGradio(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            if alias.name.split(".")[0] == "gradio":
                if alias.asname is None and "." in alias.name:
                    raise WebUIError(f"import {alias.name}: of Gradio, only `import gradio` is there.")
                alias.asname, alias.name = alias.asname or "gradio", GRADIO
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.level == 0 and node.module is not None and node.module.split(".")[0] == "gradio":
            node.module = GRADIO
        return node
