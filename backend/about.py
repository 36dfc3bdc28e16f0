"""A model file → the table of all that is known of it: what it is and fits, its metadata, the tags it was trained with, its doubles."""

from backend.catalog import Entry
from backend.library import Library
from backend.networks.fit import with_words
from backend.sidecar import COVERS
from backend.training_tags import TAGS, training_tags


def about(library: Library, entry: Entry, checkpoint: str) -> dict[str, object]:
    """As JSON. checkpoint: its name, for which the fit is told."""
    catalog, metadata = library.catalog, dict(entry.metadata)
    known, chosen = catalog.structures.description(entry.structure), library.chosen(checkpoint)
    described = with_words(known, metadata, library.notes(entry)) if known else None
    fit = library.fitting(entry, chosen)
    return {
        "name": catalog.path_name(entry),
        "file": entry.name,
        "alias": entry.alias,
        "size": entry.size,
        "modified": entry.mtime_ns // 1_000_000_000,
        "hash": entry.hash,
        **(described.as_dict() if described else {"family": entry.family}),
        "line": described.line if described else "",
        "checkpoint": chosen.name if chosen else "",
        "fits": fit.fits,
        "fits_text": fit.text,
        "metadata": {key: value for key, value in metadata.items() if key not in (TAGS, COVERS)},
        "tags": training_tags(metadata),
        "duplicates": [catalog.path_name(other) for other in library.duplicates(entry)],
        "same_name": [catalog.path_name(other) for other in catalog.ambiguous(entry.kind, entry.stem) if other != entry],
    }
