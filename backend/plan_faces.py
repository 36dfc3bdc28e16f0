"""What was asked of faces, decided: by what they are restored, and whether that can be done."""

from backend.catalog import Catalog
from backend.errors import NotFound
from backend.face_files import CODEFORMER
from backend.job import FaceOptions
from backend.request import GenerationRequest
from backend.settings import Settings


def asked_faces(request: GenerationRequest, settings: Settings, catalog: Catalog) -> tuple[FaceOptions | None, tuple[str, ...]]:
    """None: faces stay as they are drawn; and comments. Raises NotFound where nothing can restore them.

    A1111's default is CodeFormer, which few have here: where it cannot be used and something else can, that is taken, and told.
    """
    if not (settings["face_restoration"] if request.restore_faces is None else request.restore_faces):
        return None, ()
    wanted, usable = settings["face_restoration_model"], catalog.faces.usable()
    if wanted in usable:
        return face_options(wanted, settings, catalog), ()
    if wanted == CODEFORMER and usable:
        return face_options(usable[0], settings, catalog), (f"Faces are restored by {usable[0]}. {catalog.faces.missing(wanted)}",)
    raise NotFound(f"Faces cannot be restored. {catalog.faces.missing(wanted)}{_others(usable)}")


def face_options(name: str, settings: Settings, catalog: Catalog, weight: float | None = None) -> FaceOptions:
    """weight: CodeFormer's; None: that of the settings. Raises NotFound with what is missing."""
    if missing := catalog.faces.missing(name):
        raise NotFound(missing)
    return FaceOptions(model=name, weight=settings["code_former_weight"] if weight is None else weight, unload=settings["face_restoration_unload"])


def _others(usable: tuple[str, ...]) -> str:
    return f" There is {', '.join(usable)}." if usable else ""
