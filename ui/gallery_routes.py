"""What the buttons below a picture ask for, under /internal/picture and /internal/zip: save, all as a ZIP, delete. Only pictures of known tasks."""

from urllib.parse import quote

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from backend import kept_pictures
from backend.service import GenerationService
from ui import progress
from ui.library_routes import NO_STORE, Explained
from ui.progress import NamedPicture


def add_routes(router: APIRouter, service: GenerationService) -> None:
    @router.post("/picture/save")
    def save_picture(body: NamedPicture) -> dict[str, str]:
        with Explained():
            path = kept_pictures.keep(progress.find_picture(service, body), body.name, service.paths, service.settings.current)
        return {"saved": path.relative_to(service.paths.data).as_posix() if path.is_relative_to(service.paths.data) else path.name}

    @router.post("/picture/delete")
    def delete_picture(body: NamedPicture) -> dict[str, bool]:
        with Explained():
            service.exposure.check("delete pictures")
            service.delete_picture(body.task, progress.find_picture(service, body))
        return {"deleted": True}

    @router.get("/zip/{task_id}/{name}")
    def read_zip(task_id: str, name: str) -> StreamingResponse:
        task = service.task(task_id)
        if task is None or not task.images or not name.endswith(".zip"):
            raise HTTPException(404, "This task is not known any more")
        with Explained():
            names = [progress.file_name(task, index) for index in range(len(task.images))]
            disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
            return StreamingResponse(kept_pictures.packed(task, names), media_type="application/zip", headers={**NO_STORE, "Content-Disposition": disposition})
