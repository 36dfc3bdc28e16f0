"""The parts of extensions on the way of one request: those that are on, with their values, called one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from backend.catalog import Catalog
from backend.controls import complete
from backend.errors import ERROR, WebUIError
from backend.paths import Paths
from backend.plan import Plan
from backend.plugins import Hooks, Owned
from backend.request import GenerationRequest
from backend.scripts import Part, PartContext
from backend.tasks import Task


@dataclass(frozen=True)
class PartCalls:
    """What one of them raises becomes a comment of the task; the picture goes on as it was."""

    active: tuple[tuple[Owned[Part], Mapping[str, Any]], ...]
    context: PartContext
    task: Task
    hooks: Hooks

    @classmethod
    def of(cls, request: GenerationRequest, task: Task, hooks: Hooks, catalog: Catalog, paths: Paths) -> "PartCalls":
        """Raises WebUIError for a value that a control does not take."""
        tab = "txt2img" if request.init is None else "img2img"
        given = {title.lower(): values for title, values in request.parts.items()}
        active, settings = [], task.settings.override(request.override_settings)
        for owned in hooks.parts(tab):
            asked = given.pop(owned.of.title.lower(), {})
            try:
                controls = hooks.controls(owned, tab, catalog, settings)
            except WebUIError as error:
                task.comment(f"{ERROR}{error}")
                continue
            values = complete(controls, asked, catalog)
            if not owned.of.enabled or values.get(owned.of.enabled):
                active.append((owned, values))
        task.comment(*(f"{ERROR}There is no always on script {title!r} here; its extension is missing or switched off." for title in given))
        context = PartContext(settings=settings, catalog=catalog, paths=paths, tab=tab, task_id=task.id)
        return cls(tuple(active), context, task, hooks)

    def change_request(self, request: GenerationRequest) -> GenerationRequest:
        for owned, values in self.active:
            request = self._call(owned, "change_request", request, values, self.context)
        return request

    def change_plan(self, plan: Plan) -> Plan:
        """With the fields that the parts add to the parameters."""
        for owned, values in self.active:
            plan = self._call(owned, "change_plan", plan, values, replace(self.context, plan=plan))
            told = self.hooks.guarded(owned.extension, f"infotext of {owned.of.title}", {}, self.task.comment, lambda: _texts(owned.of.infotext(values)))  # noqa: B023
            calls = self.hooks.guarded(owned.extension, f"engine of {owned.of.title}", (), self.task.comment, lambda: tuple(owned.of.engine(values)))  # noqa: B023
            calls = tuple(replace(call, extension=owned.extension) for call in calls)
            jobs = tuple(replace(job, calls=(*job.calls, *calls)) for job in plan.jobs) if calls else plan.jobs
            plan = replace(plan, jobs=jobs, extra={**plan.extra, **told})
        return plan

    def change_picture(self, image: Image.Image, plan: Plan, index: int) -> Image.Image:
        for owned, values in self.active:
            image = self._call(owned, "change_picture", image, values, replace(self.context, plan=plan, index=index))
        return image

    def _call(self, owned: Owned[Part], method: str, subject: Any, values: Mapping[str, Any], context: PartContext) -> Any:
        def act() -> Any:
            changed = getattr(owned.of, method)(subject, values, context)
            if not isinstance(changed, type(subject)) and not isinstance(subject, Image.Image):
                raise TypeError(f"it gave {type(changed).__name__} instead of {type(subject).__name__}")
            return changed

        return self.hooks.guarded(owned.extension, f"{method} of {owned.of.title}", subject, self.task.comment, act)


def _texts(labels: Mapping[str, object]) -> dict[str, str]:
    return {str(label): str(value) for label, value in labels.items()}
