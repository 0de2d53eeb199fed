"""Numbers with bounds, for the fields of settings.

The bounds are metadata of the `annotated-types` library: the reader of the settings checks them.
"""

from typing import Annotated

from annotated_types import Ge

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Ge(0.001)]
NotNegative = Annotated[float, Ge(0)]
