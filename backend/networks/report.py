"""How much of a LoRA took effect, in words for the person."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class NetworkReport:
    label: str  # the name as the person wrote it
    applied: int = 0
    total: int = 0  # modules that the file has something for
    unmatched: tuple[str, ...] = ()  # those that had no effect, by the file's own names
    errors: tuple[str, ...] = ()  # why, a sentence each
    words: tuple[str, ...] = ()  # textual inversions that came with it

    def describe(self) -> str:
        """ "LoRA ink: 264 of 264 layers", and what went wrong."""
        if not self.total:
            counts = f"LoRA {self.label} brings words: {', '.join(self.words)}" if self.words else f"LoRA {self.label} was left out."
        elif not self.applied:
            counts = f"LoRA {self.label} has no effect: none of its {self.total} layers could be applied."
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


def _layers(modules: list[str]) -> str:
    return f"{len(modules)} layer{'s are' if len(modules) > 1 else ' is'}"
