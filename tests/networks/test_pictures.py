"""Convolutions as products of matrices, against XLA's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.networks.modules import StochasticActor
from landscapes.networks.pictures import (
    LARGE_PICTURES,
    SMALL_PICTURES,
    Features,
    Pictures,
    convolve_by_blocks,
    convolve_by_patches,
)
from landscapes.spaces import Box, Discrete, Spaces


@pytest.mark.parametrize(
    "layers, shape",
    [
        (SMALL_PICTURES, (10, 10, 4)),
        (((3, 4, 2), (2, 3, 1)), (13, 12, 2)),
        (((3, 6, 2), (2, 3, 2)), (15, 14, 2)),
        (LARGE_PICTURES, (84, 84, 4)),
    ],
)
def test_products_are_a_convolution(layers, shape) -> None:
    pictures = jax.random.randint(jax.random.key(0), (2, *shape), 0, 256).astype(jnp.uint8)
    module = Pictures(layers, 255.0)
    params = module.init(jax.random.key(1), pictures[0])
    x = pictures.astype(jnp.float32) / 255.0
    for i, (filters, side, stride) in enumerate(layers):
        dense = params["params"][f"Dense_{i}"]
        kernel = dense["kernel"].reshape(side, side, x.shape[-1], filters)
        x = jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
        )
        x = jax.nn.relu(x + jnp.broadcast_to(dense["bias"], x.shape))
    np.testing.assert_allclose(module.apply(params, pictures), x.reshape(2, -1), rtol=1e-4, atol=1e-5)


def test_products_have_the_gradients_of_a_convolution() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 13, 12, 3))
    kernel = jax.random.normal(jax.random.key(1), (4 * 4 * 3, 5))

    def of(convolve):
        return jax.grad(lambda x, kernel: jnp.sum(jnp.sin(convolve(x, kernel))), (0, 1))(x, kernel)

    def plain(x, kernel):
        return jax.lax.conv_general_dilated(
            x,
            kernel.reshape(4, 4, 3, 5),
            (2, 2),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision="highest",
        )

    for convolve in (convolve_by_blocks, convolve_by_patches):
        found = of(lambda x, kernel, convolve=convolve: convolve(x, kernel, 4, 2))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, of(plain))


def test_the_network_for_screens_has_the_published_size() -> None:
    """84 × 84 × 4: 20 × 20 × 32, 9 × 9 × 64, 7 × 7 × 64 = 3136 features (Mnih et al., 2015)."""
    screen = Box((84, 84, 4), 0.0, 255.0, "uint8")
    shapes = jax.eval_shape(lambda key: Features(screen).init_with_output(key, screen.zero()), jax.random.key(0))
    assert shapes[0].shape == (3136,)
    kernels = [x.shape for x in jax.tree.leaves(shapes[1]) if len(x.shape) == 2]
    assert kernels == [(8 * 8 * 4, 32), (4 * 4 * 32, 64), (3 * 3 * 64, 64)] and len(LARGE_PICTURES) == 3


def test_a_policy_on_pictures_chooses_among_actions() -> None:
    spaces = Spaces(Box((10, 10, 4), 0.0, 1.0, "uint8"), Discrete(3))
    actor = StochasticActor([16], spaces)
    params = actor.init(jax.random.key(0), spaces.observation.zero())
    pictures = jnp.ones((5, 10, 10, 4), jnp.uint8)
    assert actor.apply(params, pictures).mode().shape == (5,)
    assert actor.apply(params, pictures).logits.shape == (5, 3)


def test_what_is_neither_vector_nor_picture_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 4\): must be vectors, or pictures"):
        Features(Box((4, 4))).init(jax.random.key(0), jnp.zeros((4, 4)))
