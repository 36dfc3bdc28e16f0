"""Where a model lies and in which precision it runs: every decision about devices and dtypes is made here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from backend.errors import WebUIError
from backend.flags import Flags

UNET_DTYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Placement:
    """offload: "none", "medium" (one part of the model on the device at a time) or "low" (one block of the U-Net)."""

    device: torch.device
    unet_dtype: torch.dtype = torch.float32
    text_dtype: torch.dtype = torch.float32
    vae_dtype: torch.dtype = torch.float32
    channels_last: bool = False  # convolution weights and pictures of the U-Net
    offload: str = "none"
    faces_on_cpu: bool = False  # --use-cpu gfpgan or codeformer
    fixed: bool = False  # a flag decided the precision: the setting does not
    reason: str = ""  # why this precision, for the log

    @classmethod
    def choose(cls, flags: Flags) -> "Placement":
        """Flags are A1111's: --no-half, --no-half-vae, --precision, --use-cpu, --medvram, --lowvram, --device-id."""
        device = _device(flags)
        full = flags.no_half or flags.precision == "full"
        faces_on_cpu = bool({"gfpgan", "codeformer"} & set(flags.use_cpu))
        offload = "none" if device.type == "cpu" else "low" if flags.lowvram else "medium" if flags.medvram else "none"
        if full:
            return cls(device=device, offload=offload, faces_on_cpu=faces_on_cpu, fixed=True, reason="--no-half or --precision full")
        if device.type == "cpu":
            return cls(device=device).with_unet_dtype("Automatic")
        half = torch.float16
        vae = torch.float32 if flags.no_half_vae or device.type == "mps" else half  # MPS: the VAE gives NaN in half precision
        return cls(
            device=device,
            unet_dtype=half,
            text_dtype=half,
            vae_dtype=vae,
            offload=offload,
            faces_on_cpu=faces_on_cpu,
            reason="half precision on an accelerator",
        )

    @property
    def faces(self) -> torch.device:
        """Where faces are found and restored, in float32."""
        return torch.device("cpu") if self.faces_on_cpu else self.device

    def with_unet_dtype(self, name: str) -> "Placement":
        """The setting "U-Net precision on the CPU": Automatic, float32, bfloat16 or float16."""
        if self.fixed or self.device.type != "cpu":
            return self
        if name == "Automatic":
            native = bfloat16_is_native()
            dtype = torch.bfloat16 if native else torch.float32
            reason = "the processor computes bfloat16 natively" if native else "the processor has no native bfloat16"
        elif name in UNET_DTYPES:
            dtype, reason = UNET_DTYPES[name], "as set"
        else:
            raise WebUIError(f"Unknown U-Net precision {name!r}. Known: Automatic, {', '.join(UNET_DTYPES)}.")
        return replace(self, unet_dtype=dtype, channels_last=dtype != torch.float32, reason=reason)

    def describe(self) -> str:
        """One line for the log."""
        parts = (("U-Net", self.unet_dtype), ("text encoder", self.text_dtype), ("VAE", self.vae_dtype))
        words = ", ".join(f"{part} in {str(dtype).removeprefix('torch.')}" for part, dtype in parts)
        layout = ", channels last" if self.channels_last else ""
        return f"{self.device}: {words}{layout} ({self.reason})" if self.reason else f"{self.device}: {words}{layout}"


def bfloat16_is_native() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AVX512-BF16, AMX, ARM's BF16)."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def _device(flags: Flags) -> torch.device:
    if {"all", "sd"} & set(flags.use_cpu):
        return torch.device("cpu")
    if torch.cuda.is_available():
        return _cuda(flags.device_id)
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _cuda(device_id: str | None) -> torch.device:
    if device_id is None:
        return torch.device("cuda")
    count = torch.cuda.device_count()
    if not str(device_id).isdecimal() or int(device_id) >= count:
        raise WebUIError(f"--device-id {device_id}: there is no such GPU. Known: {', '.join(map(str, range(count)))}.")
    return torch.device("cuda", int(device_id))
