"""The rules of docs/architecture.md, checked on the source; and that each check can fail."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import architecture
from tests.architecture import Source

ROOT = Path(__file__).parent.parent
ROOMS = ("app", "backend", "ui")

# What is told of a network by its header alone.
FROM_HEADERS = tuple(f"backend.networks.{module}" for module in ("families", "fit", "keys", "kinds", "layout", "names", "quick"))

# From the ground up. A module may import its own layer and those below.
LAYERS = (
    (
        "backend.errors",
        "backend.request",
        "backend.extras_request",
        "backend.progress",
        "backend.job",
        "backend.added",
        "backend.model_tools",
        "backend.logs",
        "backend.compvis_names",
        "backend.sampling.names",
    ),
    ("backend.database", "backend.safetensors_header", "backend.hashes", "backend.sidecar"),
    (
        "backend.flags",
        "backend.exposure",
        "backend.extension_modules",
        "backend.install_script",
        "backend.git",
        "backend.paths",
        "backend.settings",
        "backend.setting_table",
        "backend.frozen",
        "backend.prompts",
        "backend.images",
    ),
    (
        *FROM_HEADERS,
        "backend.structures",
        "backend.training_tags",
        "backend.sidecar_cache",
        "backend.marks",
        "backend.upload",
        "backend.model_folders",
        "backend.listing_cache",
        "backend.listing",
        "backend.catalog",
        "backend.face_files",
        "backend.watch",
        "backend.background_hashes",
        "backend.thumbnails",
        "backend.output_folders",
        "backend.fields",
    ),
    ("backend.workers.worker", "backend.workers.messages", "backend.workers.process"),
    ("backend.checkpoints", "backend.conditioning", "backend.sampling", "backend.networks", "backend.postprocess"),
    ("backend.stage", "backend.beginning", "backend.drawing", "backend.second_pass", "backend.generate_init"),
    ("backend.make",),
    ("backend.generate",),
    ("backend.workers.local",),
    ("backend.workers.engine",),
    (
        "backend.plan",
        "backend.plan_models",
        "backend.plan_sampling",
        "backend.plan_init",
        "backend.plan_passes",
        "backend.plan_networks",
        "backend.plan_prompts",
        "backend.plan_upscalers",
        "backend.plan_faces",
        "backend.picture_folder",
        "backend.plan_extras",
        "backend.plan_tools",
        "backend.compare",
        "backend.tool_task",
        "backend.extras_steps",
        "backend.extras",
        "backend.infotext",
        "backend.paste",
        "backend.saving",
        "backend.tasks",
        "backend.kept_pictures",
        "backend.queue",
        "backend.controls",
        "backend.scripts",
        "backend.sampling_hooks",
        "backend.hooks",
        "backend.plugins",
        "backend.extensions",
        "backend.extension_store",
        "backend.part_calls",
        "backend.draw_request",
        "backend.script_session",
        "backend.drawn_before",
    ),
    ("backend.shelf", "backend.notes", "backend.library", "backend.about", "backend.picture_facts", "backend.picture_search", "backend.history"),
    ("backend.service",),
    ("backend.preview_job",),
    ("backend.uploading", "backend.comparisons"),
    ("backend.api", "backend.guard", "backend.subpath", "ui"),
    ("app",),
)
FRONT = ("app", "ui", "backend.api", "backend.service", "backend.tasks", "backend.plan", "backend.workers.process", "backend.workers.worker")
TORCH = ("torch", "diffusers", "transformers", "compel", "accelerate", "safetensors.torch", "spandrel")
MAY_READ_ENVIRONMENT = ("app", "backend.workers.engine", "backend.workers.process")
MOST_LINES = 450


@pytest.fixture(scope="module")
def source() -> Source:
    return Source.read(ROOT, ROOMS)


def test_every_module_has_its_layer(source: Source):
    assert architecture.unplaced(source, LAYERS) == []


def test_imports_point_down(source: Source):
    assert architecture.imports_upwards(source, LAYERS) == []
    assert architecture.relative_imports(source) == []


def test_there_is_no_import_cycle(source: Source):
    assert architecture.cycles(source) == []


def test_there_is_no_global_statement(source: Source):
    assert architecture.global_statements(source) == []


def test_no_module_holds_state(source: Source):
    assert architecture.module_state(source) == []


def test_the_front_never_reaches_torch(source: Source):
    assert architecture.reaches(source, FRONT, TORCH) == []


def test_importing_the_front_leaves_torch_unloaded():
    code = f"import sys, app; sys.exit(', '.join(sorted(set({TORCH!r}) & set(sys.modules))) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_environment_is_read_at_the_two_entries_only(source: Source):
    below = Source({name: text for name, text in source.texts.items() if name not in MAY_READ_ENVIRONMENT})
    assert architecture.environment_reads(below) == []


def test_every_file_fits_in_the_head(source: Source):
    assert architecture.too_long(source, MOST_LINES) == []


def test_every_module_says_what_it_is(source: Source):
    assert architecture.without_docstring(source) == []


# Each check on a small tree that breaks its rule.

LOW_AND_HIGH = (("low",), ("high",))


@pytest.mark.parametrize(
    "line",
    ["import high.page", "from high import page", "from high.page import draw", "def f():\n    import high.page", "import_module('high.page')"],
)
def test_an_import_of_a_higher_layer_is_found_lazy_or_not(line: str):
    tree = Source({"low.text": line, "high": "", "high.page": ""})
    assert len(architecture.imports_upwards(tree, LOW_AND_HIGH)) == 1


def test_an_import_of_a_lower_layer_is_allowed():
    assert architecture.imports_upwards(Source({"high.page": "import low.text", "low.text": ""}), LOW_AND_HIGH) == []


def test_the_longest_name_decides_the_layer():
    assert architecture.layer_of("backend.sampling.names", LAYERS) == 0
    assert architecture.layer_of("backend.sampling.euler", LAYERS) == 5
    assert architecture.layer_of("backend.samplings", LAYERS) is None


def test_a_module_without_a_layer_is_found():
    assert architecture.unplaced(Source({"stray": '"""A page."""\nX = 1'}), LOW_AND_HIGH) == ["stray is in no layer"]


def test_a_relative_import_is_found():
    assert architecture.relative_imports(Source({"low.text": "from . import other"})) == ["low.text:1 imports ."]


def test_a_cycle_over_three_modules_is_found():
    assert architecture.cycles(Source({"a": "import b", "b": "def f():\n    import c", "c": "import a"})) == ["a → b → c → a"]


def test_a_diamond_is_no_cycle():
    assert architecture.cycles(Source({"a": "import b, c", "b": "import d", "c": "import d", "d": ""})) == []


def test_the_way_to_torch_is_told():
    tree = Source({"ui": "", "ui.page": "from low import text", "low": "", "low.text": "def f():\n    from torch.nn import Linear"})
    assert architecture.reaches(tree, ["ui"], TORCH) == ["ui.page → low.text → torch.nn.Linear (line 2)"]


def test_torch_in_the_package_of_an_imported_module_counts():
    tree = Source({"ui.page": "import low.text", "low": "import diffusers", "low.text": ""})
    assert architecture.reaches(tree, ["ui"], TORCH) == ["ui.page → low → diffusers (line 1)"]


def test_the_header_reader_is_not_torch():
    assert architecture.reaches(Source({"ui.page": "import safetensors"}), ["ui"], TORCH) == []


def test_a_global_statement_is_found():
    assert architecture.global_statements(Source({"a": "def f():\n    global x\n    x = 1"})) == ["a:2 global x"]


@pytest.mark.parametrize(
    "line",
    [
        "CACHE = {}",
        "SEEN: set[str] = set()",
        "ROWS = [1, 2]",
        "NAMES = {n: 1 for n in 'ab'}",
        "CALLS = defaultdict(int)",
        "cache = None",
        "TABLE: Final[dict[str, int]] = {}",
        "import os\nos.linesep = ''",
        "N = 1\nN += 1",
        "if True:\n    BUFFER = []",
        "try:\n    import fast\nexcept ImportError:\n    FOUND = []",
    ],
)
def test_state_of_a_module_is_found(line: str):
    assert len(architecture.module_state(Source({"a": line}))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "ROWS = (1, 2)",
        "NAMES = frozenset({'a'})",
        "TABLE: Mapping[str, int] = {'a': 1}",
        "TABLE: Final[Mapping[str, int]] = {'a': 1}",
        "TABLE = MappingProxyType({'a': 1})",
        "log = logging.getLogger(__name__)",
        "__all__ = ['a']",
        "Event = Step | Preview",
        "_WORD = re.compile('a')",
        "def f():\n    rows = []",
        "class A:\n    rows: list[int] = field(default_factory=list)",
    ],
)
def test_a_constant_is_no_state(line: str):
    assert architecture.module_state(Source({"a": line})) == []


@pytest.mark.parametrize("line", ["import os\nos.environ['A']", "from os import environ\nenviron.get('A')", "import os\nos.getenv('A')"])
def test_a_read_of_the_environment_is_found(line: str):
    assert len(architecture.environment_reads(Source({"a": line}))) == 1


def test_a_long_file_is_found():
    assert architecture.too_long(Source({"a": "x = 1\n" * 11}), 10) == ["a has 11 lines"]
