import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from genotools.data.encoding import decode, encode, one_hot, reverse_complement

code_arrays = arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=20), elements=st.integers(0, 4))


def test_bases_of_either_case_have_their_codes_and_all_else_is_unknown() -> None:
    every_byte = bytes(range(256))
    codes = encode(every_byte)
    assert {chr(byte): codes[byte] for byte in b"ACGTacgt"} == dict(
        zip("ACGTacgt", [0, 1, 2, 3] * 2, strict=True)
    )
    assert (np.delete(codes, list(b"ACGTacgt")) == 4).all()


def test_text_and_bytes_encode_alike_and_one_code_per_character() -> None:
    assert encode("ACGTNé").tolist() == [0, 1, 2, 3, 4, 4]
    assert encode(b"acgtn").tolist() == encode("ACGTN").tolist()
    assert encode("").shape == (0,)


@given(st.text("ACGTN", max_size=50))
def test_decoding_undoes_encoding(text: str) -> None:
    assert decode(encode(text)) == text


@given(code_arrays)
def test_reverse_complement_twice_is_the_same(codes: np.ndarray) -> None:
    assert (reverse_complement(reverse_complement(codes)) == codes).all()


def test_reverse_complement_pairs_bases_and_flips_the_last_axis_only() -> None:
    codes = np.stack([encode("AACGN"), encode("TTTTT")])
    assert [decode(row) for row in reverse_complement(codes)] == ["NCGTT", "AAAAA"]


def test_one_hot_has_channels_acgt_and_unknown_is_zero() -> None:
    x = one_hot(encode("ACGTN")[None])
    assert x.dtype == np.float32
    assert (x[0] == np.eye(4, 5)).all()


def test_one_hot_of_the_other_strand_is_both_axes_flipped() -> None:
    codes = encode("ACCGTTN")[None]
    assert (one_hot(reverse_complement(codes)) == one_hot(codes)[:, ::-1, ::-1]).all()


@pytest.mark.parametrize("function", [decode, reverse_complement])
def test_codes_above_four_are_refused(function: object) -> None:
    with pytest.raises(ValueError, match=r"0 to 4 .* found 7"):
        function(np.array([0, 7], dtype=np.uint8))  # type: ignore[operator]


def test_wrong_number_of_axes_is_refused() -> None:
    with pytest.raises(ValueError, match="one dimension"):
        decode(np.zeros((2, 2), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"\(N, L\)"):
        one_hot(np.zeros(3, dtype=np.uint8))
