"""What was decided: everything an engine needs for one batch, nothing it must look up but weights. Frozen and picklable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from backend.request import SoftInpaint
from backend.sampling.names import SamplerInfo, SchedulerInfo


@dataclass(frozen=True, kw_only=True)
class FileRef:
    """A file under models/, never a path: an engine resolves it in its own catalog, by hash first."""

    name: str  # path relative to the kind's folder, with suffix and forward slashes: "styles/ink.safetensors"
    hash: str = ""  # sha256 of the whole file, or "" where it is not known (--no-hashing)


@dataclass(frozen=True, kw_only=True)
class NetworkRef:
    """One <lora:…> tag, resolved."""

    file: FileRef
    label: str  # the name as the person wrote it
    te_weight: float = 1.0
    unet_weight: float = 1.0
    dyn: int | None = None  # DyLoRA: use the first dyn ranks only
    blocks: tuple[float | None, ...] = ()  # weights by which these are multiplied, in the order of networks.blocks.BLOCKS; () = 1 everywhere
    start: int = 0  # steps that are done before it changes the U-Net; text encoders are changed throughout
    stop: int | None = None  # steps that are done when it no longer does

    @property
    def weighs(self) -> bool:
        """False: the same as if it were not there."""
        return bool(self.te_weight or self.unet_weight) and (not self.blocks or any(self.blocks))

    @property
    def timed(self) -> bool:
        return self.start > 0 or self.stop is not None

    def acts(self, step: int) -> bool:
        """Whether it changes the U-Net in this step, counted from 0."""
        return step >= self.start and (self.stop is None or step < self.stop)


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How a model sees a big picture: in squares of `size` pixels that overlap. size 0 = whole."""

    size: int = 192
    overlap: int = 8


WHOLE = Tiling(size=0, overlap=0)


@dataclass(frozen=True, kw_only=True)
class NamedUpscaler:
    """An upscaler that an extension adds. target: "module:function" of the engine, see postprocess.added_upscaler.Enlarge."""

    name: str
    scale: int  # of one call
    target: str
    tiling: Tiling = WHOLE  # squares that are given one by one; whole = it sees the picture at once
    extension: str = ""  # filled in by the program


@dataclass(frozen=True, kw_only=True)
class UpscalerRef:
    """What makes a picture larger, resolved. Neither file nor `added`: "None", "Lanczos" or "Nearest", which need no model."""

    name: str
    file: FileRef | None = None
    added: NamedUpscaler | None = None
    tilings: Mapping[str, Tiling] = field(default_factory=dict)  # by the model's architecture; "" for all others


@dataclass(frozen=True, kw_only=True)
class FaceOptions:
    """How faces are restored. model: a name of face_files.RESTORERS."""

    model: str
    weight: float = 0.5  # CodeFormer's: 0 = most is changed, 1 = least
    unload: bool = False  # out of the device's memory afterwards


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """All that sampling needs. Defaults are A1111's."""

    sampler: str = "Euler"  # canonical label of sampling.names.SAMPLERS
    scheduler: str = "Uniform"  # canonical label of sampling.names.SCHEDULERS, never "Automatic"
    steps: int = 20
    cfg_scale: float = 7.0
    image_cfg_scale: float = 1.5  # of instruct-pix2pix models; 1 = the picture is told with each prompt
    eta: float = 1.0  # eta_ancestral or eta_ddim, whichever the sampler uses
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = 0.0  # 0 = no limit
    s_noise: float = 1.0
    s_min_uncond: float = 0.0  # NGMS: no negative prompt below this sigma
    s_min_uncond_all: bool = False
    skip_early_cond: float = 0.0  # fraction of the steps without CFG at the start
    sigma_min: float = 0.0  # 0 = the model's
    sigma_max: float = 0.0
    rho: float = 0.0  # 0 = the schedule's
    old_karras_sigmas: bool = False  # 0.1 … 10 instead of the model's range
    discard_next_to_last_sigma: bool = False
    sgm_noise_multiplier: bool = False
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    quantize_timesteps: bool = False
    uni_pc_variant: str = "bh1"  # bh1, bh2, vary_coeff
    uni_pc_skip_type: str = "time_uniform"  # time_uniform, time_quadratic, logSNR
    uni_pc_order: int = 3
    uni_pc_lower_order_final: bool = True
    ensd: int = 0  # eta noise seed delta
    noise_source: str = "GPU"  # GPU, CPU, NV
    brownian_per_image: bool = True  # False = A1111's no_dpmpp_sde_batch_determinism
    batch_cond_uncond: bool = True
    pad_cond_uncond: bool = False
    pad_cond_uncond_v0: bool = False
    zero_terminal_snr: bool = False  # setting sd_noise_schedule; a model's own marker counts as well
    downcast_alphas: bool = False  # use_downcasted_alpha_bar
    added_sampler: SamplerInfo | None = None  # the sampler, where it is an extension's
    added_scheduler: SchedulerInfo | None = None
    added_settings: Mapping[str, Any] = field(default_factory=dict)  # values of the settings that those two name


