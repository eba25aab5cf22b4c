"""A whole network: its input, its modes, and the laws of a batch."""

import numpy as np
import pytest
import torch
from torch import Tensor

from genotools.genotype import GENOME_NAS, Genotype, Layer, Macro, Task, TaskKind
from genotools.nn import GenomeNet, activate, build
from genotools.randomness import forked_torch


def genotype(seed: int = 0) -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(seed))


def network(length: int = 60, *, seed: int = 0, task: Task | None = None, **macro: object) -> GenomeNet:
    settings = {"channels": 2, "head_hidden": 16, **macro}
    return build(genotype(seed), Macro(length=length, **settings), task or Task(3), seed=0)  # type: ignore[arg-type]


def codes(batch: int, length: int = 60, *, seed: int = 0) -> Tensor:
    values = np.random.default_rng(seed).integers(0, 5, size=(batch, length), dtype=np.uint8)
    return torch.from_numpy(values)


def warmed(net: GenomeNet) -> GenomeNet:
    """Return ``net`` in evaluation mode with running statistics of real data."""
    with torch.no_grad(), forked_torch(0):
        net.train()(codes(16, net.macro.length))
    return net.eval()


def test_one_hot_puts_a_base_in_its_channel_and_an_unknown_one_in_none() -> None:
    row = torch.tensor([[0, 1, 2, 3, 4, 255]], dtype=torch.uint8)
    x = network(6).one_hot(row)
    assert x.dtype == torch.float32
    assert x[0].T.tolist() == [*np.eye(4).tolist(), [0.0] * 4, [0.0] * 4]


def test_codes_and_their_one_hot_give_equal_logits() -> None:
    net = warmed(network())
    rows = codes(4)
    table = torch.cat([torch.eye(4), torch.zeros(1, 4)])
    assert torch.equal(net(rows), net.forward_one_hot(table[rows.long()].transpose(1, 2)))


def test_gradients_reach_the_one_hot() -> None:
    net = warmed(network())
    x = net.one_hot(codes(2)).requires_grad_()
    net.forward_one_hot(x).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert (x.grad != 0).any(dim=(0, 1)).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_of_one_equals_the_row_of_a_batch(seed: int) -> None:
    net = warmed(network(seed=seed))
    rows = codes(7)
    together = net(rows)
    alone = torch.cat([net(rows[index : index + 1]) for index in range(7)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 13, 37, 64, 199, 200, 201, 999, 2000])
def test_every_length_works(length: int) -> None:
    net = network(length).eval()
    logits, states = net.forward_with_states(codes(2, length))
    assert states is not None
    assert states.shape == (net.macro.stages()[-1].out_length, 2, 128)
    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()


def test_the_head_reads_all_positions_and_bases_matter() -> None:
    net = warmed(network())
    rows = codes(1)
    for position in (0, 30, 59):
        other = rows.clone()
        other[0, position] = (other[0, position] + 1) % 4
        assert not torch.equal(net(rows), net(other)), position


def test_without_a_recurrent_cell_the_head_reads_the_last_cell() -> None:
    net = network(recurrent=False)
    logits, states = net.forward_with_states(codes(4))
    assert states is None
    assert logits.shape == (4, 3)
    net.set_dropout(dropout_x=0.1, dropout_h=0.1)
    assert not any(name.startswith("recurrent") for name in net.state_dict())


@pytest.mark.parametrize("recurrent", [True, False])
def test_a_task_per_position_gives_logits_at_every_position(recurrent: bool) -> None:
    net = network(task=Task(3, per_position=True), recurrent=recurrent)
    assert net(codes(4)).shape == (4, net.macro.stages()[-1].out_length, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(2, 59, dtype=torch.uint8),
        torch.zeros(2, 60, dtype=torch.int64),
        torch.zeros(60, dtype=torch.uint8),
        torch.zeros(2, 4, 60, dtype=torch.uint8),
    ],
    ids=["length", "type", "one row", "one-hot"],
)
def test_wrong_codes_are_refused_with_what_is_wanted(wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=r"codes must be uint8 of shape \(N, 60\), not .*windows of 60 bp"):
        network()(wrong)


