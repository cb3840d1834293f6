"""The kinds of values that settings have, by name.

Knows types and ranges; knows no setting.
"""

from typing import Annotated

from landscapes.settings.fields import DISTINCT, NOT_EMPTY, above, at_least, at_most, below, one_of, within

Count = Annotated[int, at_least(1)]
Size = Annotated[int, at_least(1), at_most(2**31 - 1)]  # of an array, or counted in int32 on the device
Iterations = Annotated[int, at_least(1), at_most(2**32 - 1)]  # each has a random key by its number, in uint32
Index = Annotated[int, at_least(0)]
Seed = Annotated[int, within(0, 2**32 - 1)]
NonNegative = Annotated[float, at_least(0)]
Positive = Annotated[float, above(0)]
Share = Annotated[float, within(0, 1)]
PositiveShare = Annotated[float, above(0), at_most(1)]
ErrorRate = Annotated[float, above(0), below(0.5)]
Text = Annotated[str, NOT_EMPTY]
Widths = Annotated[list[Size], NOT_EMPTY]
Steps = Annotated[list[Index], DISTINCT]
# In single precision more is infinite. An integer stays one: files are labelled with it as typed.
Amount = Annotated[int | float, at_least(0), at_most(1e38)] | None
Activation = Annotated[str, one_of("tanh", "relu", "elu", "swish")]
Initialization = Annotated[str, one_of("orthogonal", "xavier", "torch")]
