"""One thing that the doctor looked at."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """`level` is ok, note or mend; `said` also says what to do."""

    subject: str
    level: str
    said: str
