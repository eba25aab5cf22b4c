import torch

from genotools.randomness import forked_torch


def test_equal_seeds_give_equal_numbers_and_others_do_not() -> None:
    draws = []
    for seed in (1, 1, 2):
        with forked_torch(seed):
            draws.append(torch.rand(8))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_the_global_state_is_put_back_even_after_an_error() -> None:
    before = torch.get_rng_state()
    try:
        with forked_torch(3):
            torch.rand(8)
            raise KeyError("stop")
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), before)
