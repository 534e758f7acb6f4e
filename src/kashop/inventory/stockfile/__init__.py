"""Reading merchants' stock files: bytes in, rows of codes out; no database, no clock, no network.

Always true: what a file is, its content says, not its name; a code comes out exactly as it stood in its
field (only plain text lines lose their outer blanks); a file is refused whole or read whole, never guessed
into mojibake; and no code is ever part of a message or a repr.

How the code is chosen: a plain line is one code; in a table or a JSON object the columns whose names are
known (卡号 + 密码, code + pin, 卡密, License, …) are joined by `----`, account or number first whatever
the order in the file. Where the names do not tell, the merchant is asked.
"""

from kashop.inventory.stockfile.cells import fingerprint_text
from kashop.inventory.stockfile.decode import Undecodable
from kashop.inventory.stockfile.read import inspect, rows, rows_of
from kashop.inventory.stockfile.types import CODE_LIMIT, ENCODINGS, FORMATS, Row, Rules, Shape

__all__ = [
    "CODE_LIMIT",
    "ENCODINGS",
    "FORMATS",
    "Row",
    "Rules",
    "Shape",
    "Undecodable",
    "fingerprint_text",
    "inspect",
    "rows",
    "rows_of",
]
