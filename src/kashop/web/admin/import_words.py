"""What the panel calls the rows, separators and encodings of stock files. Values are msgids."""

REASON = {
    "duplicate_in_file": "Twice in this file",
    "new": "New",
    "duplicate_in_stock": "In stock already",
    "duplicate_sold": "Sold already",
    "duplicate_void": "Voided before",
    "empty": "Empty",
    "missing_column": "A column is missing",
    "extra_column": "A column too many",
    "control_character": "Has control characters",
    "bad_unicode": "Not whole text",
    "too_long": "Too long",
    "bad_json": "Not JSON",
    "spreadsheet_changed": "Changed by the spreadsheet program",
    "bad_cost": "The cost is no amount",
    "bad_expiry": "The expiry is no date",
    "invisible_character": "Has invisible characters",
    "full_width": "Has full-width characters",
    "outer_space": "Begins or ends with a space",
    "number_cell": "A number cell: leading zeros may be lost",
}
PHASE = {"reading": "Reading the file", "judging": "Looking at every row", "storing": "Sealing and shelving", "ended": "Done"}
SEPARATOR = {
    "\t": "Tab",
    "tab": "Tab",
    ",": "Comma",
    ";": "Semicolon",
    "|": "Bar",
    "----": "----",
    "space": "Space",
    " ": "Space",
}
FORMAT = {"txt": "Text, one code a line", "csv": "CSV", "tsv": "TSV", "xlsx": "Excel", "jsonl": "JSON lines"}
ENCODING = {"utf-8": "UTF-8", "gbk": "GBK", "gb18030": "GB18030", "big5": "Big5"}
