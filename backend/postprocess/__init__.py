"""Pixels → pixels: upscalers, and the steps of the Extras tab."""
