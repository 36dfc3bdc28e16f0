"""Two single-threaded processes that average their gradients through shared memory.

On a busy machine with two cores this wastes far less than one process with two OpenMP threads.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import BrokenBarrierError
from typing import Protocol

import torch
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn

WORKERS = 2


class Barrier(Protocol):
    def wait(self) -> object: ...


@dataclass(frozen=True)
class Team:
    """One worker's view of both; rank 0 prints and saves."""

    rank: int
    buffers: Sequence[Tensor]  # one per worker, as long as all parameters and one number more
    barrier: Barrier

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """In place."""
        parameters, mine, at = list(parameters), self.buffers[self.rank], 0
        for parameter in parameters:
            size = parameter.numel()
            if parameter.grad is None:
                mine[at : at + size].zero_()
            else:
                mine[at : at + size].copy_(parameter.grad.contiguous().reshape(-1))
            at += size
        self.barrier.wait()
        at = 0
        for parameter in parameters:
            size = parameter.numel()
            mean = sum(buffer[at : at + size] for buffer in self.buffers) / WORKERS
            if parameter.grad is None:
                parameter.grad = mean.view(parameter.shape)
            else:
                parameter.grad.copy_(mean.view(parameter.shape))
            at += size
        self.barrier.wait()

    def agree(self, number: float) -> float:
        """Rank 0's number: both stop at the same step."""
        if self.rank == 0:
            self.buffers[0][-1] = number
        self.barrier.wait()
        agreed = float(self.buffers[0][-1])
        self.barrier.wait()
        return agreed


def launch(work: Callable[..., None], parameters: int, *args: object) -> None:
    """work(team, *args) in both processes; returns when both are done."""
    context = multiprocessing.get_context("spawn")
    buffers = [torch.zeros(parameters + 1).share_memory_() for _ in range(WORKERS)]
    barrier = context.Barrier(WORKERS)
    processes = [context.Process(target=_run, args=(work, Team(rank, buffers, barrier), args)) for rank in range(WORKERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("A worker failed (see above).")


def _run(work: Callable[..., None], team: Team, args: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    try:
        work(team, *args)
    except BrokenBarrierError:
        raise SystemExit(1) from None
    except BaseException:
        team.barrier.abort()  # pyright: ignore[reportAttributeAccessIssue]
        raise


class Average:
    """Exponential moving average of parameters, quick at the start."""

    def __init__(self, parameters: Sequence[nn.Parameter], longest: float, delay: int) -> None:
        self._parameters, self._longest, self._delay = parameters, longest, delay
        self._means = [parameter.detach().clone() for parameter in parameters]

    def update(self, step: int) -> None:
        decay = min(self._longest, (step + 1) / (step + self._delay))
        torch._foreach_lerp_(self._means, [parameter.detach() for parameter in self._parameters], 1 - decay)

    @torch.no_grad()
    def show(self, look: Callable[[], None]) -> None:
        """Calls look() with the parameters at their averages."""
        own = [parameter.detach().clone() for parameter in self._parameters]
        for parameter, mean in zip(self._parameters, self._means, strict=True):
            parameter.copy_(mean)
        look()
        for parameter, value in zip(self._parameters, own, strict=True):
            parameter.copy_(value)
