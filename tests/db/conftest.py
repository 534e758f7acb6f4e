"""What tests of the database begin with."""

import pytest


@pytest.fixture
def address(migrated_address: str) -> str:
    """A server's database that has the schema and nothing else."""
    return migrated_address
