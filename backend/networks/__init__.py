"""LoRA and its family on top of a loaded model."""
