"""Documents of architectures: what rebuilds a network, and what is refused; copies for export."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, BaselineName, Macro, Task, TaskKind
from genotools.nn import GenomeNet, WindowNetwork, build, rebuild
from genotools.nn.architecture import make_network
from genotools.nn.baselines import BASELINES, baseline_size, build_baseline

GENOTYPE = GENOME_NAS.sample(rng=np.random.default_rng(4))
MACRO = Macro(length=60, channels=2, head_hidden=8)
TASK = Task(3, TaskKind.COUNTS)
CODES = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (4, 60)).astype(np.uint8))


def networks() -> dict[str, WindowNetwork]:
    found: dict[str, WindowNetwork] = {"genotype": build(GENOTYPE, MACRO, TASK, seed=0)}
    return found | {name: build_baseline(name, 60, TASK, seed=0) for name in BASELINES if name != "deepsea"}


@pytest.fixture(params=["genotype", "danq", "ncnet-rr", "ncnet-brr"])
def network(request: pytest.FixtureRequest) -> WindowNetwork:
    return networks()[request.param]


def through_json(document: object) -> Any:
    return json.loads(json.dumps(document))


def test_the_document_rebuilds_the_same_network(network: WindowNetwork) -> None:
    document = through_json(network.architecture())
    twin = rebuild(document, network.task, seed=0, where="here")
    assert (type(twin), twin.length, twin.digest) == (type(network), 60, network.digest)
    assert twin.training
    assert all(torch.equal(twin.state_dict()[name], tensor) for name, tensor in network.state_dict().items())
    other = rebuild(document, network.task, seed=1, where="here")
    assert not all(torch.equal(a, b) for a, b in zip(twin.parameters(), other.parameters(), strict=True))


def test_a_copy_predicts_alike_and_shares_nothing(network: WindowNetwork) -> None:
    network(CODES)  # batch norms have seen data
    network.set_dropout(drop_path=0.5, dropout_x=0.5, dropout_h=0.5)
    before = torch.get_rng_state()
    copy = network.copy_on_cpu()
    assert torch.equal(torch.get_rng_state(), before)
    assert type(copy) is type(network)
    assert network.training
    assert not copy.training
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    torch.testing.assert_close(copy.predict_probs(CODES), network.predict_probs(CODES), rtol=0, atol=0)
    for mine, theirs in zip(copy.state_dict().values(), network.state_dict().values(), strict=True):
        assert mine.data_ptr() != theirs.data_ptr()


def test_a_copy_is_single_precision_and_not_compiled() -> None:
    network = build(GENOTYPE, MACRO, TASK, seed=0).double()
    network.compile_parts(backend="eager")
    copy = network.copy_on_cpu()
    assert (network.dtype, copy.dtype, copy.device.type) == (torch.float64, torch.float32, "cpu")
    assert [cell._compiled_call_impl for cell in copy.cells] == [None] * len(copy.cells)
    torch.testing.assert_close(
        copy.predict_probs(CODES).double(), network.predict_probs(CODES), rtol=0, atol=1e-5
    )


def test_codes_and_their_one_hot_give_equal_logits(network: WindowNetwork) -> None:
    network.eval()
    x = network.one_hot(CODES)
    torch.testing.assert_close(network.forward_one_hot(x), network(CODES), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"one-hot must be floats of shape \(N, 4, 60\)"):
        network.forward_one_hot(x[:, :, 1:])


def test_predictions_are_what_the_kind_of_task_makes_of_logits(network: WindowNetwork) -> None:
    network.eval()
    torch.testing.assert_close(network.predict_probs(CODES), network(CODES).detach().exp())


def test_only_the_searched_cell_is_trained_as_a_recurrent_one() -> None:
    for name, network in networks().items():
        recurrent = [id(parameter) for parameter in network.recurrent_parameters()]
        if isinstance(network, GenomeNet):
            assert network.recurrent is not None
            assert recurrent == [id(parameter) for parameter in network.recurrent.parameters()]
        else:
            assert recurrent == [], name


def test_digests_of_hand_designed_networks_stay_what_they_are() -> None:
    # Weight files written before would no longer be read.
    assert {name: name.digest[:16] for name in BaselineName} == {
        "deepsea": "6844d6664dba7241",
        "danq": "b8c8d57a99253f8e",
        "ncnet-rr": "d245e6453a0c76c4",
        "ncnet-brr": "b22172580c522dfa",
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "here: a JSON object is expected, not list"),
        ({}, "here: either genotype and macro or baseline and length are expected, found nothing"),
        ({"baseline": "danq"}, "found baseline"),
        ({"baseline": "danq", "length": 60, "macro": {}}, "found baseline, length, macro"),
        (
            {"baseline": "alexnet", "length": 60},
            "here: baseline: 'alexnet' is no hand-designed network. Known: d",
        ),
        ({"baseline": ["danq"], "length": 60}, r"here: baseline: \"\['danq'\]\" is no hand-designed network"),
        ({"baseline": "danq", "length": "60"}, "here: length: a whole number of bp is expected, found '60'"),
        (
            {"baseline": "danq", "length": True},
            "here: length: a whole number of bp is expected, found 'True'",
        ),
        ({"baseline": "danq", "length": 60.0}, "here: length: a whole number"),
        ({"baseline": "danq", "length": 0}, "here: length: danq takes windows of 1 to 100,000,000 bp, not 0"),
        ({"baseline": "danq", "length": 10**30}, "here: length: danq takes windows of 1 to 100,000,000 bp"),
        ({"baseline": "danq", "length": 30}, "here: length: DanQ has nothing left of windows of 30 bp"),
        (
            {"baseline": "deepsea", "length": 10**8},
            "here: length: deepsea would have .* at most 2,000,000,000",
        ),
        ({"genotype": {}, "macro": {}}, "here: genotype: format: 'genotools/genotype' is expected"),
        (
            {"genotype": GENOTYPE, "macro": {**MACRO.to_document(), "length": -1}},
            "here: macro: length: Input should be greater than or equal to 1",
        ),
        (
            {"genotype": GENOTYPE, "macro": {**MACRO.to_document(), "channels": 65536}},
            "here: macro: the network would have .* parameters, at most 2,000,000,000",
        ),
    ],
)
def test_a_hostile_document_is_refused_by_key(document: Any, message: str) -> None:
    if isinstance(document, dict) and document.get("genotype") is GENOTYPE:
        document = {**document, "genotype": build(GENOTYPE, MACRO, TASK, seed=0).architecture()["genotype"]}
    with pytest.raises(DataError, match=message):
        rebuild(document, TASK, seed=0, where="here")


def test_a_hand_designed_network_does_not_predict_per_position() -> None:
    with pytest.raises(DataError, match="danq predicts once per window, not per position"):
        build_baseline("danq", 60, Task(3, per_position=True), seed=0)


def test_macros_are_for_genotypes_and_needed_there() -> None:
    with pytest.raises(DataError, match="danq is hand-designed and has no use for a macro"):
        make_network(BaselineName.DANQ, MACRO, TASK, length=60, seed=0)
    with pytest.raises(DataError, match="a genotype needs a macro-architecture"):
        make_network(GENOTYPE, None, TASK, length=60, seed=0)


def test_sizes_are_those_of_the_layers_written_out() -> None:
    size = baseline_size("danq", 1000, Task(919))
    lstm = 75 * 2 * 4 * 320 * (320 + 320)
    assert size.macs == 975 * 320 * 4 * 26 + lstm + 75 * 640 * 925 + 925 * 919
    assert size.params == 46_929_039
    convs = 993 * 320 * 4 * 8 + 241 * 480 * 320 * 8 + 53 * 960 * 480 * 8
    assert baseline_size("deepsea", 1000, Task(919)).macs == convs + 53 * 960 * 925 + 925 * 919
