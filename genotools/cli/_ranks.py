"""Commands that torchrun starts several times over: each process works on its share, and the first one speaks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from genotools.training.allocator import keep_freed_memory
from genotools.training.device import choose_device
from genotools.training.ranks import Ranks, folder_of_rank, joined_ranks

__all__ = ["RankSetting", "rank_setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSetting:
    """What a rank works with: its device, folder and console, silent on all ranks but the first."""

    ranks: Ranks
    device: torch.device
    folder: Path
    console: Console

    def agreed(self, should_stop: Callable[[], bool]) -> Callable[[], bool]:
        """Return what asks all ranks whether to stop, so that they do so at the same step."""
        if self.ranks.world_size == 1:
            return should_stop
        return lambda: self.ranks.any(should_stop(), self.device)


@contextmanager
def rank_setting(device: str, folder: Path) -> Iterator[RankSetting]:
    """Join the other ranks, if torchrun started any, and yield what this one works with."""
    keep_freed_memory()
    with joined_ranks(device) as (ranks, own_device), folder_of_rank(ranks, folder) as own_folder:
        yield RankSetting(
            ranks=ranks,
            device=choose_device(own_device),
            folder=own_folder,
            console=Console(stderr=True, quiet=not ranks.is_first),
        )
