"""Reads the source tree as imports and module-level statements, without running it. What the rules are is said in test_architecture."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MUTABLE_CALLS = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict", "WeakKeyDictionary", "WeakValueDictionary", "WeakSet"}
)
MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
READ_ONLY_TYPES = frozenset({"Mapping", "Sequence", "Set", "Collection", "Iterable"})  # a checker refuses writes through these
NOT_STATE = frozenset({"log", "hookimpl", "hookspec"})  # lower-case names that a module may hold


@dataclass(frozen=True)
class Import:
    """One name imported by a module, lazy or not; line for the message."""

    target: str
    line: int


class Source:
    """Modules by dotted name. Built from text, so that a test can try the rules on a tree of its own."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.trees = {name: ast.parse(text, name) for name, text in texts.items()}

    @classmethod
    def read(cls, root: Path, rooms: Sequence[str]) -> "Source":
        """rooms: packages or single files under root, as "backend" or "app"."""
        files = [file for room in rooms for file in ((root / room).rglob("*.py") if (root / room).is_dir() else [root / f"{room}.py"])]
        return cls({module_name(file.relative_to(root)): file.read_text(encoding="utf-8") for file in files if file.exists()})

    def imports(self, module: str) -> Iterator[Import]:
        """At any depth of the code; `from a import b` counts as a.b where that is a module, else as a."""
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                package = node.module or ""
                if node.level:
                    yield Import("." * node.level + package, node.lineno)
                    continue
                for alias in node.names:
                    inner = f"{package}.{alias.name}"
                    yield Import(inner if inner in self.trees or package not in self.trees else package, node.lineno)
            elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
                yield from (Import(name.value, node.lineno) for name in node.args[:1] if isinstance(name, ast.Constant) and isinstance(name.value, str))

    def edges(self, module: str) -> frozenset[str]:
        """The modules of this tree that a module imports itself."""
        return frozenset(target for found in self.imports(module) if (target := found.target) in self.trees and target != module)

    def runs(self, module: str) -> frozenset[str]:
        """The modules of this tree that run when it is imported or used: its edges, and the packages that they lie in."""
        targets = self.edges(module) | {module}
        return frozenset(parent for target in targets for parent in (target, *parents(target)) if parent in self.trees)

    def reach(self, module: str) -> dict[str, str]:
        """Every module that it leads to, with the one that led there; the module itself leads to itself."""
        seen, waiting = {module: module}, [module]
        while waiting:
            here = waiting.pop()
            for target in sorted(self.runs(here)):
                if target not in seen:
                    seen[target] = here
                    waiting.append(target)
        return seen


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def layer_of(module: str, layers: Sequence[Sequence[str]]) -> int | None:
    """Number of the layer with the longest prefix of the module's name; None where there is none."""
    fits = [(len(room), number) for number, rooms in enumerate(layers) for room in rooms if module == room or module.startswith(f"{room}.")]
    return max(fits)[1] if fits else None


def imports_upwards(source: Source, layers: Sequence[Sequence[str]]) -> list[str]:
    faults = []
    for module in source.trees:
        here = layer_of(module, layers)
        for found in source.imports(module):
            there = layer_of(found.target, layers)
            if here is not None and there is not None and there > here:
                faults.append(f"{module}:{found.line} imports {found.target}, which is a layer above it")
    return faults


def unplaced(source: Source, layers: Sequence[Sequence[str]]) -> list[str]:
    return [f"{module} is in no layer" for module, tree in source.trees.items() if layer_of(module, layers) is None and len(tree.body) > 1]


def relative_imports(source: Source) -> list[str]:
    return [f"{module}:{found.line} imports {found.target}" for module in source.trees for found in source.imports(module) if found.target.startswith(".")]


def cycles(source: Source) -> list[str]:
    """One line for each import that closes a ring."""
    faults: list[str] = []
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            faults.append(" → ".join((*trail[trail.index(module) :], module)))
            return
        if module in done:
            return
        for target in sorted(source.edges(module)):
            walk(target, (*trail, module))
        done.add(module)

    for module in sorted(source.trees):
        walk(module, ())
    return faults


def reaches(source: Source, roots: Sequence[str], forbidden: Sequence[str]) -> list[str]:
    """A line for each root room whose imports lead, however far, to a forbidden package; it tells the way."""
    faults = []
    for root in (module for module in source.trees if layer_of(module, [roots]) is not None):
        came_from = source.reach(root)
        for module in came_from:
            for found in source.imports(module):
                if layer_of(found.target, [forbidden]) is not None:
                    way = [module]
                    while way[0] != root:
                        way.insert(0, came_from[way[0]])
                    faults.append(f"{' → '.join(way)} → {found.target} (line {found.line})")
    return faults


def global_statements(source: Source) -> list[str]:
    return [
        f"{module}:{node.lineno} global {', '.join(node.names)}"
        for module, tree in source.trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Global)
    ]


def module_state(source: Source) -> list[str]:
    """What a module holds that could change while the program runs."""
    return [f"{module}:{line} {what}" for module, tree in source.trees.items() for line, what in _state(tree.body)]


def _state(body: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in body:
        if isinstance(node, (ast.If, ast.Try, ast.ExceptHandler, ast.With, ast.For, ast.While)):
            yield from _state(list(ast.iter_child_nodes(node)))
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if fault := _fault(target, node):
                    yield node.lineno, fault


def _fault(target: ast.expr, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> str:
    if not isinstance(target, ast.Name):
        return f"{ast.unparse(target)} is changed by importing the module" if isinstance(target, (ast.Attribute, ast.Subscript)) else ""
    name = target.id
    if isinstance(node, ast.AugAssign):
        return f"{name} is changed after it was set"
    if name.startswith("__") or name in NOT_STATE:
        return ""
    if not name.lstrip("_")[:1].isupper():
        return f"{name} is a variable of the module: write a constant in capitals, or hand the object over"
    read_only = isinstance(node, ast.AnnAssign) and _outer_type(node.annotation) in READ_ONLY_TYPES
    if not read_only and _is_mutable(node.value):
        return f"{name} can be changed: annotate it as Mapping or Sequence, or make it a tuple, frozenset or MappingProxyType"
    return ""


def _is_mutable(value: ast.expr | None) -> bool:
    return isinstance(value, MUTABLE_DISPLAYS) or (isinstance(value, ast.Call) and _called(value) in MUTABLE_CALLS)


def _called(call: ast.Call) -> str:
    function = call.func
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def _outer_type(annotation: ast.expr) -> str:
    """Mapping of Mapping[str, int], Final[Mapping[str, int]] and collections.abc.Mapping."""
    if isinstance(annotation, ast.Subscript):
        outer = _outer_type(annotation.value)
        return _outer_type(annotation.slice) if outer == "Final" else outer
    return annotation.id if isinstance(annotation, ast.Name) else annotation.attr if isinstance(annotation, ast.Attribute) else ""


def environment_reads(source: Source) -> list[str]:
    """os.environ and os.getenv, however imported."""
    return [
        f"{module}:{node.lineno} reads the environment"
        for module, tree in source.trees.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")) or (isinstance(node, ast.Name) and node.id in ("environ", "getenv"))
    ]


def too_long(source: Source, lines: int) -> list[str]:
    return [f"{module} has {count} lines" for module, text in source.texts.items() if (count := text.count("\n")) > lines]


def without_docstring(source: Source) -> list[str]:
    return [module for module, tree in source.trees.items() if not ast.get_docstring(tree)]
