"""SETTINGS: the built-in settings, one line each, by section, with A1111's keys, labels and defaults.

KNOWN_ELSEWHERE holds the rest of A1111's keys with their defaults: they are accepted, kept and given back, so that its clients work, but nothing
here honours them yet. A key moves up into SETTINGS when something does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Its type is that of its default; a float may be given as an int."""

    key: str
    default: bool | int | float | str | tuple[str, ...]
    label: str
    section: str = ""
    info: str = ""
    infotext: str | None = None  # the label that carries it in an infotext
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    soft: bool = False  # maximum is where the slider ends, and no limit

    @property
    def kind(self) -> type:
        return type(self.default)

    @property
    def is_color(self) -> bool:
        return isinstance(self.default, str) and self.default.startswith("#")

    def allows(self, value: object) -> bool:
        """Whether a value of the right type is one of the choices, or within the limits."""
        if self.choices:
            return value in self.choices
        if self.is_color:
            return bool(re.fullmatch(r"#[0-9a-fA-F]{6}", str(value)))
        if not isinstance(value, int | float):
            return True
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or self.soft or value <= self.maximum)


def _s(key: str, default: bool | int | float | str | tuple[str, ...], label: str, **more: object) -> Setting:
    return Setting(key=key, default=default, label=label, **more)  # type: ignore[arg-type]


_FORMATS = ("png", "jpg", "jpeg", "webp", "avif")

