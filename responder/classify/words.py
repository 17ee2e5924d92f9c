"""The kinds of text that stand in the files of the playbooks folder."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from responder.classify import wildcards
from responder.classify.paths import PathPatterns


class Strict(BaseModel):
    """Base of what people write: a field that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _percent(value: object) -> float:
    if isinstance(value, float):
        rate = value
    else:
        written = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)\s?%", str(value))
        if written is None:
            raise ValueError(f"write a percentage such as 5%, not {value}")
        rate = float(written[1])
    if not 0 <= rate < 100:
        raise ValueError("a failure rate is at least 0% and below 100%")
    return rate


Percent = Annotated[
    float,
    BeforeValidator(_percent),
    PlainSerializer(lambda rate: f"{rate:g}%", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?\s?%$"}),
]


def _path_pattern(line: str) -> str:
    PathPatterns([line])
    return line


Wildcards = Annotated[str, AfterValidator(wildcards.check)]
PathPattern = Annotated[str, AfterValidator(_path_pattern)]
# A folder of a larger repository in which the app lies, such as services/web.
Root = Annotated[str, StringConstraints(pattern=r"^[\w.@()-]+(/[\w.@()-]+)*/?$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
