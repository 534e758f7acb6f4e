"""The ground floor: pure values that know no shop, no database and no web."""
