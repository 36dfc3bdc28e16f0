"""How much of a LoRA took effect, in words for the person."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backend.errors import ERROR

NAMED = 3  # layers that a line of the log names


def shortened(layers: Sequence[str]) -> str:
    """ "a, b, c and 189 more"."""
    more = len(layers) - NAMED
    return ", ".join(layers[:NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, kw_only=True)
class NetworkReport:
    label: str  # the name as the person wrote it
    applied: int = 0
    total: int = 0  # modules that the file has something for
    unmatched: tuple[str, ...] = ()  # those that had no effect, by the file's own names
    errors: tuple[str, ...] = ()  # why, a sentence each
    words: tuple[str, ...] = ()  # textual inversions that came with it

    @property
    def in_vain(self) -> bool:
        return not self.applied and not self.words

    def describe(self) -> str:
        """ "LoRA ink: 264 of 264 layers", and what went wrong; an error where it has no effect at all."""
        if not self.total:
            counts = f"LoRA {self.label} brings words: {', '.join(self.words)}" if self.words else f"{ERROR}LoRA {self.label} was left out."
        elif not self.applied:
            counts = f"{ERROR}LoRA {self.label} has no effect: none of its {self.total} layers could be applied."
        else:
            counts = f"LoRA {self.label}: {self.applied} of {self.total} layers{'.' if self.errors else ''}"
        return " ".join((counts, *self.errors))


@dataclass(kw_only=True)
class Tally:
    """A report in the making: modules of one network, by what became of them."""

    label: str
    failure: str = ""  # why the whole file cannot be used
    applied: list[str] = field(default_factory=list)
    not_there: list[str] = field(default_factory=list)  # the model has no such module
    misshapen: list[str] = field(default_factory=list)  # it has, but of another size
    unknown: list[str] = field(default_factory=list)  # of a kind that is not known here
    damaged: list[str] = field(default_factory=list)  # NaN or infinity
    words: list[str] = field(default_factory=list)  # textual inversions
    unnamed: Counter[str] = field(default_factory=Counter)  # of the applied ones, by block, those that the block weights don't name

    def report(self) -> NetworkReport:
        unmatched = (*self.not_there, *self.misshapen, *self.unknown, *self.damaged)
        total = len(self.applied) + len(unmatched)
        errors, words = tuple(self._errors(empty=not total)), tuple(self.words)
        return NetworkReport(label=self.label, applied=len(self.applied), total=total, unmatched=unmatched, errors=errors, words=words)

    def _errors(self, *, empty: bool) -> Iterator[str]:
        if self.failure:
            yield self.failure
        elif empty and not self.words:
            yield "There are no layers in the file."
        if self.not_there:
            yield f"{_layers(self.not_there)} not in this checkpoint."
        if self.misshapen:
            yield f"{_layers(self.misshapen)} of another size than this checkpoint's: the file was made for another kind of model."
        if self.unknown:
            yield f"{_layers(self.unknown)} of a kind that is not supported."
        if self.damaged:
            yield f"{_layers(self.damaged)} damaged (NaN): get the file again."
        if self.unnamed:
            places = ", ".join(self.unnamed)
            yield f"{_layers(self.unnamed.total())} in blocks that the block weights leave out ({places}): 26 numbers, or 20 for SDXL, name all."


def _layers(modules: list[str] | int) -> str:
    count = modules if isinstance(modules, int) else len(modules)
    return f"{count} layer{'s are' if count > 1 else ' is'}"
