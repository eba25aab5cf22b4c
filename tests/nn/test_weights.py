import pytest

from genotools.genotype import ConvCell, Genotype, Macro, RecurrentCell, Task
from genotools.nn import GenomeNet, build
from genotools.nn.weights import reference_names


def make(normal: ConvCell) -> GenomeNet:
    reduce = ConvCell([(0, 2, "conv_15"), (1, 2, "skip_connect")])
    genotype = Genotype(normal, reduce, RecurrentCell([(0, "tanh"), (1, "relu")]))
    return build(genotype, Macro(length=20, channels=2, head_hidden=4), Task(2), seed=0)


NORMAL = ConvCell([(0, 2, "sep_conv_9"), (1, 2, "max_pool_5"), (2, 3, "dil_conv_15"), (0, 3, "skip_connect")])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("stem.conv.weight", "stem.0.weight"),
        ("stem.norm.running_var", "stem.1.running_var"),
        ("cells.0.input0.conv.weight", "cells.0.preprocess0.op.1.weight"),
        ("cells.2.input0.second.weight", "cells.2.preprocess0.conv_2.weight"),
        ("cells.2.input0.norm.bias", "cells.2.preprocess0.bn.bias"),
        ("cells.0.edges.0_to_2.pointwise2.weight", "cells.0._ops.0.op.6.weight"),
        ("cells.0.edges.2_to_3.norm.num_batches_tracked", "cells.0._ops.2.op.3.num_batches_tracked"),
        ("cells.1.edges.0_to_2.conv2.weight", "cells.1._ops.0.op.4.weight"),
        ("cells.1.edges.1_to_2.first.weight", "cells.1._ops.1.conv_1.weight"),
        ("recurrent.weights.0", "rnns.0._W0"),
        ("recurrent.weights.2", "rnns.0._Ws.1"),
        ("head.hidden.weight", "decoder.weight"),
        ("head.output.bias", "classifier.bias"),
    ],
)
def test_names_map_to_the_published_ones(ours: str, theirs: str) -> None:
    assert reference_names(make(NORMAL))[ours] == theirs


def test_every_tensor_has_a_name_of_its_own() -> None:
    network = make(NORMAL)
    names = reference_names(network)
    assert names.keys() == network.state_dict().keys()
    assert len(set(names.values())) == len(names)


def test_a_numbering_the_published_implementation_cannot_hold_is_refused() -> None:
    backward = NORMAL.renumbered({2: 3, 3: 2})
    with pytest.raises(ValueError, match="the normal cell is not numbered topologically"):
        reference_names(make(backward))
