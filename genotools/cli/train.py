"""``genotools train`` and ``genotools evaluate``: weights for a genotype or a hand-designed network; their worth."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from genotools.cli._genotypes import ArchitectureArgument, load_architecture
from genotools.cli._options import Device, Force, Json, Out, Resume, Seed

if TYPE_CHECKING:
    from rich.console import Console

    from genotools.training.run import TrainingResult

__all__ = ["evaluate", "train"]

Data = Annotated[Path, typer.Option("--data", help="A sequence store (.h5).", show_default=False)]
Preset = Annotated[str, typer.Option("--preset", help="quick (minutes on a laptop) or paper.")]
MacroOption = Annotated[
    str | None,
    typer.Option(
        "--macro",
        help="What frames the cells of a genotype: small, paper, or a JSON file.  [default: small with --preset "
        "quick, else paper]",
    ),
]


def train(
    genotype: ArchitectureArgument,
    *,
    data: Data,
    output: Out,
    preset: Preset = "quick",
    macro: MacroOption = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs at most.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps of an epoch at most.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Windows in a step.")] = None,
    lr: Annotated[float | None, typer.Option("--lr", min=0, help="First learning rate.")] = None,
    recurrent_lr: Annotated[
        float | None, typer.Option("--recurrent-lr", min=0, help="The same of the recurrent cell.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option("--patience", min=1, help="Epochs without a new best before stopping.")
    ] = None,
    precision: Annotated[
        Literal["fp32", "tf32", "bf16"] | None,
        typer.Option("--precision", help="tf32 (CUDA) or bf16: faster products, weights in float32."),
    ] = None,
    reverse_complement: Annotated[
        float | None,
        typer.Option(
            "--reverse-complement", min=0, max=1, help="Share of windows given as the other strand."
        ),
    ] = None,
    shift: Annotated[
        int | None,
        typer.Option(
            "--shift", min=0, max=100_000_000, help="Move training windows by as many bases at most."
        ),
    ] = None,
    capture: Annotated[
        bool,
        typer.Option(
            "--capture/--no-capture",
            help="Run a step as one CUDA graph, with compiled cells if there are many. [CUDA]",
        ),
    ] = True,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train the network of a genotype, or a hand-designed one, on a store and test its best epoch.

    Options left out have the preset's values. Ctrl-C leaves a checkpoint that --resume continues from. Several
    devices share every batch with `torchrun --nproc-per-node N -m genotools train ...`.
    """
    from genotools.cli._macros import load_macro_for
    from genotools.cli._ranks import rank_setting
    from genotools.cli._resume import resume_command
    from genotools.cli._training_progress import TrainingProgress
    from genotools.data.store import SequenceStore
    from genotools.training.interruption import TrainingInterrupted, stop_on_signals
    from genotools.training.run import train as run_training
    from genotools.training.settings import get_preset

    with SequenceStore.open(data) as store:
        length, task = store.length, store.task
    settings = (
        get_preset(preset)
        .for_task(task)
        .changed(
            epochs=epochs,
            steps_per_epoch=steps,
            batch_size=batch_size,
            lr=lr,
            recurrent_lr=recurrent_lr,
            patience=patience,
            precision=precision,
            reverse_complement_rate=reverse_complement,
            shift_bp=shift,
        )
    )
    architecture = load_architecture(genotype)
    default = "small" if preset == "quick" else "paper"
    frame = load_macro_for(architecture, macro, default=default, length=length)
    with (
        rank_setting(device, output) as setting,
        stop_on_signals() as stop,
        TrainingProgress(setting.console) as progress,
    ):
        try:
            result = run_training(
                architecture,
                data,
                setting.folder,
                macro=frame,
                settings=settings,
                seed=seed,
                device=str(setting.device),
                capture=capture,
                resume=resume,
                force=force,
                should_stop=setting.agreed(stop),
                reporter=progress,
            )
        except TrainingInterrupted as interruption:
            progress.stop()
            if setting.ranks.is_first:
                typer.echo(f"{interruption}\nGo on with: {resume_command()}", err=True)
            raise typer.Exit(128 + stop.signal_number) from interruption
    if not setting.ranks.is_first:
        return
    if json:
        from genotools.files import to_json

        typer.echo(to_json(result.to_document()), nl=False)
    else:
        _print_training(result, data, setting.console)


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Training folder, zoo name, or .onnx file.")],
    *,
    data: Data,
    split: Annotated[
        Literal["train", "valid", "test"], typer.Option("--split", help="Which windows.")
    ] = "test",
    strands: Annotated[
        Literal["both", "forward"] | None,
        typer.Option(
            "--strands",
            help="Average both strands' predictions, or take the forward one's.  [default: both, where labels hold "
            "for both]",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Windows in one call of the model.")
    ] = 256,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure a model on a split of a store, beside chance: every label, and the means."""
    from rich.console import Console

    from genotools.cli._models import load_predictor
    from genotools.data.store import SequenceStore
    from genotools.data.strands import default_strands
    from genotools.training.evaluate import describe_strands
    from genotools.training.evaluate import evaluate as run_evaluation

    console = Console(stderr=True)
    predictor = load_predictor(model, device=device, batch_size=batch_size)
    with SequenceStore.open(data) as store, console.status("Evaluating ...") as status:
        metrics = run_evaluation(
            predictor,
            store,
            split,
            batch_size=batch_size,
            strands=strands,
            on_progress=lambda n_done, n_rows: status.update(f"Evaluating: {n_done:,} of {n_rows:,} windows"),
        )
    how = describe_strands(strands or default_strands(predictor), predictor)
    if json:
        from genotools.files import to_json

        document = {"model": model, "model_digest": predictor.digest, "split": split, "strands": how}
        typer.echo(to_json({**document, **metrics.to_json()}), nl=False)
    else:
        from genotools.cli._metrics_output import print_metrics

        print_metrics(metrics, split=split, how=how)


def _print_training(result: "TrainingResult", data: Path, console: "Console") -> None:
    """Print the few numbers that count to stdout, and where everything lies to stderr."""
    from genotools.cli._metrics_output import print_test

    if result.baseline is None:
        typer.echo(f"genotype        {result.genotype_digest}")
    else:
        typer.echo(f"network         {result.baseline}")
    typer.echo(f"parameters      {result.n_params:,}")
    typer.echo(f"best epoch      {result.best_epoch} of {result.n_epochs}")
    print_test(result.validation, result.test)
    folder = result.folder
    what = "genotype, macro" if result.baseline is None else "name, length"
    message = [
        f"Trained in {result.seconds:,.0f} s. In {folder}:",
        f"  weights.safetensors  the best epoch's weights, with {what} and labels",
        "  result.json          metrics of every label",
        "  history.jsonl        every epoch" + ("; curves.png" if (folder / "curves.png").exists() else ""),
    ]
    evaluate = shlex.join(["genotools", "evaluate", str(folder), "--data", str(data)])
    export = shlex.join(["genotools", "export", str(folder), "-o", str(folder / "model.onnx")])
    message += [f"Next: {export}", f"  or: {evaluate}"]
    console.print("\n".join(message), highlight=False, markup=False, soft_wrap=True)
