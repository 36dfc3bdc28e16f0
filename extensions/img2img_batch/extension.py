"""img2img over a folder: each picture in it is drawn in turn, as one job. What the Batch mode of the page's img2img asks for under "From directory"."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from backend import hooks, infotext
from backend.catalog import Catalog
from backend.controls import Control
from backend.errors import WebUIError
from backend.fields import from_labels
from backend.images.metadata import infotext_of, open_image
from backend.paste import with_names_of_now
from backend.picture_folder import allowed_folder, pictures_of
from backend.request import GenerationRequest, Inpaint, Size
from backend.scripts import Script, Session
from backend.settings import Settings

PROPS = ("Prompt", "Negative prompt", "Seed", "CFG scale", "Sampler", "Steps", "Model hash")


class Img2imgBatch:
    title = "img2img batch"
    tabs = ("img2img",)
    listed = False  # the page has a place of its own for it

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="input_dir", kind="textbox", label="Input directory", default=""),
            Control(key="output_dir", kind="textbox", label="Output directory", default=""),
            Control(key="inpaint_mask_dir", kind="textbox", label="Inpaint batch mask directory (required for inpaint batch processing only)", default=""),
            Control(key="use_png_info", kind="checkbox", label="Append png info to prompts", default=False),
            Control(key="png_info_dir", kind="textbox", label="PNG info directory", default=""),
            Control(key="png_info_props", kind="checkboxgroup", label="Parameters to take from png info", default=(), choices=PROPS),
            Control(key="scale_by", kind="number", label="Scale", default=0.0, minimum=0, maximum=4),  # 0 = "Resize to"
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        if not values["input_dir"]:
            raise WebUIError("Name the input directory.")
        files = pictures_of(allowed_folder(values["input_dir"], session.paths))
        masks = pictures_of(allowed_folder(values["inpaint_mask_dir"], session.paths)) if values["inpaint_mask_dir"] else ()
        session.expect(len(files) * request.n_iter * request.batch_size)
        for number, file in enumerate(files, start=1):
            try:
                asked = _asked(request, file, masks, values, session)
                session.draw(asked, note=f"{number} of {len(files)}: {file.name}")
            except WebUIError as error:
                session.comment(f"Error: {file.name}: {error}")


def _asked(request: GenerationRequest, file: Path, masks: Sequence[Path], values: Mapping[str, Any], session: Session) -> GenerationRequest:
    """For one picture. Raises WebUIError."""
    picture = open_image(file)
    assert request.init is not None
    inpaint = replace(request.init.inpaint or Inpaint(), mask=_mask(file, masks)) if masks else None
    asked = replace(request, init=replace(request.init, images=(picture,), inpaint=inpaint))
    if values["scale_by"]:
        asked = replace(asked, size=Size(width=max(int(picture.width * values["scale_by"]), 8), height=max(int(picture.height * values["scale_by"]), 8)))
    if values["use_png_info"]:
        asked = _told(asked, _labels(picture, file, values, session), session)
    return _into(asked, file, values["output_dir"], session)


def _mask(file: Path, masks: Sequence[Path]) -> Image.Image:
    """The only one, or that of the picture's name."""
    named = [mask for mask in masks if mask.stem == file.stem] if len(masks) > 1 else masks
    if not named:
        raise WebUIError("there is no mask of this name.")
    return open_image(named[0])


def _labels(picture: Image.Image, file: Path, values: Mapping[str, Any], session: Session) -> Mapping[str, str]:
    """Of the chosen parameters those that the picture tells, or the one of its name in another folder."""
    if values["png_info_dir"]:
        other = allowed_folder(values["png_info_dir"], session.paths) / file.name
        if not other.is_file():
            raise WebUIError(f"there is no picture of this name in {other.parent}.")
        picture = open_image(other)
    labels = with_names_of_now(infotext.read(infotext_of(picture)), session.catalog)
    return {label: text for label, text in labels.items() if label in values["png_info_props"]}


def _told(request: GenerationRequest, labels: Mapping[str, str], session: Session) -> GenerationRequest:
    """Prompts are put behind those of the page, everything else takes the place of what the page says, as in A1111."""
    told = from_labels({label: text for label, text in labels.items() if label != "Model hash"}, session.settings)
    sampling = replace(
        request.sampling,
        sampler=told.get("sampler_name", request.sampling.sampler),
        steps=told.get("steps", request.sampling.steps),
        cfg_scale=told.get("cfg_scale", request.sampling.cfg_scale),
    )
    model = {"sd_model_checkpoint": labels["Model hash"]} if "Model hash" in labels else {}
    return replace(
        request,
        prompt=" ".join(filter(None, (request.prompt, labels.get("Prompt", "")))),
        negative_prompt=" ".join(filter(None, (request.negative_prompt, labels.get("Negative prompt", "")))),
        seed=replace(request.seed, seed=told.get("seed", request.seed.seed)),
        sampling=sampling,
        override_settings={**request.override_settings, **model},
    )


def _into(request: GenerationRequest, file: Path, output: str, session: Session) -> GenerationRequest:
    """Into that folder, under the name of its source; "" = where the settings say."""
    if not output:
        return request
    several = request.n_iter * request.batch_size > 1
    where = {
        "outdir_samples": str(allowed_folder(output, session.paths)),
        "save_to_dirs": False,
        "save_images_add_number": False,
        "samples_filename_pattern": f"{file.stem}-[generation_number]" if several else file.stem,
    }
    return replace(request, override_settings={**request.override_settings, **where})


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [Img2imgBatch()]
