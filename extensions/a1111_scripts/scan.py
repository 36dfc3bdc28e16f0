"""What the code of an extension of A1111's form asks of the program, read without running it: names that are not there are refused before anything loads."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from extensions.a1111_scripts.refusals import ASSIGNED, REFUSED_METHODS, alternative, refused

HOSTS = ("modules", "launch", "ldm", "sgm", "k_diffusion", "lora", "networks", "lora_patches", "modules_forge")
ABSENT = ("modules_forge", "ldm_patched", "backend")  # whose absence scripts take as the answer that this is not Forge
SCRIPT_CLASSES = ("Script", "scripts.Script", "modules.scripts.Script")
SKIPPED = ("test", "tests", "venv", ".git", "node_modules", "__pycache__")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One symbol that cannot be had, and where it is asked for."""

    extension: str
    symbol: str
    file: str
    line: int
    instead: str

    def __str__(self) -> str:
        return f"{self.extension} needs {self.symbol} ({self.file}, line {self.line}), which is not there. {self.instead}"


Offered = Mapping[str, frozenset[str]]  # module → names; what a script may import


def scan(extension: str, folder: Path, offered: Offered, files: Iterable[Path] | None = None) -> tuple[Refusal, ...]:
    """Of all its Python files, but for those of `install.py` and tests. Each symbol once."""
    found: dict[str, Refusal] = {}
    for file in python_files(folder) if files is None else files:
        try:
            tree = ast.parse(file.read_text("utf-8-sig"), str(file))
        except (SyntaxError, ValueError, OSError, UnicodeDecodeError):
            continue  # loading it tells the person
        inside = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
        for symbol, line, instead in _Reader(offered).read(tree):
            found.setdefault(symbol, Refusal(extension=extension, symbol=symbol, file=inside, line=line, instead=instead))
    return tuple(found.values())


def python_files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*.py")):
        inner = file.relative_to(folder).parts
        if not any(part.lower() in SKIPPED for part in inner) and inner not in (("install.py",), ("preload.py",)):
            yield file


@dataclass
class _Reader:
    offered: Offered
    aliases: dict[str, str] = field(default_factory=dict)  # local name → dotted name of the program
    optional: set[ast.AST] = field(default_factory=set)  # what stands in a try that catches its absence

    def read(self, tree: ast.Module) -> Iterator[tuple[str, int, str]]:
        """(symbol, line, what there is instead)."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Try) and any(_catches_absence(handler) for handler in node.handlers):
                self.optional.update(inner for part in node.body for inner in ast.walk(part))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._imported(node)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node not in self.optional:
                yield from self._used(node)
            elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
                yield from self._assigned(node)
            elif isinstance(node, ast.ClassDef):
                yield from self._methods(node)

    def _imported(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, int, str]]:
        if isinstance(node, ast.Import):
            names = [(alias.name, alias.asname or alias.name.split(".")[0], alias.asname is not None) for alias in node.names]
            pairs = [(name, local, name if whole else name.split(".")[0]) for name, local, whole in names]
        else:
            if node.level or node.module is None:
                return
            pairs = [(f"{node.module}.{alias.name}", alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names if alias.name != "*"]
        for symbol, local, meant in pairs:
            root = symbol.split(".")[0]
            if root not in HOSTS or root in ABSENT:
                continue
            if self._known(symbol):
                self.aliases[local] = meant
            elif node not in self.optional:
                self.aliases[local] = meant
                yield symbol, node.lineno, alternative(symbol)

    def _used(self, node: ast.Attribute) -> Iterator[tuple[str, int, str]]:
        symbol = self._dotted(node)
        if symbol is None:
            return
        if refused(symbol) or not self._known(symbol):
            yield symbol, node.lineno, alternative(symbol)

    def _assigned(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[tuple[str, int, str]]:
        """A module or class of the program's that is to be another."""
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            symbol = self._dotted(target) if isinstance(target, ast.Attribute) else None
            if symbol is None:
                continue
            owner, _, name = symbol.rpartition(".")
            patched = owner in self.offered or (self._known(owner) and owner.split(".")[-1][:1].isupper())
            if patched and not (owner == "modules.shared" and name in ("current_prompt",)):
                yield symbol, node.lineno, alternative(symbol) if refused(symbol) else ASSIGNED

    def _methods(self, node: ast.ClassDef) -> Iterator[tuple[str, int, str]]:
        bases = {self._dotted(base) for base in node.bases if isinstance(base, ast.Attribute)}
        bases |= {self.aliases.get(base.id, base.id) for base in node.bases if isinstance(base, ast.Name)}
        if bases & set(SCRIPT_CLASSES):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name in REFUSED_METHODS:
                    yield f"Script.{method.name}", method.lineno, REFUSED_METHODS[method.name]

    def _dotted(self, node: ast.Attribute) -> str | None:
        """modules.shared.opts of shared.opts; None for what is not the program's."""
        names = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name) or inner.id not in self.aliases:
            return None
        return ".".join((self.aliases[inner.id], *reversed(names)))

    def _known(self, symbol: str) -> bool:
        """Whether module and name are offered. What lies below a name is asked at run time."""
        if refused(symbol):
            return False
        parts = symbol.split(".")
        for end in range(len(parts), 0, -1):
            module = ".".join(parts[:end])
            if module in self.offered:
                return end == len(parts) or parts[end] in self.offered[module]
        return False


def _catches_absence(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    names = {node.id for node in ast.walk(caught) if isinstance(node, ast.Name)} if caught is not None else {"Exception"}
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "AttributeError"})
