"""What extensions add to the program's tables, gathered once at the start and handed down with the catalog."""

from dataclasses import dataclass

from backend.job import NamedUpscaler
from backend.sampling.names import BUILT_IN, SamplingNames


@dataclass(frozen=True, kw_only=True)
class Added:
    """Names are unique, among themselves and beside the program's own."""

    sampling: SamplingNames = BUILT_IN  # all, those of the program, too
    upscalers: tuple[NamedUpscaler, ...] = ()


NOTHING = Added()