# fmt: off
_SECTIONS: Mapping[str, tuple[Setting, ...]] = {
    "Saving images/grids": (
        _s("samples_save", True, "Always save all generated images"),
        _s("samples_format", "png", "File format for images", choices=_FORMATS),
        _s("samples_filename_pattern", "", "Images filename pattern"),
        _s("save_images_add_number", True, "Add number to filename when saving", info="A file that is there already is never replaced."),
        _s("grid_save", True, "Always save all generated image grids"),
        _s("grid_format", "png", "File format for grids", choices=_FORMATS),
        _s("grid_extended_filename", False, "Add extended info (seed, prompt) to filename when saving grid"),
        _s("grid_only_if_multiple", True, "Do not save grids consisting of one picture"),
        _s("grid_prevent_empty_spots", False, "Prevent empty spots in grid (when set to autodetect)"),
        _s("n_rows", -1, "Grid row count; use -1 for autodetect and 0 for it to be same as batch size", minimum=-1, maximum=16, step=1, soft=True),
        _s("grid_text_active_color", "#000000", "Text color for image grids"),
        _s("grid_text_inactive_color", "#999999", "Inactive text color for image grids"),
        _s("grid_background_color", "#ffffff", "Background color for image grids"),
        _s("img_max_size_mp", 200, "Maximum image size", minimum=1, info="in megapixels; of the grids of X/Y/Z plot"),
        _s("jpeg_quality", 80, "Quality for saved jpeg and avif images", minimum=1, maximum=100, step=1),
        _s("webp_lossless", False, "Use lossless compression for webp images"),
        _s("export_for_4chan", True, "Save copy of large images as JPG", info="of pictures above one of the two limits below"),
        _s("img_downscale_threshold", 4.0, "File size limit for the above option, MB", minimum=0),
        _s("target_side_length", 4000, "Width/height limit for the above option, in pixels", minimum=1),
        _s("use_original_name_batch", True, "Use original name for output filename during batch process in extras tab"),
        _s("save_images_before_color_correction", False, "Save a copy of image before applying color correction to img2img results"),
        _s("save_mask", False, "For inpainting, save a copy of the greyscale mask"),
        _s("save_mask_composite", False, "For inpainting, save a masked composite"),
        _s("save_init_img", False, "Save init images when using img2img"),
        _s("save_images_before_face_restoration", False, "Save a copy of image before doing face restoration."),
        _s("save_images_before_highres_fix", False, "Save a copy of image before applying highres fix."),
        _s("save_write_log_csv", True, "Write log.csv when saving images using 'Save' button"),
        _s("save_incomplete_images", False, "Save incomplete images", info="those that were interrupted or skipped"),
    ),
    "Paths for saving": (
        _s("outdir_samples", "", "Output directory for images; if empty, defaults to three directories below"),
        _s("outdir_txt2img_samples", "outputs/txt2img-images", "Output directory for txt2img images"),
        _s("outdir_extras_samples", "outputs/extras-images", "Output directory for images from extras tab"),
        _s("outdir_img2img_samples", "outputs/img2img-images", "Output directory for img2img images"),
        _s("outdir_grids", "", "Output directory for grids; if empty, defaults to two directories below"),
        _s("outdir_txt2img_grids", "outputs/txt2img-grids", "Output directory for txt2img grids"),
        _s("outdir_img2img_grids", "outputs/img2img-grids", "Output directory for img2img grids"),
        _s("outdir_save", "log/images", "Directory for saving images using the Save button"),
        _s("outdir_init_images", "outputs/init-images", "Directory for saving init images when using img2img"),
    ),
    "Saving to a directory": (
        _s("save_to_dirs", True, "Save images to a subdirectory"),
        _s("grid_save_to_dirs", True, "Save grids to a subdirectory"),
        _s("directories_filename_pattern", "[date]", "Directory name pattern"),
        _s("directories_max_prompt_words", 8, "Max prompt words for [prompt_words] pattern", minimum=1, maximum=20, step=1, soft=True),
    ),
    "Stable Diffusion": (
        _s("sd_model_checkpoint", "", "Stable Diffusion checkpoint", infotext="Model hash"),
        _s("sd_checkpoints_limit", 1, "Maximum number of checkpoints loaded at the same time", minimum=1, maximum=10, step=1, soft=True),
        _s("enable_quantization", False, "Enable quantization in K samplers for sharper and cleaner results. This may change existing seeds"),
        _s("emphasis", "Original", "Emphasis mode", infotext="Emphasis", choices=("None", "Ignore", "Original", "No norm", "Compel"),
           info="what (more:1.1) and (less:0.9) in a prompt do; Compel has a syntax of its own"),
        _s("comma_padding_backtrack", 20, "Prompt word wrap length limit", minimum=0, maximum=74, step=1,
           info="in tokens; what follows the last comma moves as a whole into the next chunk of 75, if it is no longer than this"),
        _s("sdxl_clip_l_skip", False, "Clip skip SDXL"),
        _s("CLIP_stop_at_last_layers", 1, "Clip skip", infotext="Clip skip", minimum=1, maximum=12, step=1,
           info="1 uses all layers of the text encoder, 2 leaves out the last"),
        _s("upcast_attn", False, "Upcast cross attention layer to float32"),
        _s("randn_source", "GPU", "Random number generator source.", infotext="RNG", choices=("GPU", "CPU", "NV"),
           info="CPU and NV give the same picture on every machine; NV is what an NVIDIA card draws"),
        _s("tiling", False, "Tiling", infotext="Tiling", info="pictures whose edges meet"),
        _s("hires_fix_refiner_pass", "second pass", "Hires fix: which pass to enable refiner for", infotext="Hires refiner",
           choices=("first pass", "second pass", "both passes")),
        _s("enable_prompt_comments", True, "Enable comments", info="text from a # to the end of its line does not count"),
    ),
    "Stable Diffusion XL": (
        _s("sdxl_crop_top", 0, "crop top coordinate", minimum=0),
        _s("sdxl_crop_left", 0, "crop left coordinate", minimum=0),
        _s("sdxl_refiner_low_aesthetic_score", 2.5, "SDXL low aesthetic score", info="what a refiner model is told beside the negative prompt"),
        _s("sdxl_refiner_high_aesthetic_score", 6.0, "SDXL high aesthetic score", info="what a refiner model is told beside the prompt"),
    ),
    "VAE": (
        _s("sd_vae", "Automatic", "SD VAE", infotext="VAE",
           info="Automatic: the file that is named like the checkpoint, else the checkpoint's own; None: always the checkpoint's own"),
        _s("auto_vae_precision", True, "Automatically revert VAE to 32-bit floats",
           info="when the VAE fails in half precision"),
        _s("sd_vae_encode_method", "Full", "VAE type for encode", infotext="VAE Encoder", choices=("Full", "TAESD"),
           info="TAESD is quick and rough; its files go to models/VAE-taesd"),
        _s("sd_vae_decode_method", "Full", "VAE type for decode", infotext="VAE Decoder", choices=("Full", "TAESD")),
        _s("vae_tiling", False, "Decode in tiles", info="less memory for big pictures; A1111 has no such setting"),
    ),
    "img2img": (
        _s("inpainting_mask_weight", 1.0, "Inpainting conditioning mask strength", infotext="Conditional mask weight", minimum=0.0, maximum=1.0, step=0.01,
           info="for inpainting models: 1 hides what is under the mask from them, 0 shows it"),
        _s("initial_noise_multiplier", 1.0, "Noise multiplier for img2img", infotext="Noise multiplier", minimum=0.0, maximum=1.5, step=0.001, soft=True),
        _s("img2img_extra_noise", 0.0, "Extra noise multiplier for img2img and hires fix", infotext="Extra noise", minimum=0.0, maximum=1.0, step=0.01,
           soft=True, info="0 = off; to be below the denoising strength"),
        _s("img2img_color_correction", False, "Apply color correction to img2img results to match original colors."),
        _s("img2img_fix_steps", False, "With img2img, do exactly the amount of steps the slider specifies.", info="normally less denoising does fewer steps"),
        _s("img2img_background_color", "#ffffff", "With img2img, fill transparent parts of the input image with this color."),
        _s("return_mask", False, "For inpainting, include the greyscale mask in results for web"),
        _s("return_mask_composite", False, "For inpainting, include masked composite in results for web"),
        _s("overlay_inpaint", True, "Overlay original for inpaint", info="what the mask keeps comes from the original picture, not from the model"),
    ),
    "Optimizations": (
        _s("s_min_uncond", 0.0, "Negative Guidance minimum sigma", infotext="NGMS", minimum=0, maximum=15.0, step=0.01, soft=True,
           info="below this sigma every other step goes without the negative prompt: faster; 0 = off"),
        _s("s_min_uncond_all", False, "Negative Guidance minimum sigma all steps", infotext="NGMS all steps",
           info="every step instead of every other"),
        _s("token_merging_ratio", 0.0, "Token merging ratio", infotext="Token merging ratio", minimum=0, maximum=0.9, step=0.1,
           info="faster and less exact; 0 = off"),
        _s("token_merging_ratio_img2img", 0.0, "Token merging ratio for img2img", minimum=0, maximum=0.9, step=0.1, info="only applies if non-zero"),
        _s("token_merging_ratio_hr", 0.0, "Token merging ratio for high-res pass", infotext="Token merging ratio hr", minimum=0, maximum=0.9, step=0.1,
           info="0 = as in the first pass"),
        _s("pad_cond_uncond", False, "Pad prompt/negative prompt", infotext="Pad conds",
           info="faster where one of them is longer than the other; changes pictures"),
        _s("pad_cond_uncond_v0", False, "Pad prompt/negative prompt (v0)", infotext="Pad conds v0",
           info="another way to do the same, which goes before it; changes pictures"),
        _s("batch_cond_uncond", True, "Batch cond/uncond", info="faster, and takes more memory"),
        _s("unet_dtype_cpu", "Automatic", "U-Net precision on the CPU", choices=("Automatic", "float32", "bfloat16"),
           info="Automatic = bfloat16 where the processor computes it natively; A1111 has no such setting"),
    ),
    "Compatibility": (
        _s("use_old_emphasis_implementation", False, "Use old emphasis implementation. Can be useful to reproduce old seeds."),
        _s("use_old_karras_scheduler_sigmas", False, "Use old karras scheduler sigmas (0.1 to 10)."),
        _s("no_dpmpp_sde_batch_determinism", False, "Do not make DPM++ SDE deterministic across different batch sizes."),
        _s("use_old_scheduling", False, "Use old prompt editing timelines.", infotext="Old prompt editing timelines"),
        _s("refiner_switch_by_sample_steps", False, "Switch to refiner by sampling steps instead of model timesteps. Old behavior for refiner.",
           infotext="Refiner switch by sampling steps"),
        _s("use_old_hires_fix_width_height", False,
           "For hires fix, use width/height sliders to set final resolution rather than first pass (disables Upscale by, Resize width/height to)."),
        _s("hires_fix_use_firstpass_conds", False, "For hires fix, calculate conds of second pass using extra networks of first pass."),
        _s("use_downcasted_alpha_bar", False, "Downcast model alphas_cumprod to fp16 before sampling. For reproducing old seeds.",
           infotext="Downcast alphas_cumprod"),
    ),
    "Extra Networks": (
        _s("extra_networks_default_multiplier", 1.0, "Default multiplier for extra networks", minimum=0.0, maximum=2.0, step=0.01, soft=True),
        _s("extra_networks_add_text_separator", " ", "Extra networks separator", info="extra text to add before <...> when adding extra network to prompt"),
        _s("textual_inversion_add_hashes_to_infotext", True, "Add Textual Inversion hashes to infotext"),
        _s("sd_lora", "None", "Add network to prompt"),
        _s("card_previews_prompt", "", "Prompt of the previews that are made for cards", info="its activation text follows; A1111 has no such setting"),
        _s("card_previews_steps", 16, "Steps of such previews", minimum=1, maximum=150, step=1),
        _s("card_previews_size", 0, "Width and height of such previews", minimum=0, maximum=2048, step=64, info="0 = what the checkpoint was made for"),
        _s("upload_limit", 16.0, "Size limit of uploaded model files, GB", minimum=0, info="0 = none can be uploaded; A1111 has no such setting"),
        _s("lora_add_hashes_to_infotext", True, "Add Lora hashes to infotext"),
        _s("lora_block_presets", "", "Presets of block weights for lbw=, a line NAME:numbers each"),
    ),
    "Prompt editing": (
        _s("keyedit_precision_attention", 0.1, "Precision for (attention:1.1) when editing the prompt with Ctrl+up/down", minimum=0.01, maximum=0.2,
           step=0.001, soft=True),
        _s("keyedit_precision_extra", 0.05, "Precision for <extra networks:0.9> when editing the prompt with Ctrl+up/down", minimum=0.01, maximum=0.2,
           step=0.001, soft=True),
        _s("keyedit_delimiters", ".,\\/!?%^*;:{}=`~() ", "Word delimiters when editing the prompt with Ctrl+up/down"),
        _s("keyedit_delimiters_whitespace", ("Tab", "Carriage Return", "Line Feed"), "Ctrl+up/down whitespace delimiters",
           info="of Tab, Carriage Return, Line Feed"),
        _s("keyedit_move", True, "Alt+left/right moves prompt elements"),
        _s("prompt_autocomplete", True, "Suggest Loras, embeddings and activation words while typing a prompt", info="A1111 has no such setting"),
    ),
    "User interface": (
        _s("quicksettings_list", ("sd_model_checkpoint",), "Quicksettings list",
           info="keys of settings that are shown on top of the page; Reload UI shows them. The checkpoint is there always"),
        _s("ui_tab_order", (), "UI tab order", info="names of tabs that come first; holds from the next start on"),
        _s("hidden_tabs", (), "Hidden UI tabs", info="names of tabs; holds from the next start on. Settings cannot be hidden"),
        _s("localization", "None", "Localization", info="a file localizations/*.json; Reload UI shows it"),
    ),
    "UI alternatives": (
        _s("hires_fix_show_sampler", False, "Hires fix: show hires checkpoint and sampler selection"),
        _s("hires_fix_show_prompts", False, "Hires fix: show hires prompt and negative prompt"),
    ),
    "Notifications": (
        _s(
            "notification_audio",
            True,
            "Play notification sound after image generation",
            info="notification.mp3 in the data folder; without it a short one of the page's own, while one looks elsewhere",
        ),
        _s("notification_volume", 100, "Notification sound volume", minimum=0, maximum=100, step=1),
        _s("prevent_screen_sleep_during_generation", True, "Prevent screen sleep during generation"),
    ),
    "Gallery": (_s("return_grid", True, "Show grid in gallery"),),
    "Infotext": (
        _s("enable_pnginfo", True, "Write infotext to metadata of the generated image"),
        _s("save_txt", False, "Create a text file with infotext next to every generated image"),
        _s("add_model_name_to_info", True, "Add model name to infotext"),
        _s("add_model_hash_to_info", True, "Add model hash to infotext"),
        _s("add_vae_name_to_info", True, "Add VAE name to infotext"),
        _s("add_vae_hash_to_info", True, "Add VAE hash to infotext"),
        _s("add_version_to_infotext", True, "Add program version to infotext"),
        _s("disable_weights_auto_swap", True, "Disregard checkpoint information from pasted infotext", info="the checkpoint stays as it is"),
        _s("infotext_skip_pasting", (), "Disregard fields from pasted infotext"),
    ),
    "Extensions": (
        _s("a1111_scripts", False, "Run scripts and extensions made for A1111",
           info="as far as they can be carried; their code runs with all rights that this program has. After a restart"),
        _s("a1111_scripts_flags", "", "Command line flags for extensions made for A1111", info="those that their preload.py adds. After a restart"),
        _s("disabled_extensions", (), "Disable these extensions", info="the tab Extensions sets it. After a restart"),
        _s("disable_all_extensions", "none", "Disable all extensions", choices=("none", "extra", "all"),
           info="extra: all that did not come with the program. After a restart"),
    ),
    "Upscaling": (
        _s("upscaler_for_img2img", "None", "Upscaler for img2img", info="for pictures smaller than wanted; None = Lanczos"),
        _s("ESRGAN_tile", 192, "Tile size for ESRGAN upscalers.", minimum=0, maximum=512, step=16, soft=True,
           info="in pixels; 0 = no tiling; for all that have no setting of their own below"),
        _s("ESRGAN_tile_overlap", 8, "Tile overlap for ESRGAN upscalers.", minimum=0, maximum=48, step=1, soft=True, info="Low values = visible seam"),
        _s("SWIN_tile", 192, "Tile size for all SwinIR.", minimum=0, maximum=512, step=16, soft=True),
        _s("SWIN_tile_overlap", 8, "Tile overlap, in pixels for SwinIR. Low values = visible seam.", minimum=0, maximum=48, step=1, soft=True),
        _s("SCUNET_tile", 256, "Tile size for SCUNET upscalers.", minimum=0, maximum=512, step=16, soft=True),
        _s("SCUNET_tile_overlap", 8, "Tile overlap for SCUNET upscalers.", minimum=0, maximum=64, step=1, soft=True),
        _s("DAT_tile", 192, "Tile size for DAT upscalers.", minimum=0, maximum=512, step=16, soft=True),
        _s("DAT_tile_overlap", 8, "Tile overlap for DAT upscalers.", minimum=0, maximum=48, step=1, soft=True),
    ),
    "Face restoration": (
        _s("face_restoration", False, "Restore faces", info="of each picture that is drawn; needs files: see docs/extras.md"),
        _s("face_restoration_model", "CodeFormer", "Face restoration model", choices=("CodeFormer", "GFPGAN", "RestoreFormer")),
        _s("code_former_weight", 0.5, "CodeFormer weight", minimum=0, maximum=1, step=0.01, info="0 = maximum effect; 1 = minimum effect"),
        _s("face_restoration_unload", False, "Move face restoration model from VRAM into RAM after processing"),
    ),
    "Live previews": (
        _s("live_previews_enable", True, "Show live previews of the created image"),
        _s("live_previews_image_format", "png", "Live preview file format", choices=("jpeg", "png", "webp")),
        _s("show_progress_every_n_steps", 10, "Live preview display period", minimum=-1, maximum=32, step=1, soft=True,
           info="in steps; -1 = none"),
        _s("show_progress_type", "Approx NN", "Live preview method", choices=("Full", "Approx NN", "Approx cheap", "TAESD"),
           info="Full is slow and exact; Approx NN and TAESD need their files in models/VAE-approx, and are Approx cheap without"),
    ),
    "API": (
        _s("api_enable_requests", False, "Allow http:// and https:// URLs for input images in API",
           info="Off here, on in A1111. Addresses of this machine and its network are never asked."),
        _s("api_useragent", "", "User agent for requests"),
    ),
    "Sampler parameters": (
        _s("eta_ddim", 0.0, "Eta for DDIM", infotext="Eta DDIM", minimum=0, maximum=1.0, step=0.01, soft=True, info="amount of fresh noise in each step"),
        _s("eta_ancestral", 1.0, "Eta for k-diffusion samplers", infotext="Eta", minimum=0, maximum=1.0, step=0.01, soft=True,
           info="amount of fresh noise in each step of ancestral and SDE samplers"),
        _s("s_churn", 0.0, "sigma churn", infotext="Sigma churn", minimum=0, maximum=100.0, step=0.01, soft=True,
           info="noise added in each step of Euler, Heun and DPM2"),
        _s("s_tmin", 0.0, "sigma tmin", infotext="Sigma tmin", minimum=0, maximum=10.0, step=0.01, soft=True,
           info="no churn below this sigma"),
        _s("s_tmax", 0.0, "sigma tmax", infotext="Sigma tmax", minimum=0, maximum=999.0, step=0.01, soft=True,
           info="no churn above this sigma; 0 = no limit"),
        _s("s_noise", 1.0, "sigma noise", infotext="Sigma noise", minimum=0, maximum=1.1, step=0.001, soft=True,
           info="strength of the added noise"),
        _s("sigma_min", 0.0, "sigma min", infotext="Schedule min sigma", minimum=0, info="smallest noise level of the schedule; 0 = the model's"),
        _s("sigma_max", 0.0, "sigma max", infotext="Schedule max sigma", minimum=0, info="largest noise level of the schedule; 0 = the model's"),
        _s("rho", 0.0, "rho", infotext="Schedule rho", minimum=0,
           info="curve of Karras and Polyexponential; 0 = 7 and 1"),
        _s("eta_noise_seed_delta", 0, "Eta noise seed delta", infotext="ENSD", info="ENSD: added to the seed of the noise in each step"),
        _s("always_discard_next_to_last_sigma", False, "Always discard next-to-last sigma", infotext="Discard penultimate sigma"),
        _s("sgm_noise_multiplier", False, "SGM noise multiplier", infotext="SGM noise multiplier", info="the first noise as in Stability's own code"),
        _s("uni_pc_variant", "bh1", "UniPC variant", infotext="UniPC variant", choices=("bh1", "bh2", "vary_coeff")),
        _s("uni_pc_skip_type", "time_uniform", "UniPC skip type", infotext="UniPC skip type", choices=("time_uniform", "time_quadratic", "logSNR")),
        _s("uni_pc_order", 3, "UniPC order", infotext="UniPC order", minimum=1, maximum=50, step=1, info="less than the number of steps"),
        _s("uni_pc_lower_order_final", True, "UniPC lower order final", infotext="UniPC lower order final"),
        _s("sd_noise_schedule", "Default", "Noise schedule for sampling", infotext="Noise Schedule", choices=("Default", "Zero Terminal SNR"),
           info="for models that were trained so and do not say so"),
        _s("skip_early_cond", 0.0, "Ignore negative prompt during early sampling", infotext="Skip Early CFG", minimum=0, maximum=1.0, step=0.01,
           info="part of the steps, at the start, without guidance: 0 = none, 1 = all"),
        _s("beta_dist_alpha", 0.6, "Beta scheduler - alpha", infotext="Beta schedule alpha", minimum=0.01, maximum=1.0, step=0.01, soft=True),
        _s("beta_dist_beta", 0.6, "Beta scheduler - beta", infotext="Beta schedule beta", minimum=0.01, maximum=1.0, step=0.01, soft=True),
    ),
}
# fmt: on

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {setting.key: replace(setting, section=section) for section, settings in _SECTIONS.items() for setting in settings}
)