@pytest.mark.parametrize("wrong", [torch.zeros(2, 60), torch.zeros(2, 4, 60, dtype=torch.uint8)])
def test_wrong_one_hots_are_refused(wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=r"one-hot must be floats of shape \(N, 4, 60\)"):
        network().forward_one_hot(wrong)


def test_dropout_acts_in_training_only_and_follows_the_seed() -> None:
    net = warmed(network())
    rows = codes(8)
    before = net(rows)
    net.set_dropout(drop_path=0.3, dropout_x=0.2, dropout_h=0.2, head=0.5)
    assert torch.equal(net(rows), before)
    net.train()
    outputs = []
    for seed in (1, 1, 2):
        with forked_torch(seed), torch.no_grad():
            outputs.append(net(rows))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_set_dropout_leaves_what_is_not_named() -> None:
    net = network(head_dropout=0.25)
    net.set_dropout(drop_path=0.2, dropout_x=0.1)
    net.set_dropout(dropout_h=0.05)
    assert net.recurrent is not None
    assert (net.recurrent.dropout_x, net.recurrent.dropout_h, net.head.dropout.p) == (0.1, 0.05, 0.25)
    assert {cell.drop_path for cell in net.cells} == {0.2}


def test_set_dropout_refuses_a_rate_of_one_and_changes_nothing() -> None:
    net = network()
    with pytest.raises(ValueError, match=r"dropout_h is 1, it must be in \[0, 1\)"):
        net.set_dropout(drop_path=0.5, dropout_h=1)
    assert {cell.drop_path for cell in net.cells} == {0.0}


def test_shifted_reductions_change_the_outputs_but_not_the_weights() -> None:
    plain, shifted = network().eval(), network(shifted_reduction=True).eval()
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), shifted.parameters(), strict=True))
    assert not torch.equal(plain(codes(2)), shifted(codes(2)))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (TaskKind.MULTILABEL, [0.5, 1 / (1 + np.exp(-1))]),
        (TaskKind.MULTICLASS, [1 / (1 + np.e), np.e / (1 + np.e)]),
        (TaskKind.REGRESSION, [0, 1]),
        (TaskKind.COUNTS, [1, np.e]),
    ],
)
def test_activation_follows_the_kind_of_task(kind: TaskKind, expected: list[float]) -> None:
    np.testing.assert_allclose(activate(torch.tensor([[0.0, 1.0]]), kind).numpy(), [expected], rtol=1e-6)


def test_predict_probs_evaluates_and_puts_the_mode_back() -> None:
    net = warmed(network(task=Task(3, TaskKind.MULTICLASS)))
    expected = torch.softmax(net(codes(4)), dim=1)
    probs = net.train().predict_probs(codes(4))
    assert net.training
    torch.testing.assert_close(probs, expected)
    assert not probs.requires_grad


def test_bfloat16_autocast_keeps_the_recurrent_state_in_float32() -> None:
    net = warmed(network())
    exact, _ = net.forward_with_states(codes(4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, states = net.forward_with_states(codes(4))
    assert states is not None
    assert states.dtype == torch.float32
    torch.testing.assert_close(logits.float(), exact, rtol=0.1, atol=0.05)


def test_double_precision_agrees_with_single() -> None:
    net = warmed(network())
    single = net(codes(4))
    torch.testing.assert_close(net.double()(codes(4)).float(), single, rtol=1e-5, atol=1e-6)


# PyTorch looks at .grad of tensors that have none while it traces.
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_compiled_parts_give_equal_outputs_under_the_same_names() -> None:
    layers = (Layer("normal"), Layer("reduce", 4))
    plain, compiled = network(40, layers=layers), network(40, layers=layers)
    compiled.compile_parts(backend="eager")
    for net in (plain, compiled):
        net.set_dropout(head=0)
    torch.testing.assert_close(compiled(codes(3, 40)), plain(codes(3, 40)))
    torch.testing.assert_close(compiled.eval()(codes(2, 40)), plain.eval()(codes(2, 40)))
    assert list(compiled.state_dict()) == list(plain.state_dict())
