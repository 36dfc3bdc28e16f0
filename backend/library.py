"""Entries of the catalog → a page of them for people: searched, filtered, sorted, with what each is, what it fits, notes, uses, and what is not offered."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from backend.catalog import Catalog, Entry, Kind
from backend.errors import WebUIError
from backend.job import GenerateJob
from backend.marks import Mark, Marks
from backend.model_folders import KINDS
from backend.networks.fit import Fit, fits_family
from backend.shelf import FIELDS, RATING, Row, Shelf, rating_of
from backend.sidecar_cache import NO_NOTES, Notes, SidecarCache

MOST = 500  # entries of a page
MOST_TAGS = 12  # of the training set, that an entry shows
FITS = ("all", "part", "none", "damaged", "")  # "": it cannot be told
_HASH = re.compile(r"[0-9a-f]{8,64}")

SORTS: Mapping[str, Callable[[Row, Mark], object]] = {
    "path": lambda row, mark: 0,  # as the catalog has them
    "name": lambda row, mark: row.entry.stem.lower(),
    "date": lambda row, mark: row.entry.mtime_ns,
    "size": lambda row, mark: row.entry.size,
    "used": lambda row, mark: mark.used,
    "uses": lambda row, mark: mark.uses,
    "rating": lambda row, mark: rating_of(row.notes),
}


@dataclass(frozen=True, kw_only=True)
class Query:
    """search: words that all occur somewhere. folder: "" = all; its subfolders count. start, count: of what is found.

    family, fits: "" = all, else one of what the page tells, or several with commas. favourites: only those.
    checkpoint: the one that the settings name, for which fits are told; "" = the first.
    """

    search: str = ""
    folder: str = ""
    sort: str = "path"
    descending: bool = False
    start: int = 0
    count: int = 100
    family: str = ""
    fits: str = ""
    favourites: bool = False
    checkpoint: str = ""


@dataclass(frozen=True)
class Fitting:
    """fits: one of FITS; text: the sentence."""

    fits: str = ""
    text: str = ""
    fitting: int = 0
    layers: int = 0

    @classmethod
    def of(cls, fit: Fit) -> "Fitting":
        fits = "none" if not fit.fitting else "all" if fit.fitting == fit.total else "part"
        return cls(fits, fit.text, fit.fitting, fit.total)


_UNTOLD = Fitting()


class Library:
    """Thread-safe. Owns the marks."""

    def __init__(self, catalog: Catalog, marks: Marks) -> None:
        self.catalog = catalog
        self.marks = marks
        sidecars = SidecarCache(catalog.hashes.database)
        self._shelves: Mapping[Kind, Shelf] = {kind: Shelf(kind, catalog, sidecars) for kind in KINDS}
        self._lock = Lock()
        self.writing = Lock()  # for whoever reads and writes a file beside a model

    def page(self, kind: Kind, query: Query) -> dict[str, object]:
        """As JSON. Raises WebUIError for an unknown order."""
        if query.sort not in SORTS:
            raise WebUIError(f"Unknown order {query.sort!r}. Known: {', '.join(SORTS)}.")
        with self._lock:
            shelf, checkpoint = self._shelf(kind), self.chosen(query.checkpoint)
            found = self._sorted(self._found(shelf, query, checkpoint), query)
            start = max(query.start, 0)
            shown = found[start : start + min(max(query.count, 0), MOST)]
            tags = self.catalog.tags([row.entry for row in shown])
            return {
                "total": len(shelf.rows),
                "found": len(found),
                "revision": self.catalog.revision,
                "checkpoint": {"name": checkpoint.name, "family": checkpoint.family} if checkpoint else None,
                "folders": shelf.folders,
                "families": shelf.families,
                "entries": [self._shown(shelf, row, checkpoint, tags) for row in shown],
                "refused": [{"name": refused.name, "reason": refused.reason} for refused in self.catalog.refused(kind)],
            }

    def entry(self, kind: Kind, name: str, checkpoint: str = "") -> dict[str, object]:
        """One file as in a page. Raises NotFound."""
        entry = self.catalog.exactly(kind, name)
        with self._lock:
            shelf = self._shelf(kind)
            return self._shown(shelf, _row(shelf, entry), self.chosen(checkpoint), self.catalog.tags([entry]))

    def chosen(self, name: str) -> Entry | None:
        """The checkpoint of this name, else the first, as a picture would be made with it."""
        entries = self.catalog.entries("checkpoint")
        return (self.catalog.find("checkpoint", name) if name else None) or (entries[0] if entries else None)

    def duplicates(self, entry: Entry) -> Sequence[Entry]:
        """Other files with the same bytes, as far as they are hashed."""
        with self._lock:
            return self._shelf(entry.kind).duplicates.get(entry.file, ())

    def without_picture(self, kind: Kind) -> Sequence[Entry]:
        """Those of the list that have neither preview nor cover."""
        with self._lock:
            return [row.entry for row in self._shelf(kind).rows if not row.picture]

    def notes(self, entry: Entry) -> Notes:
        """What lies beside it, as name.json has it."""
        with self._lock:
            return _row(self._shelf(entry.kind), entry).notes

    def count(self, job: GenerateJob) -> None:
        """A picture was made by the job: its networks and its checkpoint were used. Returns at once."""
        self.marks.count("lora", [network.file for network in job.networks])
        self.marks.count("checkpoint", [job.model.checkpoint])

    def close(self) -> None:
        self.marks.close()

    def fitting(self, entry: Entry, checkpoint: Entry | None) -> Fitting:
        """By layers for a Lora, by family for an embedding; other files fit nothing."""
        if checkpoint is None or not entry.structure:
            return _UNTOLD
        if entry.kind == "lora" and checkpoint.structure:
            try:
                fit = self.catalog.structures.fit(entry.structure, entry.path, checkpoint.structure, checkpoint.path)
            except WebUIError as error:
                return Fitting("damaged", str(error))
            return Fitting.of(fit) if fit is not None else _UNTOLD
        return self._fitting_family(entry, checkpoint) if entry.kind == "embedding" else _UNTOLD

    def _fitting_family(self, entry: Entry, checkpoint: Entry) -> Fitting:
        description = self.catalog.structures.description(entry.structure)
        fits = fits_family(description, checkpoint.family) if description else None
        if fits is None:
            return _UNTOLD
        told = f"it is for {entry.family}"
        return Fitting("all", told) if fits else Fitting("none", f"not at all, because {told} and the checkpoint is {checkpoint.family}")

    def _shelf(self, kind: Kind) -> Shelf:
        shelf = self._shelves[kind]
        shelf.look()
        return shelf

    def _found(self, shelf: Shelf, query: Query, checkpoint: Entry | None) -> list[Row]:
        rows = shelf.rows
        if folder := query.folder.strip("/"):
            rows = [row for row in rows if row.folder == folder or row.folder.startswith(f"{folder}/")]
        if query.family:
            families = frozenset(query.family.split(","))
            rows = [row for row in rows if row.family in families]
        for word in query.search.lower().split():
            others = self._known_otherwise(shelf, word)
            rows = [row for row in rows if word in row.text or row.entry.file in others]
        if query.favourites:
            rows = [row for row in rows if self._mark(row).favourite]
        if query.fits:
            fits, known = frozenset(query.fits.split(",")), {}
            rows = [row for row in rows if self._fits(row.entry, checkpoint, known) in fits]
        return list(rows)

    def _fits(self, entry: Entry, checkpoint: Entry | None, known: dict[str, str]) -> str:
        """known: what was told of other files of the structure; a file that cannot be read says nothing of them."""
        fits = known.get(entry.structure)
        if fits is None and (fits := self.fitting(entry, checkpoint).fits) != "damaged":
            known[entry.structure] = fits
        return fits

    def _known_otherwise(self, shelf: Shelf, word: str) -> Collection[str]:
        """Files with such a tag, or with such a hash of their tensors."""
        tagged = shelf.tagged(word)
        return {*tagged, *map(str, self.catalog.hashes.files_with(word))} if _HASH.fullmatch(word) else tagged

    def _sorted(self, rows: list[Row], query: Query) -> list[Row]:
        if query.sort == "path":
            return rows[::-1] if query.descending else rows
        order = SORTS[query.sort]
        return sorted(rows, key=lambda row: order(row, self._mark(row)), reverse=query.descending)  # type: ignore[arg-type,return-value]

    def _mark(self, row: Row) -> Mark:
        return self.marks.of(row.entry.kind, row.entry.name, row.entry.hash)

    def _shown(self, shelf: Shelf, row: Row, checkpoint: Entry | None, tags: Mapping[tuple[str, int, int], Sequence[str]]) -> dict[str, object]:
        entry, notes, mark = row.entry, row.notes, self._mark(row)
        weight, what = notes.get("preferred weight"), self.catalog.structures.description(entry.structure)
        fit = self.fitting(entry, checkpoint)
        return {
            "name": self.catalog.path_name(entry),
            "file": entry.name,
            "stem": entry.stem,
            "alias": entry.alias,
            "tag": entry.stem if not self.catalog.ambiguous(entry.kind, entry.stem) else self.catalog.path_name(entry),
            "folder": row.folder,
            "size": entry.size,
            "modified": entry.mtime_ns // 1_000_000_000,
            "hash": entry.hash,
            "picture": row.picture,
            "weight": float(weight) if isinstance(weight, int | float) and weight else 1.0,
            **{key: str(notes.get(key) or "") for key in FIELDS},
            RATING: rating_of(notes),
            "kind": what.kind if what else "",
            "rank": what.rank if what else None,
            "family": row.family,
            "fits": fit.fits,
            "fits_text": fit.text,
            "fitting": fit.fitting,
            "layers": fit.layers,
            "favourite": mark.favourite,
            "used": mark.used,
            "uses": mark.uses,
            "duplicates": [self.catalog.path_name(other) for other in shelf.duplicates.get(entry.file, ())],
            "tags": list(tags.get((entry.file, entry.size, entry.mtime_ns), ())[:MOST_TAGS]),
        }


def _row(shelf: Shelf, entry: Entry) -> Row:
    return next((row for row in shelf.rows if row.entry.file == entry.file), None) or Row(entry, NO_NOTES)