@dataclass(frozen=True, kw_only=True)
class ConditioningOptions:
    """All that turns prompts into tensors. Defaults are A1111's."""

    emphasis: str = "Original"  # Original, No norm, Ignore, None, Compel
    clip_skip: int = 1  # 1…12, 1 = last layer
    comma_padding_backtrack: int = 20
    old_emphasis: bool = False
    old_scheduling: bool = False
    sdxl_clip_l_skip: bool = False
    sdxl_crop_top: int = 0
    sdxl_crop_left: int = 0
    sdxl_refiner_high_aesthetic_score: float = 6.0
    sdxl_refiner_low_aesthetic_score: float = 2.5


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which weights, and how they are run."""

    checkpoint: FileRef
    vae: FileRef | None = None  # None = the checkpoint's own
    keep_loaded: int = 1  # checkpoints kept in memory
    unet_dtype: str = "Automatic"  # Automatic, float32, bfloat16, float16
    tiling: bool = False
    token_merging_ratio: float = 0.0
    upcast_attention: bool = False
    vae_tiling: bool = False  # decode in tiles: less memory for big pictures
    vae_retry_float32: bool = True  # when a half-precision decode gives NaN
    vae_decoder: str = "Full"  # or "TAESD"
    vae_encoder: str = "Full"


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """A picture every so many steps while sampling; 0 = none."""

    every_steps: int = 10
    method: str = "Approx NN"  # Full, Approx NN, TAESD or Approx cheap, which takes the place of those two where their files are missing


@dataclass(frozen=True, kw_only=True)
class InpaintOptions:
    """What of the pictures is drawn anew. The mask is inverted and blurred already."""

    mask: Image.Image  # L, white = draw anew, of the size that the person gave
    box: tuple[int, int, int, int] | None  # left, top, right, bottom of the part that is drawn alone; None = the whole picture
    fill: int  # what lies below: 0 fill, 1 original, 2 latent noise, 3 latent nothing
    round: bool  # the mask of the latent is 0 or 1, nothing between
    overlay: bool  # what is kept comes from the original, not from the model
    with_masks: bool  # mask and masked picture are wanted, too
    condition_weight: float  # how much of the masked part is hidden from inpainting models
    latent_mask: Image.Image | None = None  # L; in the place of the mask for the latent and for what lies below, where they differ
    soft: SoftInpaint | None = None


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """Pictures to start from: one for all, or one for each of the batch."""

    images: tuple[Image.Image, ...]
    resize_mode: int  # 0 just resize, 1 crop and resize, 2 resize and fill, 3 just resize (latent upscale)
    upscaler: UpscalerRef  # of pictures that are too small
    background: str  # colour of transparent parts: "#ffffff"
    denoising_strength: float
    fixed_steps: bool  # as many steps as asked for, whatever the strength
    noise_multiplier: float
    extra_noise: float
    color_correction: bool
    inpaint: InpaintOptions | None


@dataclass(frozen=True, kw_only=True)
class RefinerOptions:
    """Another checkpoint that takes over on the way."""

    model: ModelOptions
    switch_at: float  # 0…1
    by_steps: bool  # part of the steps; False: of the noise
    labels: Mapping[str, str]  # of the infotext, if it does take over


@dataclass(frozen=True, kw_only=True)
class HiresOptions:
    """The second pass. The tuples have batch_size entries."""

    prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    networks: tuple[NetworkRef, ...]
    sampling: SamplingOptions
    model: ModelOptions
    enlarged: tuple[int, int]  # width, height in pixels: what the first picture is brought to
    width: int  # pixels, multiple of 8: the middle of it that is drawn
    height: int
    upscaler: UpscalerRef  # of pixels
    latent_mode: str = ""  # a label of sampling.names.LATENT_UPSCALE_MODES; "" = the upscaler
    denoising_strength: float
    extra_noise: float = 0.0
    first_pass_conds: bool = False  # the prompts are encoded with the networks of the first pass
    refiner: RefinerOptions | None = None
    picture: Image.Image | None = None  # takes the place of the first pass
    tell_first: bool = False  # the pictures of the first pass are wanted, too


Moment = Literal["start", "before step", "before call", "after call", "after step", "before decode"]


@dataclass(frozen=True, kw_only=True)
class EngineCall:
    """What an extension does to a batch's latents in the engine. target: "module:function", see sampling.changes.Change."""

    at: Moment  # a pass's noise, the latent before a step, what the U-Net is called with and predicts of each row, the guided prediction, the finished latent
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)  # values only: they go to another process
    extension: str = ""  # filled in by the program


