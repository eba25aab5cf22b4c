"""``genotools demo``: the main job from data to variant effects, on the embedded yeast genome."""

import time
from pathlib import Path
from typing import Annotated

import typer

from genotools.cli._options import Device, Seed

__all__ = ["demo"]


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for everything it makes.")] = Path(
        "demo"
    ),
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Run the main job on the embedded yeast genome: data, search, training, drawing, test, ONNX, variants.

    What an earlier call in the same folder has made is kept; the rest is made. No network is needed.
    """
    import torch
    from rich.console import Console

    from genotools.cli import _demo_steps as steps
    from genotools.files import make_folder

    # Batches of 16 are too small to share: an epoch takes 33 s on one thread and 50 s on two.
    torch.set_num_threads(1)

    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    make_folder(output)
    folder = steps.DemoFolder(output)
    for number, (title, run) in enumerate(steps.STEPS, start=1):
        console.print(f"\n[bold]{number}. {title}[/bold]")
        for line in run(folder, seed=seed, device=device):
            console.print(f"   {line}", markup=False)
    console.print(f"\n[bold]Done in {time.monotonic() - started:,.0f} s.[/bold] In {output}:")
    for name, what in folder.contents():
        console.print(f"   {name:<22} {what}", markup=False)
    console.print(
        "\nNext, with your own data: genotools data from-bed --help, then search, train, export, variants as above.",
        markup=False,
    )
