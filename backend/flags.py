"""The command line → frozen Flags, with A1111's flag names."""

import argparse
import types
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_args, get_origin, get_type_hints

NOT_YET = "not yet"  # does something in A1111 and nothing here: named in the log
MOOT = "moot"  # nothing to do here, or not even in A1111


def _flag(default: Any, text: str, state: str = "", **argument: Any) -> Any:
    """One flag; `argument` goes to argparse."""
    return field(default=default, metadata={"text": text, "state": state, "argument": argument})


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True, kw_only=True)
class Flags:
    """In A1111's order. What is not given is False, None or an empty tuple, except where a default is written."""

    f: bool = _flag(False, argparse.SUPPRESS, MOOT)
    update_all_extensions: bool = _flag(False, "update every extension that was cloned by git, when starting")
    skip_python_version_check: bool = _flag(False, "webui.sh: do not check the Python version", MOOT)
    skip_torch_cuda_test: bool = _flag(False, "webui.sh: do not check that CUDA works", MOOT)
    reinstall_xformers: bool = _flag(False, "xformers is not used", MOOT)
    reinstall_torch: bool = _flag(False, "webui.sh: install torch again", MOOT)
    update_check: bool = _flag(False, "check for updates at startup", NOT_YET)
    test_server: bool = _flag(False, "configure the server for testing", NOT_YET)
    log_startup: bool = _flag(False, "print a detailed log of what happens at startup", NOT_YET)
    skip_prepare_environment: bool = _flag(False, "webui.sh: skip all preparation", MOOT)
    skip_install: bool = _flag(False, "webui.sh: skip the installation of packages; no install.py of an extension is run either")
    dump_sysinfo: bool = _flag(False, "write information about this system to a file and quit", NOT_YET)
    loglevel: str | None = _flag(None, "log level", choices=("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"), type=str.upper)
    do_not_download_clip: bool = _flag(False, "nothing is ever downloaded", MOOT)
    data_dir: str | None = _flag(None, "folder of models, outputs, embeddings and settings")
    models_dir: str | None = _flag(None, "folder of the models; overrides --data-dir")
    config: str | None = _flag(None, "the model's layout is read off its file", MOOT)
    ckpt: str | None = _flag(None, "checkpoint to add to the list and to start with")
    ckpt_dir: str | None = _flag(None, "folder of the checkpoints")
    vae_dir: str | None = _flag(None, "folder of the VAEs")
    gfpgan_dir: str | None = _flag(None, "folder of GFPGAN models")
    gfpgan_model: str | None = _flag(None, "GFPGAN model file")
    no_half: bool = _flag(False, "keep the model in 32-bit floats")
    no_half_vae: bool = _flag(False, "keep the VAE in 32-bit floats")
    no_progressbar_hiding: bool = _flag(False, "the progress bar is always shown", MOOT)
    max_batch_count: int = _flag(16, "does nothing", MOOT)
    embeddings_dir: str | None = _flag(None, "folder of the textual inversions (default: embeddings)")
    textual_inversion_templates_dir: str | None = _flag(None, "folder of templates for training", NOT_YET)
    hypernetwork_dir: str | None = _flag(None, "folder of the hypernetworks", NOT_YET)
    localizations_dir: str | None = _flag(None, "folder of the translations (default: localizations)")
    allow_code: bool = _flag(False, "allow the script that runs custom code", NOT_YET)
    medvram: bool = _flag(False, "one part of the model on the GPU at a time: a little slower, less memory")
    medvram_sdxl: bool = _flag(False, "--medvram for SDXL models only", NOT_YET)
    lowvram: bool = _flag(False, "one block of the model on the GPU at a time: much slower, little memory")
    lowram: bool = _flag(False, "weights are memory-mapped and take no RAM of their own", MOOT)
    always_batch_cond_uncond: bool = _flag(False, "does nothing", MOOT)
    unload_gfpgan: bool = _flag(False, "does nothing", MOOT)
    precision: str = _flag("autocast", "evaluate at this precision", choices=("full", "half", "autocast"))
    upcast_sampling: bool = _flag(False, "sampling is always computed in 32-bit floats", MOOT)
    share: bool = _flag(False, "make the page reachable through Gradio's site", NOT_YET)
    ngrok: str | None = _flag(None, "ngrok authtoken", NOT_YET)
    ngrok_region: str = _flag("", "does nothing", MOOT)
    ngrok_options: str | None = _flag(None, "options for ngrok, as JSON", NOT_YET)
    enable_insecure_extension_access: bool = _flag(False, "let everyone who reaches the page install extensions, which are programs")
    enable_insecure_access: bool = _flag(False, "with --listen and no password: let everyone change settings, upload and delete")
    codeformer_models_path: str | None = _flag(None, "folder of CodeFormer models")
    gfpgan_models_path: str | None = _flag(None, "folder of GFPGAN models")
    esrgan_models_path: str | None = _flag(None, "folder of ESRGAN models")
    bsrgan_models_path: str | None = _flag(None, "folder of BSRGAN models")
    realesrgan_models_path: str | None = _flag(None, "folder of RealESRGAN models")
    dat_models_path: str | None = _flag(None, "folder of DAT models")
    clip_models_path: str | None = _flag(None, "folder of CLIP models", NOT_YET)
    xformers: bool = _flag(False, "torch's own attention is used", MOOT)
    force_enable_xformers: bool = _flag(False, "torch's own attention is used", MOOT)
    xformers_flash_attention: bool = _flag(False, "torch's own attention is used", MOOT)
    deepdanbooru: bool = _flag(False, "does nothing", MOOT)
    opt_split_attention: bool = _flag(False, "torch's own attention is used", MOOT)
    opt_sub_quad_attention: bool = _flag(False, "torch's own attention is used", MOOT)
    sub_quad_q_chunk_size: int = _flag(1024, "torch's own attention is used", MOOT)
    sub_quad_kv_chunk_size: int | None = _flag(None, "torch's own attention is used", MOOT)
    sub_quad_chunk_threshold: int | None = _flag(None, "torch's own attention is used", MOOT)
    opt_split_attention_invokeai: bool = _flag(False, "torch's own attention is used", MOOT)
    opt_split_attention_v1: bool = _flag(False, "torch's own attention is used", MOOT)
    opt_sdp_attention: bool = _flag(False, "torch's own attention is used anyway", MOOT)
    opt_sdp_no_mem_attention: bool = _flag(False, "torch's own attention is used", MOOT)
    disable_opt_split_attention: bool = _flag(False, "torch's own attention is used", MOOT)
    disable_nan_check: bool = _flag(False, "there is no such check to disable", MOOT)
    use_cpu: tuple[str, ...] = _flag((), "compute on the CPU: all, sd, or gfpgan (faces)", nargs="+", type=str.lower)
    use_ipex: bool = _flag(False, "use an Intel GPU", NOT_YET)
    disable_model_loading_ram_optimization: bool = _flag(False, "weights are memory-mapped", MOOT)
    listen: bool = _flag(False, "answer other machines: listen on 0.0.0.0")
    port: int | None = _flag(None, "port to listen on (default: 7860)")
    show_negative_prompt: bool = _flag(False, "does nothing", MOOT)
    ui_config_file: str | None = _flag(None, "file with the defaults of the page's controls (default: ui-config.json)")
    hide_ui_dir_config: bool = _flag(False, "a request may not name folders of pictures")
    freeze_settings: bool = _flag(False, "disable editing of all settings")
    freeze_settings_in_sections: str | None = _flag(None, "disable editing of the settings in these sections, separated by commas")
    freeze_specific_settings: str | None = _flag(None, "disable editing of these settings, separated by commas")
    ui_settings_file: str | None = _flag(None, "file with the settings (default: config.json)")
    gradio_debug: bool = _flag(False, "start Gradio with its debug option", NOT_YET)
    gradio_auth: str | None = _flag(None, "names and passwords for the page: u1:p1,u2:p2")
    gradio_auth_path: str | None = _flag(None, "file with names and passwords for the page")
    gradio_img2img_tool: str | None = _flag(None, "does nothing", MOOT)
    gradio_inpaint_tool: str | None = _flag(None, "does nothing", MOOT)
    gradio_allowed_path: tuple[str, ...] = _flag((), "folder whose pictures a request may name, beside the data folder", action="append")
    opt_channelslast: bool = _flag(False, "channels-last is used where it is faster", MOOT)
    styles_file: tuple[str, ...] = _flag((), "file with styles, or a wildcard path of several", action="append")
    autolaunch: bool = _flag(False, "open the page in the browser")
    theme: str | None = _flag(None, "light or dark: how the page looks, unless a visitor chose otherwise")
    use_textbox_seed: bool = _flag(False, "seeds are text boxes anyway", MOOT)
    disable_console_progressbars: bool = _flag(False, "there are no progress bars in the console", MOOT)
    enable_console_prompts: bool = _flag(False, "does nothing", MOOT)
    vae_path: str | None = _flag(None, "VAE for every picture; overrides the settings")
    disable_safe_unpickle: bool = _flag(False, "pickles with code in them are never loaded", NOT_YET)
    api: bool = _flag(False, "serve the API beside the page")
    api_auth: str | None = _flag(None, "names and passwords for the API: u1:p1,u2:p2")
    api_log: bool = _flag(False, "log every request to the API")
    nowebui: bool = _flag(False, "serve the API and no page")
    ui_debug_mode: bool = _flag(False, "the page is there before any model is loaded", MOOT)
    device_id: str | None = _flag(None, "number of the CUDA device to use")
    administrator: bool = _flag(False, "nothing here minds administrators", MOOT)
    cors_allow_origins: tuple[str, ...] = _flag((), "origins that may use the API: one or several, separated by commas", type=_split)
    cors_allow_origins_regex: str | None = _flag(None, "origins that may use the API, as a regular expression")
    tls_keyfile: str | None = _flag(None, "key for HTTPS; needs --tls-certfile")
    tls_certfile: str | None = _flag(None, "certificate for HTTPS; needs --tls-keyfile")
    disable_tls_verify: bool = _flag(False, "self-signed certificates are not checked anyway", MOOT)
    server_name: str | None = _flag(None, "host name or address to listen on")
    gradio_queue: bool = _flag(True, "does nothing", MOOT)
    no_gradio_queue: bool = _flag(False, "the queue is the server's own", MOOT)
    skip_version_check: bool = _flag(False, "there is no such check", MOOT)
    no_hashing: bool = _flag(False, "do not compute sha256 hashes of models")
    no_download_sd_model: bool = _flag(False, "nothing is ever downloaded", MOOT)
    subpath: str | None = _flag(None, "path of the page behind a reverse proxy")
    add_stop_route: bool = _flag(False, "does nothing", MOOT)
    api_server_stop: bool = _flag(False, "let the API stop the server")
    timeout_keep_alive: int = _flag(30, "seconds that an idle connection is kept open")
    disable_all_extensions: bool = _flag(False, "run no extension")
    disable_extra_extensions: bool = _flag(False, "run only the extensions that came with the program")
    skip_load_model_at_start: bool = _flag(False, "load the checkpoint when the first picture needs it")
    unix_filenames_sanitization: bool = _flag(False, "allow any character but / in file names")
    filenames_max_length: int = _flag(128, "length of the longest file name")
    no_prompt_history: bool = _flag(False, "write no params.txt, the parameters of the last picture")
    ldsr_models_path: str | None = _flag(None, "folder of LDSR models", NOT_YET)
    lora_dir: str | None = _flag(None, "folder of the Loras")
    lyco_dir_backcompat: str | None = _flag(None, "another folder of Loras, as the LyCORIS extension had it", names=("--lyco-dir-backcompat", "--lyco-dir"))
    scunet_models_path: str | None = _flag(None, "folder of ScuNET models")
    swinir_models_path: str | None = _flag(None, "folder of SwinIR models")