@dataclass(frozen=True, kw_only=True)
class GenerateJob:
    """One batch. The four tuples have batch_size entries; prompts are without <lora:…> tags and styles are merged."""

    prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    subseeds: tuple[int, ...]
    subseed_strength: float
    seed_resize_from: tuple[int, int]  # width, height in pixels; (0, 0) = off
    width: int  # pixels, multiple of 8
    height: int
    networks: tuple[NetworkRef, ...]
    sampling: SamplingOptions
    conditioning: ConditioningOptions
    model: ModelOptions
    preview: PreviewOptions
    init: InitOptions | None = None  # None = txt2img
    refiner: RefinerOptions | None = None  # of the first pass
    hires: HiresOptions | None = None
    faces: FaceOptions | None = None  # None = they stay as they are drawn
    calls: tuple[EngineCall, ...] = ()

    @property
    def batch_size(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True, kw_only=True)
class PostprocessStep:
    """One step of the postprocessing line. target: "module:function", which the engine calls with the options."""

    name: str
    target: str
    options: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class ExtrasJob:
    """One picture through all steps."""

    image: Image.Image
    steps: tuple[PostprocessStep, ...]


@dataclass(frozen=True, kw_only=True)
class LoadJob:
    """Have this checkpoint in memory, before a picture needs it; None: have none, and give the memory back."""

    model: ModelOptions | None


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A model file that a job makes. part: what it is called beside its place until it is whole."""

    kind: Literal["checkpoint", "lora"]  # it lies in the kind's folder
    name: str
    part: str
    replace: bool = False  # a file of this name that is there already


@dataclass(frozen=True, kw_only=True)
class MergeJob:
    """Checkpoints → a checkpoint."""

    output: NewFile
    method: str  # a label of model_tools.METHODS
    models: tuple[FileRef, ...]  # A, B, C: as many as the method takes
    multiplier: float
    half: bool
    vae: FileRef | None  # that the new file gets; None = A's
    discard: str  # regular expression: tensors of such names are left out
    metadata: Mapping[str, str]
    recipe: Mapping[str, object] | None  # what the file says of its making; None = nothing
    models_said: Mapping[str, object]  # what it says of the models, by their sha256


@dataclass(frozen=True, kw_only=True)
class RankOptions:
    """most: the rank, or with a rule of networks.decompose.RULES the highest one."""

    most: int
    rule: str = ""
    value: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BakeJob:
    """Loras at their weights → one; a single one with a rank: a smaller one. rank None: exact."""

    output: NewFile
    networks: tuple[NetworkRef, ...]
    rank: RankOptions | None
    conv_rank: RankOptions | None  # of kernels wider than 1; None: as the others
    precision: str  # fp16, bf16, fp32


@dataclass(frozen=True, kw_only=True)
class BakeIntoJob:
    """Loras at their weights → a checkpoint that has them in it."""

    output: NewFile
    checkpoint: FileRef
    networks: tuple[NetworkRef, ...]
    half: bool


@dataclass(frozen=True, kw_only=True)
class ExtractJob:
    """Two checkpoints → a Lora that makes the one of the other."""

    output: NewFile
    tuned: FileRef
    base: FileRef
    rank: int
    conv_rank: int  # 0: convolutions are left out
    text: bool  # text encoders, too
    precision: str


@dataclass(frozen=True, kw_only=True)
class BlockMapJob:
    """How much a Lora changes in each block."""

    network: FileRef


ToolJob = MergeJob | BakeJob | BakeIntoJob | ExtractJob | BlockMapJob
Job = GenerateJob | ExtrasJob | LoadJob | ToolJob


@dataclass(frozen=True, kw_only=True)
class GeneratedImage:
    """One picture of a job, and what only the run knows."""

    image: Image.Image
    index: int  # place in the batch
    unrestored: Image.Image | None = None  # before faces were restored, where they were
    uncorrected: Image.Image | None = None  # before the colour correction, where there was one
    mask: Image.Image | None = None  # RGB, of inpainting: what was drawn anew
    masked: Image.Image | None = None  # RGBA, of inpainting: what was drawn anew alone
    extra: Mapping[str, str] = field(default_factory=dict)  # infotext fields, e.g. {"TI hashes": "ti-pt: 42e62a5b3945"}
    comments: tuple[str, ...] = ()  # shown to the person: "LoRA ink: 264 of 264 layers"
    unused: tuple[str, ...] = ()  # labels of the networks that had no effect
    complete: bool = True  # False: interrupted or skipped on the way
