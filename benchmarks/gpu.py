"""A CUDA device, at the published size: a training step and predictions, plain and as they are taken.

    python benchmarks/gpu.py [--batch 32 100] [--repeats 20] [--seed 0]

A step is forward pass, loss with slowness penalty, backward pass, clipping and update, on random windows that lie on
the device; 1000 bp and 919 outputs. ``plain`` runs the modules as they are written, in float32; ``compiled`` gives
the cells to ``torch.compile``, ``captured`` records the whole as a CUDA graph. ``genotools train`` records, and
compiles if the training is long; ``variants`` and validation predict ``captured``. Times are medians between events
on the device; set-up is what the first steps took, with compilation and recording; share is of the device's own peak
in a large product of the same precision.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from training_step import data, forward_macs, network_of

from genotools.nn.inference import fastest_inference
from genotools.training.optimiser import make_optimiser
from genotools.training.precision import Precision, tensor_cores
from genotools.training.ranks import Ranks
from genotools.training.settings import TrainingSettings
from genotools.training.step import CapturedStep, TrainingStep

N_WARM_UP = 5
STEPS_PER_EPOCH = 3000


def main() -> None:
    """Print a table of steps and one of predictions for every batch size."""
    parser = argparse.ArgumentParser(description="Steps and predictions on a CUDA device.")
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 100])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the random genotype")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device")
    peaks = {precision: peak(precision) for precision in ("fp32", "tf32", "bf16")}
    macs = forward_macs(arguments.seed)
    told = ", ".join(f"{precision} {value / 1e12:.0f}" for precision, value in peaks.items())
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}; TFLOP/s of a large product: {told}")
    for batch_size in arguments.batch:
        print(
            f"\n| step, batch {batch_size} | ms | plain / this | share of peak | MiB | set-up s | min an epoch |"
        )
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        first = None
        for name, precision, set_up in STEPS:
            seconds, set_up_s, mib = timed(
                partial(set_up, arguments.seed, batch_size, precision), arguments.repeats
            )
            first = first or seconds
            share = 6 * macs * batch_size / seconds / peaks[precision]
            print(
                f"| {name}, {precision} | {seconds * 1e3:.1f} | {first / seconds:.2f} | {share:.1%} | {mib:.0f} | "
                f"{set_up_s:.0f} | {seconds * STEPS_PER_EPOCH / 60:.1f} |",
                flush=True,
            )
        print(f"\n| predictions, batch {batch_size} | ms | plain / this | windows a second | set-up s |")
        print("| --- | ---: | ---: | ---: | ---: |")
        first = None
        for name in ("plain", "compiled", "captured"):
            set_up = partial(set_up_predictions, name, arguments.seed, batch_size)
            seconds, set_up_s, _ = timed(set_up, arguments.repeats)
            first = first or seconds
            print(
                f"| {name} | {seconds * 1e3:.1f} | {first / seconds:.2f} | {batch_size / seconds:.0f} | "
                f"{set_up_s:.0f} |",
                flush=True,
            )


def peak(precision: Precision, size: int = 8192) -> float:
    """Return the operations a second of a product of large square matrices."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
    with tensor_cores(a.device, precision):
        seconds, *_ = timed(lambda: lambda: torch.mm(a, b), 10)
    return 2 * size**3 / seconds


def timed(set_up: Callable[[], Callable[[], object]], repeats: int) -> tuple[float, float, float]:
    """Return the median seconds of a step, the seconds of set-up and warm-up, and the peak memory in MiB."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    step = set_up()
    for _ in range(N_WARM_UP):
        step()
    torch.cuda.synchronize()
    set_up_s, seconds = time.perf_counter() - started, []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        step()
        end.record()
        end.synchronize()
        seconds.append(begin.elapsed_time(end) / 1e3)
    return statistics.median(seconds), set_up_s, torch.cuda.max_memory_allocated() / 2**20


def set_up_plain(seed: int, batch_size: int, precision: Precision) -> Callable[[], object]:
    """Return the step as it is written down."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    network = network_of(seed).cuda()
    codes, targets = (one.cuda() for one in data(batch_size))
    settings = TrainingSettings()
    optimiser = make_optimiser(network, settings)

    def step() -> None:
        optimiser.zero_grad()
        with tensor_cores(codes.device, precision):
            logits, states = network.forward_plain(codes)
            assert states is not None
            slowness = (states[1:] - states[:-1]).square().mean()
            (binary_cross_entropy_with_logits(logits, targets) + settings.slowness * slowness).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        optimiser.step()

    return step


def set_up_ours(
    kind: type[TrainingStep], is_compiled: bool, seed: int, batch_size: int, precision: Precision
) -> Callable[[], object]:
    """Return the step that a training takes, or the same without its recording or compilation."""
    network = network_of(seed).cuda()
    if is_compiled:
        network.compile_parts()
    codes, targets = (one.cuda() for one in data(batch_size))
    settings = TrainingSettings().changed(precision=precision)
    step = kind(network, make_optimiser(network, settings), settings, ranks=Ranks())
    step.start_epoch()
    return lambda: step(codes, targets)


def set_up_predictions(name: str, seed: int, batch_size: int) -> Callable[[], object]:
    """Return the prediction of one batch, in float32."""
    network = network_of(seed).cuda().eval()
    if name == "compiled":
        network.compile_parts()
    run = {
        "plain": lambda codes: network.forward_plain(codes)[0],
        "compiled": network,
        "captured": fastest_inference(network),
    }[name]
    codes = data(batch_size)[0].cuda()

    @torch.inference_mode()
    def predict() -> torch.Tensor:
        with tensor_cores(codes.device, "fp32"):
            return run(codes)

    return predict


STEPS = (
    ("plain", "fp32", set_up_plain),
    ("compiled", "fp32", partial(set_up_ours, TrainingStep, True)),
    ("captured", "fp32", partial(set_up_ours, CapturedStep, False)),
    ("both", "fp32", partial(set_up_ours, CapturedStep, True)),
    ("both", "tf32", partial(set_up_ours, CapturedStep, True)),
    ("both", "bf16", partial(set_up_ours, CapturedStep, True)),
)


if __name__ == "__main__":
    main()
