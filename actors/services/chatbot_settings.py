"""The settings of chatbots that act for patients: section ``[chatbot]`` of ``config.toml``."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from actors.bounds import Count, Positive


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatbotSettings:
    """What a chatbot's service token needs to act for a patient, and how often it may."""

    consent: Literal["recorded", "assumed"] = "recorded"
    consent_days: Annotated[float, Ge(0.001), Le(3_650)] = 365.0
    """Lifetime of a consent, unless a shorter one is chosen."""
    lookups_per_hour: Count = 200
    """Of patients by two identifiers, by one chatbot."""
    rate_per_s: Positive = 500.0
    """Requests of one party, for all its patients."""
    rate_burst: Count = 2_000

    @property
    def assumes_consent(self) -> bool:
        return self.consent == "assumed"
