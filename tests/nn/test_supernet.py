"""The supernet: both versions alike, subsets, freezing, carrying, checkpointing."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genotools import GENOME_NAS, Macro, Task
from genotools.errors import DataError
from genotools.genotype import Genotype, Layer
from genotools.nn.alphas import Alphas
from genotools.nn.conv_blocks import blocks_of
from genotools.nn.live_ops import NONE, ROLES, LiveEdge, LiveOps
from genotools.nn.mixing import Mix
from genotools.nn.supernet import Supernet, build_supernet, frozen_statistics
from genotools.nn.supernet_plain import build_plain_supernet
from genotools.randomness import forked_torch

FULL = LiveOps.full(GENOME_NAS)
SMALL = Macro(
    length=45, channels=4, layers=(Layer("normal"), Layer("reduce", 2), Layer("reduce", 3)), head_dropout=0
)
TASK = Task(3)
BUILDERS: dict[str, Callable[..., Supernet]] = {"fast": build_supernet, "plain": build_plain_supernet}

every_version = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)


def pruned(seed: int) -> LiveOps:
    """Return a random part of everything, with edges missing."""
    rng = np.random.default_rng(seed)
    live = FULL
    for role in ROLES:
        scores = {entry: float(rng.random()) for entry in live.each(role)}
        live = live.keep_best(role, scores, 3 if role == "recurrent" else 4)
    gone = [(1, 3), (0, 5), (3, 5)]
    return live.drop_edges("normal", gone[:2]).drop_edges("recurrent", gone)


def make_alphas(live: LiveOps, *, dtype: torch.dtype = torch.float32, scale: float = 1e3) -> Alphas:
    alphas = Alphas(live, generator=torch.Generator().manual_seed(3), dtype=dtype)
    with torch.no_grad():
        for tensor in alphas.tensors:
            tensor.mul_(scale)  # far from uniform
    return alphas


def codes(n: int = 4, macro: Macro = SMALL) -> Tensor:
    return torch.randint(5, (n, macro.length), generator=torch.Generator().manual_seed(4), dtype=torch.uint8)


def loss_of(logits: Tensor, states: Tensor | None = None) -> Tensor:
    weights = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    loss = (logits * weights).sum()
    return loss if states is None else loss + states.square().mean()


def gradients(supernet: Supernet, alphas: Alphas | None = None) -> dict[str, Tensor]:
    found = {name: weight.grad for name, weight in supernet.named_parameters()}
    found |= {} if alphas is None else {role: alphas[role].grad for role in ROLES}
    return {name: gradient for name, gradient in found.items() if gradient is not None}


def statistics(supernet: Supernet) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in supernet.named_buffers()}


def assert_close(ours: dict[str, Tensor], expected: dict[str, Tensor], *, tolerance: float = 1e-8) -> None:
    assert ours.keys() == expected.keys()
    scale = max(float(tensor.abs().max()) for tensor in expected.values())
    for name, tensor in expected.items():
        assert float((ours[name] - tensor).abs().max()) <= tolerance * scale, name


def both(live: LiveOps, macro: Macro = SMALL) -> tuple[Supernet, Supernet]:
    """Return a fast and a plain supernet with the same numbers, in float64."""
    fast, plain = (build(live, macro, TASK, seed=1).double() for build in BUILDERS.values())
    return fast, plain


@every_version
def test_weights_depend_on_the_seed_alone_and_global_randomness_stays(build: Callable[..., Supernet]) -> None:
    before = torch.get_rng_state()
    first, again, other = (build(pruned(0), SMALL, TASK, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert not torch.equal(other["head.hidden.weight"], first["head.hidden.weight"])


def test_both_versions_have_the_same_names_and_initial_weights() -> None:
    fast, plain = (build(FULL, SMALL, TASK, seed=1).state_dict() for build in BUILDERS.values())
    assert list(fast) == list(plain)
    assert all(torch.equal(plain[name], tensor) for name, tensor in fast.items())
    assert "cells.0.edges.0_to_2.sep_conv_15.depthwise1.weight" in fast
    assert "cells.2.edges.3_to_5.max_pool_5.norm.running_mean" in fast


@pytest.mark.parametrize("in_training", [True, False])
@pytest.mark.parametrize("shifted", [True, False])
def test_both_versions_agree_on_pruned_cells(in_training: bool, shifted: bool) -> None:
    live = pruned(1)
    macro = Macro(length=45, channels=4, layers=SMALL.layers, head_dropout=0, shifted_reduction=shifted)
    results = []
    for supernet in both(live, macro):
        alphas = make_alphas(live, dtype=torch.float64)
        with torch.no_grad():
            supernet.forward_with_states(codes(), alphas)  # statistics worth using
        logits, states = supernet.train(in_training).forward_with_states(codes(), alphas)
        loss_of(logits, states).backward()  # type: ignore[no-untyped-call]
        results.append(({"logits": logits.detach(), **gradients(supernet, alphas)}, statistics(supernet)))
    (ours, our_statistics), (expected, expected_statistics) = results
    assert_close(ours, expected)
    assert_close(our_statistics, expected_statistics)


def test_float32_code_for_a_cpu_agrees_with_float64() -> None:
    live = pruned(2)
    exact, fast = (build_supernet(live, SMALL, TASK, seed=1) for _ in range(2))
    results = {}
    for dtype, supernet in ((torch.float64, exact.double()), (torch.float32, fast)):
        alphas = make_alphas(live, dtype=dtype)
        last = supernet.cells[-1]
        last.register_forward_hook(lambda module, inputs, output: torch.autograd.backward(loss_of(output)))
        supernet(codes(6), alphas)
        results[dtype] = {name: tensor.double() for name, tensor in gradients(supernet, alphas).items()}
    assert_close(results[torch.float32], results[torch.float64], tolerance=1e-4)


@pytest.mark.parametrize("version", BUILDERS)
def test_a_subset_equals_a_supernet_of_only_that_subset(version: str) -> None:
    subset = _without_none(pruned(3))
    whole = BUILDERS[version](FULL, SMALL, TASK, seed=1).double()
    alone = BUILDERS[version](subset, SMALL, TASK, seed=2).double()
    alone.load_from(whole)
    assert torch.allclose(
        whole.forward_subset(codes(), subset), alone.forward_subset(codes(), subset), atol=1e-10, rtol=0
    )


def _without_none(live: LiveOps) -> LiveOps:
    for role in ROLES:
        for edge in live.edges(role):
            if edge.ops == (NONE,):
                live = live.drop_edges(role, [edge.pair])
    return live.without(NONE)


def test_both_versions_agree_on_subsets_and_paths() -> None:
    fast, plain = both(FULL)
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(5))
    subset = _without_none(pruned(4))
    for ours, expected in (
        (fast.forward_subset(codes(), subset), plain.forward_subset(codes(), subset)),
        (fast.forward_path(codes(), genotype), plain.forward_path(codes(), genotype)),
    ):
        assert torch.allclose(ours, expected, atol=1e-10, rtol=0)


@every_version
def test_a_path_runs_exactly_one_op_on_each_chosen_edge(build: Callable[..., Supernet]) -> None:
    supernet = build(FULL, SMALL, TASK, seed=1)
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(6))
    supernet.forward_path(codes(), genotype).sum().backward()  # type: ignore[no-untyped-call]
    path = LiveOps.of(genotype)
    for index, role in enumerate(supernet.roles):
        chosen = {f"{source}_to_{target}.{op}" for source, target, op in path.each(role)}
        cell = supernet.cells[index]
        edges = cell.edges
        assert isinstance(edges, nn.ModuleDict)
        ran = set()
        for name, op in edges.named_modules():
            if name.count(".") == 1 and not isinstance(op, nn.Identity):
                has_gradient = any(weight.grad is not None for weight in op.parameters())
                counted = [b for n, b in op.named_buffers() if n.endswith("num_batches_tracked")]
                assert all(int(count) == int(counted[0]) for count in counted)
                if has_gradient or int(counted[0]):
                    ran.add(name)
        assert ran == {name for name in chosen if not isinstance(edges.get_submodule(name), nn.Identity)}


def test_what_is_not_live_cannot_run() -> None:
    supernet = build_supernet(pruned(7), SMALL, TASK, seed=1)
    with pytest.raises(ValueError, match="not live in the supernet"):
        supernet.forward_subset(codes(), FULL)
    with pytest.raises(ValueError, match="carry them over first"):
        supernet(codes(), make_alphas(FULL))
    conv = (LiveEdge(0, 2, ("conv_15",)),)
    fewer = LiveOps(conv, conv, FULL.recurrent)
    with pytest.raises(ValueError, match="fewer nodes"):
        build_supernet(FULL, SMALL, TASK, seed=1).forward_subset(codes(), fewer)


def test_wrong_codes_and_a_batch_of_one_are_refused() -> None:
    supernet, alphas = build_supernet(pruned(7), SMALL, TASK, seed=1), make_alphas(pruned(7))
    with pytest.raises(ValueError, match=r"uint8 of shape \(N, 45\), not float32 of shape \(2, 45\)"):
        supernet(torch.zeros(2, 45), alphas)
    with pytest.raises(ValueError, match="at least 2 sequences are needed"):
        supernet(codes(1), alphas)
    assert supernet.eval()(codes(1), alphas).shape == (1, 3)


@every_version
def test_a_weight_step_leaves_the_alphas_alone_and_an_alpha_step_the_weights(
    build: Callable[..., Supernet],
) -> None:
    live = pruned(8)
    supernet, alphas = build(live, SMALL, TASK, seed=1), make_alphas(live)
    sgd = torch.optim.SGD(supernet.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    adam = torch.optim.Adam(alphas.tensors, lr=0.1, weight_decay=0.1)
    for _ in range(2):
        values = alphas.state_dict()
        with alphas.frozen():
            loss_of(supernet(codes(), alphas)).backward()  # type: ignore[no-untyped-call]
        assert all(tensor.grad is None for tensor in alphas.tensors)
        sgd.step()
        sgd.zero_grad()
        assert all(torch.equal(values[role], alphas[role]) for role in ROLES)
        weights = [weight.detach().clone() for weight in supernet.parameters()]
        with supernet.frozen():
            loss_of(supernet(codes(), alphas)).backward()  # type: ignore[no-untyped-call]
        assert gradients(supernet) == {}
        adam.step()
        adam.zero_grad()
        assert all(torch.equal(*pair) for pair in zip(weights, supernet.parameters(), strict=True))
        assert not any(torch.equal(values[role], alphas[role]) for role in ROLES)
    assert all(weight.requires_grad for weight in supernet.parameters())


def test_gradients_of_frozen_passes_are_those_of_a_whole_one() -> None:
    live = pruned(9)
    supernet, alphas = (
        build_supernet(live, SMALL, TASK, seed=1).double(),
        make_alphas(live, dtype=torch.float64),
    )
    loss_of(supernet(codes(), alphas)).backward()  # type: ignore[no-untyped-call]
    whole = {name: gradient.clone() for name, gradient in gradients(supernet, alphas).items()}
    supernet.zero_grad()
    for tensor in alphas.tensors:
        tensor.grad = None
    with alphas.frozen():
        loss_of(supernet(codes(), alphas)).backward()  # type: ignore[no-untyped-call]
    with supernet.frozen():
        loss_of(supernet(codes(), alphas)).backward()  # type: ignore[no-untyped-call]
    assert_close(gradients(supernet, alphas), whole, tolerance=1e-12)


@every_version
def test_frozen_statistics_stay_and_the_output_is_the_same(build: Callable[..., Supernet]) -> None:
    supernet, alphas = build(pruned(1), SMALL, TASK, seed=1), make_alphas(pruned(1))
    before = statistics(supernet)
    with frozen_statistics(supernet):
        frozen = supernet(codes(), alphas)
    assert all(torch.equal(before[name], buffer) for name, buffer in supernet.named_buffers())
    assert torch.equal(frozen, supernet(codes(), alphas))
    assert not torch.equal(
        before["recurrent.norm.running_var"], statistics(supernet)["recurrent.norm.running_var"]
    )


@every_version
def test_checkpointed_cells_have_the_same_gradients_and_statistics(build: Callable[..., Supernet]) -> None:
    live, results = pruned(1), []
    for checkpoint_cells in (False, True):
        supernet = build(live, SMALL, TASK, seed=1, checkpoint_cells=checkpoint_cells).double()
        supernet.set_dropout(skip=0.3)
        alphas = make_alphas(live, dtype=torch.float64)
        with forked_torch(7):
            loss_of(supernet(codes(), alphas)).backward()  # type: ignore[no-untyped-call]
        results.append((gradients(supernet, alphas), statistics(supernet)))
    assert_close(results[1][0], results[0][0], tolerance=1e-12)
    assert_close(results[1][1], results[0][1], tolerance=1e-12)


@every_version
def test_weights_and_statistics_are_carried_by_edge_and_op(build: Callable[..., Supernet]) -> None:
    supernet, alphas = build(FULL, SMALL, TASK, seed=1), make_alphas(FULL)
    supernet(codes(), alphas)
    live = pruned(2)
    smaller = build(live, SMALL, TASK, seed=2)
    smaller.load_from(supernet)
    theirs = supernet.state_dict()
    assert all(torch.equal(theirs[name], tensor) for name, tensor in smaller.state_dict().items())


def test_numbers_of_either_version_load_into_the_other() -> None:
    fast, plain = both(pruned(2))
    alphas = make_alphas(pruned(2), dtype=torch.float64)
    plain(codes(), alphas)
    fast.load_from(plain)
    plain.load_state_dict(fast.state_dict())
    outputs = [supernet.eval()(codes(), alphas) for supernet in (fast, plain)]
    assert torch.allclose(outputs[0], outputs[1], atol=1e-10, rtol=0)


def test_a_larger_supernet_keeps_what_the_other_lacks() -> None:
    large, small = build_supernet(FULL, SMALL, TASK, seed=1), build_supernet(pruned(2), SMALL, TASK, seed=2)
    before, theirs = {k: v.clone() for k, v in large.state_dict().items()}, small.state_dict()
    large.load_from(small)
    for name, tensor in large.state_dict().items():
        assert torch.equal(tensor, theirs[name] if name in theirs else before[name])


def test_numbers_of_another_macro_cannot_be_carried() -> None:
    other = Macro(length=45, channels=8, layers=SMALL.layers)
    with pytest.raises(
        DataError, match=r"stem\.conv\.weight: shape \(24, 4, 13\), \(12, 4, 13\) was expected"
    ):
        build_supernet(pruned(2), SMALL, TASK, seed=1).load_from(
            build_supernet(pruned(2), other, TASK, seed=1)
        )


def test_variational_dropout_is_the_same_in_both_versions() -> None:
    live, outputs = pruned(3), []
    for supernet in both(live):
        supernet.set_dropout(dropout_x=0.2, dropout_h=0.3)
        with forked_torch(5):
            loss_of(supernet(codes(), make_alphas(live, dtype=torch.float64))).backward()  # type: ignore[no-untyped-call]
        outputs.append(gradients(supernet))
    assert_close(*outputs)


@every_version
def test_skip_dropout_acts_on_identities_in_training_only(build: Callable[..., Supernet]) -> None:
    conv = (LiveEdge(0, 2, ("skip_connect",)), LiveEdge(1, 2, ("skip_connect",)))
    live = LiveOps(conv, conv, (LiveEdge(0, 1, ("tanh",)),))
    supernet = build(live, SMALL, TASK, seed=1)
    normal, reduction = supernet.cells[0], supernet.cells[1]
    inputs = torch.randn(2, 12, 45, generator=torch.Generator().manual_seed(0)).unsqueeze(2)
    inputs = (
        inputs.contiguous(memory_format=torch.channels_last) if build is build_supernet else inputs.squeeze(2)
    )

    def zeros(cell: nn.Module, x: Tensor) -> float:
        return float((cell(x, x, Mix(conv)) == 0).float().mean())

    supernet.set_dropout(skip=0.5)
    with forked_torch(1):
        assert 0.2 < zeros(normal, inputs) < 0.3  # both of two identities dropped
        assert zeros(supernet.eval().cells[0], inputs) == 0
        supernet.train()
        shortened = [reduction(inputs, inputs[:, :4], Mix(conv)) for _ in range(2)]
        assert torch.equal(*shortened)


def test_rates_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"skip is 1\.0, it must be in \[0, 1\)"):
        build_supernet(pruned(2), SMALL, TASK, seed=1).set_dropout(skip=1.0)


def test_the_functional_form_uses_the_given_weights_and_statistics() -> None:
    live = pruned(4)
    supernet, other = (build_supernet(live, SMALL, TASK, seed=seed) for seed in (1, 2))
    alphas, before = make_alphas(live), statistics(supernet)
    given = {name: tensor.detach().clone() for name, tensor in other.state_dict().items()}
    output = torch.func.functional_call(supernet, given, (codes(), alphas))
    assert torch.equal(output, other(codes(), alphas))
    assert all(torch.equal(before[name], buffer) for name, buffer in supernet.named_buffers())


def test_every_published_op_but_the_skip_takes_the_fast_path() -> None:
    supernet = build_supernet(FULL, SMALL, TASK, seed=1)
    edges = supernet.cells[1].get_submodule("edges.0_to_2")
    assert isinstance(edges, nn.ModuleDict)
    slow = {name for name, op in edges.items() if blocks_of(op) is None}
    assert slow == {"max_pool_5", "avg_pool_5", "skip_connect"}


def test_a_supernet_learns() -> None:
    live = pruned(5)
    supernet, alphas = build_supernet(live, SMALL, TASK, seed=1), make_alphas(live, scale=1)
    x, y = codes(16), torch.arange(16)[:, None].remainder(2).float().repeat(1, 3)
    optimiser = torch.optim.Adam([*supernet.parameters(), *alphas.tensors], lr=3e-3)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(supernet(x, alphas), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 < losses[0]


def test_any_genotype_of_the_space_is_a_path() -> None:
    supernet = build_supernet(FULL, SMALL, TASK, seed=1).eval()
    rng = np.random.default_rng(8)
    genotypes: list[Genotype] = [GENOME_NAS.sample(rng=rng) for _ in range(3)]
    with torch.inference_mode():
        outputs = [supernet.forward_path(codes(), genotype) for genotype in genotypes]
    assert all(torch.isfinite(output).all() for output in outputs)
    assert not torch.equal(outputs[0], outputs[1])
