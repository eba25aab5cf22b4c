"""Write the genotypes that ship with the package into ``zoo/entries``; run it again after changing one.

Hand-made genotypes are written as DARTS-style text below; the two of the reference's golden outputs are those that
``tests/golden`` checks the networks with.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from genotools.genotype.darts import from_darts
from genotools.zoo import add_entry

ENTRIES = Path(__file__).parent.parent / "zoo" / "entries"

RHN = "rnn=[('tanh', 0), ('tanh', 1), ('tanh', 2), ('tanh', 3), ('tanh', 4), ('tanh', 5), ('tanh', 6), ('tanh', 7)]"
FAN = (
    "rnn=[('tanh', 0), ('relu', 0), ('sigmoid', 0), ('identity', 0), "
    "('tanh', 1), ('relu', 2), ('tanh', 3), ('relu', 4)]"
)
BY_HAND = "designed by hand for genotools, not found by a search"


def conv(first: str, second: str) -> str:
    """Return a cell whose every node reads the last two: ``first`` from the nearer, ``second`` from the other."""
    pairs = [f"('{second}', {node}), ('{first}', {node + 1})" for node in range(4)]
    return f"[{', '.join(pairs)}]"


SHIPPED = {
    "cover-all-ops": (
        "Every op and every activation of the published space once or more: a test of whatever reads genotypes.",
        "the genotype of the reference's golden output final_cover",
        "Genotype(normal=[('sep_conv_15', 0), ('skip_connect', 1), ('max_pool_5', 0), ('dil_conv_9', 2), "
        "('avg_pool_5', 1), ('conv_15', 3), ('sep_conv_9', 4), ('dil_conv_15', 2)], "
        "reduce=[('avg_pool_5', 0), ('conv_15', 1), ('skip_connect', 0), ('dil_conv_15', 1), ('max_pool_5', 1), "
        "('sep_conv_9', 0), ('skip_connect', 3), ('sep_conv_15', 4)], "
        "rnn=[('tanh', 0), ('sigmoid', 0), ('relu', 1), ('identity', 2), ('tanh', 4), ('relu', 0), ('sigmoid', 6), "
        "('identity', 7)])",
    ),
    "random-baseline": (
        "A uniform random genotype of the published space (27.6 M parameters at 919 outputs): the line to beat.",
        "the genotype of the reference's golden output final_random1",
        "Genotype(normal=[('skip_connect', 0), ('avg_pool_5', 1), ('sep_conv_9', 0), ('avg_pool_5', 2), "
        "('conv_15', 1), ('conv_15', 2), ('conv_15', 0), ('dil_conv_9', 2)], "
        "reduce=[('max_pool_5', 0), ('dil_conv_9', 1), ('sep_conv_15', 1), ('dil_conv_9', 2), ('max_pool_5', 2), "
        "('sep_conv_15', 3), ('conv_15', 0), ('conv_15', 3)], "
        "rnn=[('relu', 0), ('tanh', 0), ('identity', 1), ('sigmoid', 1), ('tanh', 1), ('sigmoid', 3), ('relu', 2), "
        "('identity', 0)])",
    ),
    "separable-residual": (
        "Wide separable convolutions beside skips, a chain of tanh states: small, and a sound first choice.",
        BY_HAND,
        f"Genotype(normal={conv('sep_conv_15', 'skip_connect')}, reduce={conv('sep_conv_15', 'max_pool_5')}, {RHN})",
    ),
    "dilated-wide": (
        "Dilated convolutions in both cells: the widest view of the sequence for its parameters.",
        BY_HAND,
        f"Genotype(normal={conv('dil_conv_15', 'dil_conv_9')}, reduce={conv('dil_conv_15', 'max_pool_5')}, {FAN})",
    ),
    "dense-heavy": (
        "Dense convolutions on every edge: the largest network of the published space.",
        BY_HAND,
        f"Genotype(normal={conv('conv_15', 'conv_15')}, reduce={conv('conv_15', 'conv_15')}, {RHN})",
    ),
    "pooling-only": (
        "Max and average pools on every edge, no weights in the cells: the smallest network of the space.",
        BY_HAND,
        f"Genotype(normal={conv('max_pool_5', 'avg_pool_5')}, reduce={conv('max_pool_5', 'avg_pool_5')}, {FAN})",
    ),
}


def main() -> None:
    """Write all entries anew."""
    for name, (summary, origin, text) in SHIPPED.items():
        with TemporaryDirectory() as folder:
            path = Path(folder) / "genotype.json"
            from_darts(text, where=name).save(path)
            entry = add_entry(name, path, summary=summary, origin=origin, zoo=ENTRIES, force=True)
        print(entry.name, entry.genotype.digest[:12])


if __name__ == "__main__":
    main()