def parse_flags(argv: Sequence[str]) -> Flags:
    """Ends the program with a usage message where argv makes no sense, and after --help."""
    parser = argparse.ArgumentParser(prog="webui.sh", description="Stable Diffusion in the browser.")
    types_of = get_type_hints(Flags)
    for flag in fields(Flags):
        _add(parser, flag.name, types_of[flag.name], flag.metadata)
    values: dict[str, Any] = vars(parser.parse_args(list(argv)))  # only those that are given
    frozen: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Flags(**frozen)


def unhonoured(flags: Flags) -> tuple[str, ...]:
    """Those that were given and do nothing here yet: ("--share", …). For one sentence in the log."""
    given = (flag for flag in fields(flags) if getattr(flags, flag.name) != flag.default)
    return tuple(_option(flag.name) for flag in given if flag.metadata["state"] == NOT_YET)


def _add(parser: argparse.ArgumentParser, name: str, kind: Any, metadata: Any) -> None:
    argument = dict(metadata["argument"])
    names = argument.pop("names", (_option(name),))
    if kind is bool:
        argument.setdefault("action", "store_true")
    elif get_origin(kind) is types.UnionType:
        argument.setdefault("type", get_args(kind)[0])
    elif kind in (int, str):
        argument.setdefault("type", kind)
    shown = metadata["text"] if metadata["state"] != NOT_YET else f"{metadata['text']} (not supported yet)"
    parser.add_argument(*names, dest=name, default=argparse.SUPPRESS, help=shown, **argument)


def _option(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
