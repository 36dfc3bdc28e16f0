"""What files are by the names and shapes of their tensors – kind, family, rank, what they fit –, found out once for all that have the same, and kept in sqlite.

Thousands of LoRAs are of some dozen structures, so that most files are told by one hash of their header.
"""

import hashlib
import json
from pathlib import Path

from backend.database import Database
from backend.errors import WebUIError
from backend.networks.fit import Checkpoint, Description, Fit, describe_shapes, fit_names, header_shapes, with_words
from backend.networks.layout import Layout
from backend.networks.names import Names
from backend.networks.quick import describe_text
from backend.safetensors_header import Outline, read_header

# The numbers go up when files are told or fitted in another way.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS structures_1 (id TEXT PRIMARY KEY, content TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS fits_1 (checkpoint TEXT, id TEXT, fitting INTEGER, total INTEGER, because TEXT, PRIMARY KEY (checkpoint, id)) WITHOUT ROWID",
)
_ID_LENGTH = 32


class Structures:
    """Thread-safe: what two threads find out at once is the same."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_TABLES)
        self._known = {id: _read(content) for id, content in database.rows("SELECT id, content FROM structures_1")}
        self._fits: dict[str, dict[str, Fit]] = {}  # by checkpoint
        self._checkpoints: dict[str, Checkpoint | None] = {}  # the last one that something was fitted to

    def identify(self, path: Path, outline: Outline) -> tuple[str, Description]:
        """The structure's name, and what the file is by it and by its metadata. Raises WebUIError for a header that makes no sense."""
        id = hashlib.sha256(outline.body.encode()).hexdigest()[:_ID_LENGTH]
        if (known := self._known.get(id)) is None:
            known = _describe(path, outline)
            if not known.modules and known.is_network:  # without tensors the metadata are all there is
                return "", describe_shapes({}, outline.metadata)
            self._known[id] = known
            self._database.write("INSERT OR REPLACE INTO structures_1 VALUES (?, ?)", [(id, _written(known))])
        return id, with_words(known, outline.metadata)

    def description(self, id: str) -> Description | None:
        """By the tensors alone; None for a file that is no .safetensors."""
        return self._known.get(id)

    def fit(self, id: str, path: Path, checkpoint: str, checkpoint_path: Path) -> Fit | None:
        """How the structure, which the file at path has, fits that of the checkpoint. Neither is opened if that was asked before.

        None where the checkpoint's layers are not known. Raises WebUIError if a file cannot be read any more.
        """
        fits = self._fits_to(checkpoint)
        if (known := fits.get(id)) is not None:
            return known
        model = self._checkpoint(checkpoint, checkpoint_path)
        if model is None:
            return None
        names = Names.sort(header_shapes(read_header(path)))
        fits[id] = found = fit_names(names, self._known.get(id) or describe_shapes(names.shapes, {}), model)
        self._database.write("INSERT OR REPLACE INTO fits_1 VALUES (?, ?, ?, ?, ?)", [(checkpoint, id, found.fitting, found.total, found.because)])
        return found

    def _fits_to(self, checkpoint: str) -> dict[str, Fit]:
        if checkpoint not in self._fits:
            rows = self._database.rows("SELECT id, fitting, total, because FROM fits_1 WHERE checkpoint = ?", (checkpoint,))
            self._fits[checkpoint] = {id: Fit(fitting=fitting, total=total, because=because, misfits=()) for id, fitting, total, because in rows}
        return self._fits[checkpoint]

    def _checkpoint(self, id: str, path: Path) -> Checkpoint | None:
        if id not in self._checkpoints:
            layout, known = Layout.read(header_shapes(read_header(path))), self._known.get(id)
            self._checkpoints = {id: Checkpoint(known.family, layout) if layout and known else None}
        return self._checkpoints[id]


def _describe(path: Path, outline: Outline) -> Description:
    """By the tensors alone."""
    quick = describe_text(outline.body) if '"__metadata__"' not in outline.body else None
    try:
        return quick or describe_shapes(header_shapes(read_header(path)), {})
    except (ValueError, IndexError, KeyError) as error:
        raise WebUIError(f"{path.name} has a header that cannot be understood: {error}.") from error


def _written(description: Description) -> str:
    return json.dumps({**description.as_dict(), "ranks": list(description.ranks.items())})


def _read(content: str) -> Description:
    fields = json.loads(content)
    return Description(**{**fields, "ranks": dict(fields["ranks"]), "also": tuple(fields["also"])})
