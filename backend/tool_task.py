"""The road of a tool's task: plan → worker → the new file in its list."""

from collections.abc import Callable, Mapping

from backend.catalog import Catalog
from backend.errors import NotFound
from backend.model_tools import BakeRequest, BlockMapRequest, ExtractRequest, MergeRequest, ToolRequest
from backend.plan_tools import plan_tool
from backend.progress import Event, Made
from backend.request import GenerationRequest, Sampling
from backend.settings import Settings
from backend.tasks import Task
from backend.workers.worker import Worker


class ToolTask(Task):
    """For page and API a task like any other; it has no pictures. A restart of the program forgets it."""

    def __init__(self, *, id: str, tool: ToolRequest, settings: Settings) -> None:
        super().__init__(id=id, request=GenerationRequest(sampling=Sampling(steps=1)), settings=settings, save_samples=False, save_grid=False)
        self.tool = tool
        self.made = ""  # the new file's name, when it is there
        self.numbers: Mapping[str, object] = {}

    @property
    def words(self) -> str:
        match self.tool:
            case MergeRequest():
                return "Checkpoint merger"
            case BakeRequest():
                return "Lora bake" if len(self.tool.loras) > 1 or self.tool.checkpoint else "Lora resize"
            case ExtractRequest():
                return "Lora extract"
            case BlockMapRequest():
                return "Block map"

    def say(self, made: Made) -> None:
        self.numbers = {**self.numbers, **made.numbers}
        self.comment(*made.sentences)


def run_tool(task: ToolTask, catalog: Catalog, worker: Worker, hear: Callable[[Event], None]) -> None:
    """Raises WebUIError. Whatever happens, even to the engine: of a file that is not whole nothing stays."""

    def listen(event: Event) -> None:
        task.say(event) if isinstance(event, Made) else hear(event)

    task.tell("Reading the files")
    decided = plan_tool(task.tool, catalog)
    task.begin_batch(0)
    if task.interrupted:
        return
    try:
        worker.run(decided.job, listen, task.cancel)
    finally:
        if decided.part is not None:
            decided.part.unlink(missing_ok=True)
    if decided.target is None or task.interrupted:
        return
    catalog.look_at([decided.target])
    if not decided.target.exists():
        raise NotFound(f"{decided.target.name} was made and is not there: look at the log.")
    task.made = decided.target.name
    task.comment(f"Saved as {task.made}")
