"""Settings of practices: the section ``[practice]`` of ``config.toml``."""

from dataclasses import dataclass
from typing import Literal

from actors.bounds import Count
from actors.domain.contact import is_region


@dataclass(frozen=True, kw_only=True, slots=True)
class PracticeSettings:
    """What holds for all practices of the hub."""

    region: str = ""
    """ISO 3166 code of the country of telephone numbers without a country code; empty: none."""
    dentists_see: Literal["", "own", "practice"] = ""
    """Which patients dentists find and see; empty: as each practice has it."""
    lookups_per_hour: Count = 20
    """Of patients by two identifiers, by one dentist or member of the staff."""
    require_contact: bool = False
    """Whether a patient books only with a name, and a telephone number or an e-mail address."""

    def __post_init__(self) -> None:
        if self.region and not is_region(self.region):
            raise ValueError(
                f'region must be a country as two capital letters, such as AT, not "{self.region}"'
            )