# fmt: off
KNOWN_ELSEWHERE: Mapping[str, object] = {
    "ddim_discretize": "uniform",  # A1111 draws the same with "quad"
    "save_images_replace_action": "Replace", "grid_zip_filename_pattern": "", "font": "",
    "use_upscaler_name_as_suffix": False, "save_selected_only": True, "temp_dir": "",
    "clean_temp_dir_at_start": False, "use_save_to_dirs_for_ui": False,
    "realesrgan_enabled_models": ("R-ESRGAN 4x+", "R-ESRGAN 4x+ Anime6B"), "dat_enabled_models": ("DAT x2", "DAT x3", "DAT x4"),
    "set_scale_by_when_changing_upscaler": False, "auto_launch_browser": "Local",
    "enable_console_prompts": False, "show_warnings": False, "show_gradio_deprecation_warnings": True, "memmon_poll_rate": 8, "samples_log_stdout": False,
    "multiple_tqdm": True, "enable_upscale_progressbar": True, "print_hypernet_extra": False, "list_hidden_files": True,
    "disable_mmap_load_safetensors": False, "hide_ldm_prints": True, "dump_stacks_on_signal": False, "profiling_explanation": "", "profiling_enable": False,
    "profiling_activities": ("CPU",), "profiling_record_shapes": True, "profiling_profile_memory": True, "profiling_with_stack": True,
    "profiling_filename": "trace.json", "api_forbid_local_requests": True,
    "unload_models_when_training": False, "pin_memory": False, "save_optimizer_state": False, "save_training_settings_to_txt": True,
    "dataset_filename_word_regex": "", "dataset_filename_join_string": " ", "training_image_repeats_per_epoch": 1, "training_write_csv_every": 500,
    "training_xattention_optimizations": False, "training_enable_tensorboard": False, "training_tensorboard_save_images": False,
    "training_tensorboard_flush_every": 120, "sd_checkpoints_keep_in_cpu": True, "sd_checkpoint_cache": 0, "sd_unet": "Automatic", "enable_batch_seeds": True,
    "sd3_enable_t5": False, "sd_vae_explanation": "", "sd_vae_checkpoint_cache": 0,
    "sd_vae_overrides_per_model_preferences": True, "auto_vae_precision_bfloat16": False, 
    "img2img_editor_height": 720, "img2img_sketch_default_brush_color": "#ffffff",
    "img2img_inpaint_mask_brush_color": "#ffffff", "img2img_inpaint_sketch_default_brush_color": "#ffffff",
    "img2img_batch_show_results_limit": 32, "cross_attention_optimization": "Automatic",
    "persistent_cond_cache": True, "fp8_storage": "Disable", "cache_fp16_weight": False,
    "auto_backcompat": True,
    "interrogate_keep_models_in_memory": False, "interrogate_return_ranks": False, "interrogate_clip_num_beams": 1, "interrogate_clip_min_length": 24,
    "interrogate_clip_max_length": 48, "interrogate_clip_dict_limit": 1500, "interrogate_clip_skip_categories": (),
    "interrogate_deepbooru_score_threshold": 0.5, "deepbooru_sort_alpha": True, "deepbooru_use_spaces": True, "deepbooru_escape": True,
    "deepbooru_filter_tags": "", "extra_networks_show_hidden_directories": True, "extra_networks_dir_button_function": False,
    "extra_networks_hidden_models": "When searched", "extra_networks_card_width": 0, "extra_networks_card_height": 0, "extra_networks_card_text_scale": 1.0,
    "extra_networks_card_show_desc": True, "extra_networks_card_description_is_html": False, "extra_networks_card_order_field": "Path",
    "extra_networks_card_order": "Ascending", "extra_networks_tree_view_style": "Dirs", "extra_networks_tree_view_default_enabled": True,
    "extra_networks_tree_view_default_width": 180, "ui_extra_networks_tab_reorder": "",
    "textual_inversion_print_at_load": False, "sd_hypernetwork": "None",
    "disable_token_counters": False, "include_styles_into_token_counters": True, "do_not_show_images": False, "js_modal_lightbox": True,
    "js_modal_lightbox_initially_zoomed": True, "js_modal_lightbox_gamepad": False, "js_modal_lightbox_gamepad_repeat": 250,
    "sd_webui_modal_lightbox_icon_opacity": 1, "sd_webui_modal_lightbox_toolbar_opacity": 0.9, "gallery_height": "", "open_dir_button_choice": "Subdirectory",
    "compact_prompt_box": False, "samplers_in_dropdown": True, "dimensions_and_batch_together": True, "sd_checkpoint_dropdown_use_short": False,
    "txt2img_settings_accordion": False, "img2img_settings_accordion": False,
    "interrupt_after_current": True, 
    "ui_reorder_list": (), "gradio_theme": "Default", "gradio_themes_cache": True, "show_progress_in_title": True, "send_seed": True, "send_size": True,
    "enable_reloading_ui_scripts": False, "infotext_explanation": "", "add_user_name_to_info": False, "infotext_styles": "Apply if any",
    "show_progressbar": True, "show_progress_grid": True, "live_preview_allow_lowvram_full": False, "live_preview_content": "Prompt",
    "live_preview_refresh_period": 1000, "live_preview_fast_interrupt": False,
    "js_live_preview_in_modal_lightbox": False, "hide_samplers": (),
    "postprocessing_enable_in_main_ui": (), "postprocessing_disable_in_extras": (), "postprocessing_operation_order": (), "upscaling_max_images_in_cache": 5,
    "postprocessing_existing_caption_action": "Ignore", "restore_config_state_file": "",
    "sd_checkpoint_hash": "", "lora_preferred_name": "Alias from file", "lora_bundled_ti_to_infotext": True, "lora_show_all": False,
    "lora_hide_unknown_for_versions": (), "lora_in_memory_limit": 0, "lora_not_found_warning_console": False, "lora_not_found_gradio_warning": False,
    "lora_functional": False, "canvas_hotkey_zoom": "Alt", "canvas_hotkey_adjust": "Ctrl", "canvas_hotkey_shrink_brush": "Q", "canvas_hotkey_grow_brush": "W",
    "canvas_hotkey_move": "F", "canvas_hotkey_fullscreen": "S", "canvas_hotkey_reset": "R", "canvas_hotkey_overlap": "O", "canvas_show_tooltip": True,
    "canvas_auto_expand": True, "canvas_blur_prompt": False, "canvas_disabled_functions": ("Overlap",), "settings_in_ui": "", "extra_options_txt2img": (),
    "extra_options_img2img": (), "extra_options_cols": 1, "extra_options_accordion": False,
}
# fmt: on

# What decides where files go, what is run and what is asked of other machines: nothing for visitors.
OWNERS: frozenset[str] = frozenset(
    {
        *(key for key, setting in SETTINGS.items() if setting.section in ("Paths for saving", "Saving to a directory", "Extensions")),
        "samples_filename_pattern",
        "api_enable_requests",
        "api_useragent",
    }
)
